// One at a time per object: fetching, wishing, releasing and collecting the same bytes exclude one
// another here, so that "re-read, then delete" is one step for everybody else in this process.

import { toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { rootKey } from './root-key.ts'

export class RootLocks {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` when all earlier work on this root has ended. Not reentrant. */
  async run<T>(root: CID, work: () => Promise<T>): Promise<T> {
    const name = toHex(rootKey(root))
    const before = this.#tails.get(name) ?? Promise.resolve()
    const running = before.then(work)
    // The next in line waits for the end, not for the success.
    const tail = running.then(
      () => {},
      () => {}
    )
    this.#tails.set(name, tail)
    try {
      return await running
    } finally {
      if (this.#tails.get(name) === tail) this.#tails.delete(name)
    }
  }
}
