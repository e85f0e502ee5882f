// Waiting with an end: every question to a peer has one, on the Clock port.

import { type AbortOptions, type Clock, UnreachableError, unlessAborted } from '@commonhold/core'
import type { RequestOptions } from './components.ts'

/** One reason for all, because making an exception for every answer costs more than many answers. */
const ended = new Error('the work has ended')

/**
 * Runs `work` with a signal that fires after `ms` or when the caller's does, so that nothing beneath has
 * to end the wait as well.
 * @throws UnreachableError when time is up, also when `work` ignores its signal.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: (options: RequestOptions) => Promise<T>,
  options?: AbortOptions
): Promise<T> {
  options?.signal?.throwIfAborted()
  const done = new AbortController()
  const late = new AbortController()
  const outer = options?.signal
  const signal = outer === undefined ? late.signal : AbortSignal.any([outer, late.signal])
  clock.sleep(ms, { signal: done.signal }).then(
    () => late.abort(new UnreachableError(`There was no answer within ${Math.round(ms)} ms.`)),
    () => {
      // Called off because the work ended first.
    }
  )
  try {
    return await unlessAborted(work({ signal, patient: true }), signal)
  } finally {
    done.abort(ended)
  }
}

/** Sleeps, and says whether it slept to the end (`true`) or was called off. */
export async function slept(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(ms, { signal })
    return true
  } catch (err) {
    if (signal.aborted) return false
    throw err
  }
}
