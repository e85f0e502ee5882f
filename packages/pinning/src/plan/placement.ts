// Where copies belong: of the members a group is ranked by, those that can take the object, and the first of them, zone
// by zone. Pure; station: ranking -> PLACEMENT -> plan. Short absences and long ones make different lists.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { KeepingOptions } from '../keep/keeping-options.ts'
import { patientWith } from './by-size.ts'
import type { Candidate, Situation } from './plan.ts'
import { boundsFor, returnMsOf, type Tally, type TargetBounds, tally } from './tally.ts'
import { spreadOver, zoneMaxOf } from './zones.ts'

/** To whom a new object is offered: its placement first, then whoever would take a place that is refused. */
export function keepersFor(
  situation: Situation,
  usual: KeepingOptions
): { readonly copies: number; readonly keepers: readonly NodeId[] } {
  const options = patientWith(situation.size, usual)
  const bounds = boundsFor(situation.copiesMin, situation.ranking)
  const counts = tally(situation.copies, bounds, options)
  const reached = availableNow(situation, counts).filter((member) => member.awayMs === 0)
  const { first, crowded } = spreadOver(reached, zoneMaxOf(bounds.copiesMin))
  const able = [...first, ...crowded]
  const placedHere = able.slice(0, bounds.copiesTarget).some((member) => member.node === situation.self.node)
  return {
    copies: bounds.copiesTarget - (placedHere ? 1 : 0),
    keepers: able.filter((member) => member.operator !== situation.self.operator).map((member) => member.node)
  }
}

/** Who should hold it, as this node sees it: the first `copiesTarget` that can, short absences aside. */
export function placementFor(situation: Situation, options: KeepingOptions): readonly Candidate[] {
  const bounds = boundsFor(situation.copiesMin, situation.ranking)
  const counts = tally(situation.copies, bounds, patientWith(situation.size, options))
  return placementOf(availableLastingly(situation, counts, options), bounds)
}

/** Whether our copy is where placement wants it. */
export function isPlacedHere(situation: Situation, options: KeepingOptions): boolean {
  return placementFor(situation, options).some((member) => member.node === situation.self.node)
}

/** Rule 3: the first `copiesTarget` of them, zone by zone. */
export function placementOf(able: readonly Candidate[], bounds: TargetBounds): readonly Candidate[] {
  const { first, crowded } = spreadOver(able, zoneMaxOf(bounds.copiesMin))
  return [...first, ...crowded].slice(0, bounds.copiesTarget)
}

export function availableNow(situation: Situation, counts: Tally): readonly Candidate[] {
  return available(situation, counts.standing, () => counts.patienceMs)
}

export function availableLastingly(
  situation: Situation,
  counts: Tally,
  options: KeepingOptions
): readonly Candidate[] {
  return available(situation, counts.expected, (member) => returnMsOf(member, options))
}

/**
 * Neither gone nor full, nor unwilling. A keeper that answers wrongly, or claims and never proves, is passed over
 * like one that declines: otherwise its seat in the placement would be a copy nobody makes.
 */
function available(
  { ranking, copies }: Situation,
  holders: ReadonlySet<OperatorId>,
  patienceMs: (member: Candidate) => number
): readonly Candidate[] {
  return ranking.filter((member) => {
    if (member.awayMs >= patienceMs(member) || member.declines) return false
    const said = copies.some((copy) => copy.node === member.node)
    // Full keeps nobody from keeping what it has.
    return said ? holders.has(member.operator) : !member.full
  })
}
