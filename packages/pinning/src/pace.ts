// A rate limit over bytes (or whatever else is counted): work of any size may begin while the account is in
// credit and is paid for afterwards, so that a large object is never refused for its size alone.

import type { Clock } from '@commonhold/core'

export class Pace {
  readonly #clock: Clock
  readonly #bytesPerSecond: number
  readonly #creditMax: number
  #credit: number
  #atMs: number

  constructor(clock: Clock, bytesPerSecond: number, creditMax: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#creditMax = creditMax
    this.#credit = creditMax
    this.#atMs = clock.monotonicMs()
  }

  /** Whether work of `bytes` may begin now; then it is charged. */
  take(bytes: number): boolean {
    const nowMs = this.#clock.monotonicMs()
    this.#credit = Math.min(
      this.#creditMax,
      this.#credit + ((nowMs - this.#atMs) / 1000) * this.#bytesPerSecond
    )
    this.#atMs = nowMs
    if (this.#credit <= 0) return false
    this.#credit -= bytes
    return true
  }
}
