// The first places of every group, kept while members come and go: a change costs one score per group and
// never a ranking anew. What is beyond the first places nobody plans with: in a pool of thousands the
// hundredth in line would wait an hour for its turn. Memory is per group, never per object or member pair.
// The order is that of `Ranking`; which members agree on is docs/protocol/ranking.md, "First places".

import type { NodeId, OperatorId } from '@commonhold/core'
import type { Member } from '../roster/member.ts'
import {
  type Contender,
  compare,
  contender,
  distance,
  type Scored,
  spreadZones,
  weightCap,
  weightOf
} from './ranking.ts'
import { spreadOver } from './zones.ts'

/** Places of a group that plans are made with. Normative. */
export const placesMax = 64

/** Of them, places of one zone while there are members elsewhere: the rest is for those, or no plan could name one. Normative. */
const placesOfZoneMax = 48

/** Kept beyond them, so that as many members may leave before the group is ranked anew. */
const spare = 32

/** Kept of one zone. */
const keptOfZoneMax = placesOfZoneMax + spare / 2

/** With more changes than this share of the operators everything is ranked anew, when it is asked for. */
const changesShareMax = 0.25

const nobody: ReadonlySet<string> = new Set()

interface Group {
  /** Best first: exactly the best so many of all operators, and of each zone. */
  readonly places: Scored[]
  /** Zones of which there are more, all of them worse than those kept. */
  crowded: ReadonlySet<string>
  /** Whether there are others, all of them worse than the last. */
  more: boolean
  /** The first of them with zones spread, once asked for and until they change. */
  first?: readonly Member[]
}

export class RankedGroups {
  readonly #poolId: Uint8Array
  readonly #groups: (Group | undefined)[]
  /** Nodes of each counted operator. */
  #operators = new Map<OperatorId, readonly Contender[]>()
  /** Neighbours as last found in all groups, and those found so far in the first `#looked` of them. */
  #near: ReadonlySet<NodeId> = new Set()
  #found = new Set<NodeId>()
  #looked = 0

  constructor(poolId: Uint8Array, k: number) {
    this.#poolId = poolId
    this.#groups = new Array<Group | undefined>(2 ** k).fill(undefined)
  }

  /** Best first, one node per operator, operators that count; at most `placesMax`. */
  of(group: number): readonly Member[] {
    const known = this.#groups[group] ?? this.#rank(group)
    this.#groups[group] = known
    known.first ??= spreadZones(firstPlaces(known.places.map((place) => place.contender.member)))
    return known.first
  }

