// A sum of bytes that may be held at once, shared by many. First come, first served, so that a large
// wish is not overtaken by small ones for ever.

import type { AbortOptions } from '@commonhold/core'

interface Waiter {
  readonly bytes: number
  readonly grant: () => void
}

export class ByteBudget {
  readonly #bytesMax: number
  #held = 0
  #waiters: Waiter[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get held(): number {
    return this.#held
  }

  /** Takes the bytes if they are free now and nobody is waiting. */
  tryTake(bytes: number): boolean {
    if (this.#waiters.length > 0 || this.#held + bytes > this.#bytesMax) return false
    this.#held += bytes
    return true
  }

  /** Resolves when the bytes are taken; rejects with the signal's reason, having taken nothing. */
  take(bytes: number, options?: AbortOptions): Promise<void> {
    const signal = options?.signal
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.tryTake(bytes)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        }
      }
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter)
        reject(signal?.reason)
        this.#grantNext()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
    })
  }

  give(bytes: number): void {
    this.#held -= bytes
    this.#grantNext()
  }

  #grantNext(): void {
    for (;;) {
      const next = this.#waiters[0]
      if (next === undefined || this.#held + next.bytes > this.#bytesMax) return
      this.#waiters.shift()
      this.#held += next.bytes
      next.grant()
    }
  }
}
