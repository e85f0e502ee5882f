// A rate limit over bytes (or whatever else is counted): work of any size may begin while the account is in
// credit and is paid for afterwards, so that a large object is never refused for its size alone.
// A bound on the debt keeps one large object from closing the account for everybody who shares it.

import type { Clock } from '@commonhold/core'

export class Pace {
  readonly #clock: Clock
  readonly #bytesPerSecond: number
  readonly #creditMax: number
  readonly #debtMax: number
  #credit: number
  #atMs: number

  constructor(
    clock: Clock,
    bytesPerSecond: number,
    creditMax: number,
    debtMax: number = Number.POSITIVE_INFINITY
  ) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#creditMax = creditMax
    this.#debtMax = debtMax
    this.#credit = creditMax
    this.#atMs = clock.monotonicMs()
  }

  /** Whether work of `bytes` may begin now; then it is charged. */
  take(bytes: number): boolean {
    if (!this.open) return false
    this.#credit = Math.max(this.#credit - bytes, -this.#debtMax)
    return true
  }

  get open(): boolean {
    this.#refill()
    return this.#credit > 0
  }

  /** Nothing is owed and nothing was used: as good as new. */
  get full(): boolean {
    this.#refill()
    return this.#credit >= this.#creditMax
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs()
    const earned = ((nowMs - this.#atMs) / 1000) * this.#bytesPerSecond
    this.#credit = Math.min(this.#creditMax, this.#credit + earned)
    this.#atMs = nowMs
  }
}