  /**
   * Who shares the first `places` of a group with this node. Looks at so many groups per call and answers
   * meanwhile as it was before, because at first each has to be ranked; asked again and again it gets there.
   */
  neighbours(node: NodeId, places: number, groupsPerCall: number): ReadonlySet<NodeId> {
    const end = Math.min(this.#groups.length, this.#looked + groupsPerCall)
    for (; this.#looked < end; this.#looked++) {
      const first = this.of(this.#looked).slice(0, places)
      if (!first.some((member) => member.node === node)) continue
      for (const member of first) if (member.node !== node) this.#found.add(member.node)
    }
    if (this.#looked === this.#groups.length) this.#near = this.#found
    return this.#near
  }

  /** Takes in who is a member now. */
  update(members: readonly Member[]): void {
    const before = this.#operators
    this.#operators = this.#contenders(members)
    const changed = new Set<OperatorId>()
    for (const [operator, own] of this.#operators) {
      if (!alike(own, before.get(operator))) changed.add(operator)
    }
    for (const operator of before.keys()) if (!this.#operators.has(operator)) changed.add(operator)
    if (changed.size > 0) {
      this.#found = new Set()
      this.#looked = 0
    }
    if (changed.size > this.#operators.size * changesShareMax) this.#groups.fill(undefined)
    else if (changed.size > 0) for (const [i, group] of this.#groups.entries()) this.#amend(i, group, changed)
  }

  #contenders(members: readonly Member[]): Map<OperatorId, readonly Contender[]> {
    const cap = weightCap(members)
    const operators = new Map<OperatorId, Contender[]>()
    for (const member of members) {
      if (!member.counted || member.capacityBytes === 0) continue
      const own = operators.get(member.operator) ?? []
      const known = this.#operators.get(member.operator)?.find((one) => one.member.node === member.node)
      // The hash of a node is made once, whatever becomes of its weight.
      own.push(
        known === undefined
          ? contender(this.#poolId, member, cap)
          : { ...known, member, weight: weightOf(member, cap) }
      )
      operators.set(member.operator, own)
    }
    return operators
  }

  #rank(group: number): Group {
    const ranked: Group = { places: [], crowded: nobody, more: false }
    for (const own of this.#operators.values()) insert(ranked, best(own, group))
    const zoned = ranked.places.map((place) => place.contender.member)
    if (spreadOver(zoned, keptOfZoneMax).crowded.length === 0) return ranked
    // Rare: looked for with less haste.
    const spread: Group = { places: [], crowded: nobody, more: false }
    for (const own of this.#operators.values()) insert(spread, best(own, group), keptOfZoneMax)
    return spread
  }

  #amend(index: number, group: Group | undefined, changed: ReadonlySet<OperatorId>): void {
    if (group === undefined) return
    const { places } = group
    for (let i = places.length - 1; i >= 0; i--) {
      const place = places[i]
      if (place === undefined || !changed.has(place.contender.member.operator)) continue
      places.splice(i, 1)
      delete group.first
    }
    for (const operator of changed) {
      const own = this.#operators.get(operator)
      if (own === undefined) continue
      const scored = best(own, index)
      // Behind the last of all, or of its zone, there may be others who are better.
      const { zone } = scored.contender.member
      if (group.more && isBehind(scored, places.at(-1))) continue
      if (zone !== undefined && group.crowded.has(zone) && isBehind(scored, lastIn(zone, places))) continue
      insert(group, scored, keptOfZoneMax)
      delete group.first
    }
    if (group.first === undefined && !isEnough(group)) this.#groups[index] = undefined
  }
}

/**
 * In rank order, at most `placesOfZoneMax` of a zone; whom that passes over follows while there are places left.
 * @param members best first
 */
export function firstPlaces(members: readonly Member[]): Member[] {
  const { first, crowded } = spreadOver(members, placesOfZoneMax)
  return [...first, ...crowded].slice(0, placesMax)
}

/** Whether the first places can be told from who is kept. */
function isEnough({ places, crowded, more }: Group): boolean {
  const members = places.map((place) => place.contender.member)
  for (const zone of crowded) {
    if (members.filter((member) => member.zone === zone).length < placesOfZoneMax) return false
  }
  if (more) return spreadOver(members, placesOfZoneMax).first.length >= placesMax
  return crowded.size === 0 || members.length >= placesMax
}

function isBehind(scored: Scored, other: Scored | undefined): boolean {
  return other === undefined || compare(scored, other) > 0
}

function best([first, ...others]: readonly Contender[], group: number): Scored {
  if (first === undefined) throw new Error('an operator without nodes is no contender')
  let scored = { contender: first, distance: distance(first, group) }
  for (const other of others) {
    const rival = { contender: other, distance: distance(other, group) }
    if (compare(rival, scored) < 0) scored = rival
  }
  return scored
}

/** In order; the worst goes when there are too many, of its zone or of all. */
function insert(group: Group, scored: Scored, zoneMax = Number.POSITIVE_INFINITY): void {
  const { places } = group
  const full = places.length >= placesMax + spare
  if (full && isBehind(scored, places.at(-1))) {
    group.more = true
    return
  }
  let low = 0
  let high = places.length
  while (low < high) {
    const middle = (low + high) >> 1
    const place = places[middle]
    if (place !== undefined && compare(place, scored) < 0) low = middle + 1
    else high = middle
  }
  places.splice(low, 0, scored)
  const { zone } = scored.contender.member
  if (zone !== undefined && zoneMax < places.length && dropCrowd(places, zone, zoneMax))
    group.crowded = new Set([...group.crowded, zone])
  else if (full) {
    places.pop()
    group.more = true
  }
}

/** Drops the worst of a zone that has more than its share. */
function dropCrowd(places: Scored[], zone: string, zoneMax: number): boolean {
  let count = 0
  for (const place of places) if (place.contender.member.zone === zone) count++
  if (count <= zoneMax) return false
  const last = lastIn(zone, places)
  if (last !== undefined) places.splice(places.lastIndexOf(last), 1)
  return true
}

function lastIn(zone: string, places: readonly Scored[]): Scored | undefined {
  return places.findLast((place) => place.contender.member.zone === zone)
}

function alike(own: readonly Contender[], before: readonly Contender[] | undefined): boolean {
  if (before === undefined || own.length !== before.length) return false
  return own.every((one, i) => {
    const other = before[i]
    return (
      other !== undefined &&
      one.member.node === other.member.node &&
      one.weight === other.weight &&
      one.member.zone === other.member.zone &&
      one.member.class === other.member.class &&
      one.member.capacityBytes === other.member.capacityBytes
    )
  })
}
