// Waits for a state of other processes, which send no events here: looks again and again until it is
// there. The deadline only bounds a failing run; nothing depends on how long a look takes.

import { setTimeout as sleep } from 'node:timers/promises'

const lookEveryMs = 200

/** @param look returns `undefined` while it is not there yet. */
export async function until<T>(
  what: string,
  timeoutMs: number,
  look: () => Promise<T | undefined>
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let lastError: unknown
  for (;;) {
    try {
      const found = await look()
      if (found !== undefined) return found
      lastError = undefined
    } catch (err) {
      // A node that is just starting or ending refuses; whether it stays so shows at the deadline.
      lastError = err
    }
    if (performance.now() > deadline) {
      throw new Error(`Not within ${timeoutMs} ms: ${what}.`, { cause: lastError })
    }
    await sleep(lookEveryMs)
  }
}
