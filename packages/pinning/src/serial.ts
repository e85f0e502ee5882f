// One after another: writers of one log must not interleave between reading its state and appending to it.

import type { AbortOptions } from '@commonhold/core'

export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs `work` after everything asked before; a failure concerns only its own caller. */
  run<T>(work: () => Promise<T>, options?: AbortOptions): Promise<T> {
    const result = this.#last.then(() => {
      // Given up while waiting: nothing was begun, so nothing is half done.
      options?.signal?.throwIfAborted()
      return work()
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    await this.#last
  }
}
