// When a second source is asked beside a slow one: after the 95th percentile of the waits seen lately,
// and only for a small share of all blocks, so that a slow day does not double everybody's traffic.
// The idea is that of “The Tail at Scale” (Dean and Barroso, 2013).

import { defaults } from './options.ts'

/** A source's first block waits for a round trip and a disk; those after it were sent ahead. */
export type Awaited = 'first' | 'next'

export class Hedging {
  readonly #waits: Readonly<Record<Awaited, RecentWaits>> = {
    first: new RecentWaits(),
    next: new RecentWaits()
  }
  #allowance = defaults.hedgeBurst

  /** How long a block is waited for before another source is asked too. */
  afterMs(awaited: Awaited): number {
    const { p95 } = this.#waits[awaited]
    return Math.min(Math.max(p95 ?? defaults.hedgeMsMax, defaults.hedgeMsMin), defaults.hedgeMsMax)
  }

  /** A block came, or was given up for another source's, after so long. */
  observe(awaited: Awaited, waitMs: number): void {
    this.#waits[awaited].add(waitMs)
    this.#allowance = Math.min(this.#allowance + defaults.hedgeShareMax, defaults.hedgeBurst)
  }

  /** Whether one more hedge is within the share. */
  tryTake(): boolean {
    if (this.#allowance < 1) return false
    this.#allowance -= 1
    return true
  }

  /** A hedge that was not made after all. */
  give(): void {
    this.#allowance += 1
  }
}

const kept = 256
/** Sorting for each block would cost more than the percentile moves. */
const freshFor = 32

class RecentWaits {
  readonly #waits: number[] = []
  #at = 0
  #added = 0
  #p95: number | undefined

  add(ms: number): void {
    this.#waits[this.#at] = ms
    this.#at = (this.#at + 1) % kept
    if (this.#p95 === undefined || ++this.#added >= freshFor) this.#look()
  }

  get p95(): number | undefined {
    return this.#p95
  }

  #look(): void {
    this.#added = 0
    // Of a handful of waits the largest says more about chance than about the tail.
    if (this.#waits.length < freshFor) return
    const sorted = this.#waits.toSorted((a, b) => a - b)
    this.#p95 = sorted[Math.floor(sorted.length * 0.95)]
  }
}
