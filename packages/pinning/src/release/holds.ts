// Promises not to release: the keeper's half of prove-and-hold. A hold lives in memory, because after a
// start nothing is released for as long anyway. A hold binds release, never a takedown.

import { type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { holdMsFor } from '../plan/by-size.ts'
import { rootKey } from '../root-key.ts'

export class Holds {
  readonly #parts: KeepingParts
  /** Hex of the key → own time until which our copy stays. */
  readonly #untilMs = new Map<string, number>()
  /** Objects whose release is under way here. */
  readonly #releasing = new Set<string>()
  #emptySinceMs: number | undefined

  constructor(parts: KeepingParts) {
    this.#parts = parts
  }

  /** The store was empty when we started: nobody can rely on a promise about what was not here. */
  noteEmptyStart(): void {
    this.#emptySinceMs = this.#parts.time.awakeSinceMs()
  }

  /**
   * Promises `from` to keep our copy for `holdMsFor` its size, unless we are releasing it ourselves: then two that
   * count on each other both back off. No `await` between the check and the promise.
   */
  async grant(root: CID, size: number, from: NodeId): Promise<boolean> {
    const { components, options, roster } = this.#parts
    const name = toHex(rootKey(root))
    if (roster.member(from) === undefined || this.#releasing.has(name)) return false
    if (this.#untilMs.size >= options.holdsMax && !this.#untilMs.has(name)) this.#forgetPast()
    if (this.#untilMs.size >= options.holdsMax && !this.#untilMs.has(name)) return false
    this.#untilMs.set(name, components.clock.monotonicMs() + holdMsFor(size, options))
    return true
  }

  isHeld(root: CID): boolean {
    const untilMs = this.#untilMs.get(toHex(rootKey(root)))
    return untilMs !== undefined && this.#parts.components.clock.monotonicMs() < untilMs
  }

  /**
   * Not for as long as a hold after a start, because holds granted before it are forgotten but may still be relied upon; nor
   * after a sleep, because what we know of wishes and holders is as old as that until the others told us.
   */
  mayRelease(size: number): boolean {
    const { time, options } = this.#parts
    const awakeSinceMs = time.awakeSinceMs()
    return awakeSinceMs === this.#emptySinceMs || time.nowMs() - awakeSinceMs >= holdMsFor(size, options)
  }

  /** From now on holds are refused; `false` when one is in force, and nothing was begun. */
  beginRelease(root: CID, size: number): boolean {
    if (!this.mayRelease(size) || this.isHeld(root)) return false
    this.#releasing.add(toHex(rootKey(root)))
    return true
  }

  endRelease(root: CID): void {
    this.#releasing.delete(toHex(rootKey(root)))
  }

  #forgetPast(): void {
    const nowMs = this.#parts.components.clock.monotonicMs()
    for (const [name, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(name)
  }
}
