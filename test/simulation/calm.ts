// The usual case, decided once for everybody: enough holders are up, well proven, and whoever is asked has heard so.
// Then nobody without a copy has anything to do until one of a few known moments. Like glance.ts it repeats
// necessary conditions of the plan, decides nothing itself and is held against the plan by samples.

import type { TargetBounds } from '../../packages/pinning/src/plan/tally.ts'
import { type GlanceParts, isCrowded } from './glance.ts'
import type { Held, ObjectState } from './views.ts'
import type { Machine } from './world.ts'

const wordsNeeded = 2

export class Calm {
  readonly #parts: GlanceParts

  constructor(parts: GlanceParts) {
    this.#parts = parts
  }

  /** Until when there is nothing to do for who is informed and has no copy; `undefined` when there may be now. */
  untilMs(object: ObjectState, bounds: TargetBounds): number | undefined {
    const { world, options } = this.#parts
    const { nowMs } = world
    if (world.upOn(1) > 0) return undefined
    let up = 0
    let expected = 0
    let untilMs = Number.POSITIVE_INFINITY
    for (const held of object.copies) {
      const { keeper, firmUntilMs } = held
      if (keeper.up) {
        if (firmUntilMs <= nowMs) return undefined
        up++
      }
      // Nobody believes it away for longer than it is.
      const backUntilMs = keeper.up ? firmUntilMs : keeper.downSinceMs + this.#parts.returnMsOf(keeper)
      if (Math.min(backUntilMs, firmUntilMs) <= nowMs) continue
      expected++
      untilMs = Math.min(untilMs, backUntilMs, firmUntilMs)
    }
    if (up < bounds.copiesMin || up <= options.challengersPerCopy || expected <= bounds.copiesTarget) {
      return undefined
    }
    return isCrowded(object, bounds.copiesMin) ? undefined : untilMs
  }

  /** Whether it heard of every copy, and of two proofs of each that is well proven. */
  isInformed(object: ObjectState, viewer: Machine): boolean {
    const { nowMs } = this.#parts.world
    const knownMs = object.informed.get(viewer)
    if (knownMs !== undefined && knownMs > nowMs) return true
    const untilMs = this.#heardUntilMs(object, viewer)
    if (untilMs <= nowMs) return false
    object.informed.set(viewer, untilMs)
    return true
  }

  /** The keeper says that it has a copy: who does not reach it is informed no longer. */
  spoke(object: ObjectState, speaker: Machine): void {
    for (const viewer of object.informed.keys()) {
      if (!this.#parts.world.reaches(viewer, speaker)) object.informed.delete(viewer)
    }
  }

  /** The challenger has something new to say about this copy. */
  worded(object: ObjectState, held: Held, challenger: Machine): void {
    this.spoke(object, challenger)
    held.firmUntilMs = this.#firmUntilMs(held)
    if (held.firmUntilMs === Number.NEGATIVE_INFINITY) object.informed.clear()
  }

  #firmUntilMs(held: Held): number {
    let newest = -1
    let second = -1
    for (const { provenMs, corruptMs, wrongMs } of held.words) {
      if (corruptMs >= 0 || wrongMs > provenMs) return Number.NEGATIVE_INFINITY
      if (provenMs > newest) {
        second = newest
        newest = provenMs
      } else if (provenMs > second) second = provenMs
    }
    return second < 0 ? Number.NEGATIVE_INFINITY : second + this.#parts.options.proofAgeMsMax
  }

  #heardUntilMs(object: ObjectState, viewer: Machine): number {
    const { world, views, options } = this.#parts
    let untilMs = Number.POSITIVE_INFINITY
    for (const held of object.copies) {
      if (held.keeper === viewer || held.firmUntilMs <= world.nowMs) continue
      if (!views.hasHeard(viewer, held.keeper, held.sinceMs)) return Number.NEGATIVE_INFINITY
      const heard = held.words
        .filter(({ challenger, provenMs }) => provenMs >= 0 && views.hasHeard(viewer, challenger, provenMs))
        .map(({ provenMs }) => provenMs)
        .sort((a, b) => b - a)
      const second = heard[wordsNeeded - 1]
      if (second === undefined) return Number.NEGATIVE_INFINITY
      untilMs = Math.min(untilMs, second + options.proofAgeMsMax)
    }
    return untilMs
  }
}
