// Time as a parameter. Decisions measure ages on the monotonic clock of this machine; the wall
// clock is read only for absolute expiry dates and for showing times to people. Nothing here ever
// compares the clocks of two machines.

import type { AbortOptions } from './abort.ts'

export interface Clock {
  /** Milliseconds since an arbitrary start; never goes backwards, survives no restart. */
  monotonicMs(): number
  /** Milliseconds since the Unix epoch, as this machine believes. */
  wallMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, options?: AbortOptions): Promise<void>
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  sleep: (ms, options) =>
    new Promise((resolve, reject) => {
      const signal = options?.signal
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const onAbort = (): void => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
}

/**
 * The same clock running `factor` times faster: a test or demo scales every delay of the pinning
 * layer with one number instead of overriding each of them. Wall time is left alone, because
 * expiry dates are exchanged with others.
 */
export function scaledClock(clock: Clock, factor: number): Clock {
  return {
    monotonicMs: () => clock.monotonicMs() * factor,
    wallMs: () => clock.wallMs(),
    sleep: (ms, options) => clock.sleep(ms / factor, options)
  }
}
