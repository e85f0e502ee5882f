// Time as a parameter. Decisions measure ages on the monotonic clock of this machine; the wall
// clock is read only for absolute expiry dates and for showing times to people. Nothing here ever
// compares the clocks of two machines.

import { uptime } from 'node:os'
import type { AbortOptions } from './abort.ts'

export interface Clock {
  /** Milliseconds since an arbitrary start, the time a machine was suspended included; never goes backwards, survives no restart. */
  monotonicMs(): number
  /** Milliseconds since the Unix epoch, as this machine believes. */
  wallMs(): number
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, options?: AbortOptions): Promise<void>
}

/** Smaller steps of the wall clock are not worth asking the kernel; a machine is not suspended for less. */
const stepMs = 1000

export interface TimeSources {
  /** Stands still while the machine is suspended, as CLOCK_MONOTONIC does on Linux. */
  readonly runningMs: () => number
  readonly wallMs: () => number
  /** Counts a suspension, and knows nothing of wall clocks being set. Slow: Linux reads a file for it. */
  readonly upSeconds: () => number
}

/**
 * A monotonic time that counts suspensions: a laptop that slept must not believe that what it knew, or was promised,
 * the evening before is seconds old. Only a step of the wall clock makes it look, and only the uptime is believed:
 * a machine without a clock of its own sets the wall clock by years when it finds the network.
 */
export function suspensionCounted({ runningMs, wallMs, upSeconds }: TimeSources): () => number {
  const suspended = (): number => upSeconds() * 1000 - runningMs()
  const baseMs = suspended()
  let aheadMs = wallMs() - runningMs()
  let asleepMs = 0
  return () => {
    const nowAheadMs = wallMs() - runningMs()
    if (Math.abs(nowAheadMs - aheadMs) >= stepMs) {
      aheadMs = nowAheadMs
      const sinceStartMs = suspended() - baseMs
      // Two readings that are not of one instant differ by less than a step.
      if (sinceStartMs - asleepMs >= stepMs / 2) asleepMs = sinceStartMs
    }
    return runningMs() + asleepMs
  }
}

export const systemClock: Clock = {
  monotonicMs: suspensionCounted({
    runningMs: () => performance.now(),
    wallMs: () => Date.now(),
    upSeconds: uptime
  }),
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
