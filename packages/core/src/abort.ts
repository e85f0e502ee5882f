// The last parameter of every async function of ours: how its caller calls it off.

export interface AbortOptions {
  signal?: AbortSignal
}

/**
 * Settles like `work`, or rejects with the signal's reason if that comes first: one's own signal ends
 * the waiting, not the work, which may be shared with others. Unlike `Promise.race` with a promise that
 * lives long, it leaves nothing behind on the signal: a race a chunk would keep every chunk in memory.
 */
export function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      // Whoever else waits for it hears of its failure.
      work.catch(() => {})
      reject(signal.reason)
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort, { once: true })
    const settle = (then: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      then()
    }
    work.then(
      (value) => settle(() => resolve(value)),
      (err: unknown) => settle(() => reject(err))
    )
  })
}
