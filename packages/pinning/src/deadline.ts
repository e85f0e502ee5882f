// Waiting with an end: every question to a peer has one, on the Clock port.

import type { AbortOptions, Clock } from '@commonhold/core'
import { UnreachableError } from '@commonhold/core'

/** One reason for all, because making an exception for every answer costs more than many answers. */
const ended = new Error('the work has ended')

/**
 * Runs `work` with a signal that fires after `ms` or when the caller's does.
 * @throws UnreachableError when time is up, also when `work` ignores its signal.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: (options: AbortOptions) => Promise<T>,
  options?: AbortOptions
): Promise<T> {
  options?.signal?.throwIfAborted()
  const done = new AbortController()
  const late = new AbortController()
  const outer = options?.signal
  const signal = outer === undefined ? late.signal : AbortSignal.any([outer, late.signal])
  const timeout = clock.sleep(ms, { signal: done.signal }).then(
    () => {
      const err = new UnreachableError(`There was no answer within ${Math.round(ms)} ms.`)
      late.abort(err)
      throw err
    },
    // Aborted because the work ended first: nobody waits for this branch any more.
    () => new Promise<never>(() => {})
  )
  const aborted = new Promise<never>((_, reject) => {
    outer?.addEventListener('abort', () => reject(outer.reason), { once: true, signal: done.signal })
  })
  const running = work({ signal })
  // A loser of the race may still fail; its failure was already told as a timeout.
  running.catch(() => {})
  try {
    return await Promise.race([running, timeout, aborted])
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
