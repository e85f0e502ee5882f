// Which members should hold a group: weighted rendezvous hashing over signed roster data, so that all
// members with one roster agree without asking, and a change of one member moves only its share.
// Never measured availability. Normative text and vectors: docs/protocol/ranking.md.

import { createHash } from 'node:crypto'
import { type OperatorId, publicKeyOfNode } from '@commonhold/core'
import type { Member } from '../roster/member.ts'
import { negativeLog2 } from './log-table.ts'

export { groupOf } from '../root-key.ts'

export interface RankedMembers {
  /** Best first, one node per operator, operators that count. */
  readonly counted: readonly Member[]
  /** Nobody vouched for these: they hold extras, and never take a place from a counted one. */
  readonly volunteers: readonly Member[]
}

/** Unit of weight: 64 MiB, so that a weight is a small integer and one member's growth by a byte moves nothing. */
const weightUnitBytes: number = 64 * 1024 * 1024

/** No member counts for more than this many median ones: the loss of a giant must not be a catastrophe. */
const weightMediansMax = 4

/** Places over which zones are spread; more copies than this of one object are not made. */
const zonePlaces = 16

/**
 * How far down the list a member of a fresh zone may be preferred. Bounds what a lone member of a zone
 * has to carry, and what a false claim of a zone gains, to about this many times its share.
 */
const zoneLookAhead = 4

export interface Contender {
  readonly member: Member
  readonly weight: number
  readonly nodeKey: Uint8Array
  /** 96 bits of hash(pool, node) from which every group's draw is mixed. */
  readonly a: number
  readonly b: number
  readonly c: number
}

export interface Scored {
  readonly contender: Contender
  /** −log2(u) / weight: the smaller the better; same order as −w / ln(u) from the largest. */
  readonly distance: number
}

/** Ranks members for one group. For many groups of one roster use `Ranking`, which hashes each node once. */
export function rank(poolId: Uint8Array, group: number, members: readonly Member[]): RankedMembers {
  return new Ranking(poolId, members).of(group)
}

export class Ranking {
  readonly #counted: readonly Contender[]
  readonly #volunteers: readonly Contender[]

  /** Members without capacity keep nothing and are left out. */
  constructor(poolId: Uint8Array, members: readonly Member[]) {
    const keepers = members.filter((member) => member.capacityBytes > 0)
    const counted = keepers.filter((member) => member.counted)
    const volunteers = keepers.filter((member) => !member.counted)
    const cap = weightCap(members)
    this.#counted = counted.map((member) => contender(poolId, member, cap))
    this.#volunteers = volunteers.map((member) => contender(poolId, member, cap))
  }

  of(group: number): RankedMembers {
    return {
      counted: spreadZones(ordered(this.#counted, group)),
      volunteers: spreadZones(ordered(this.#volunteers, group))
    }
  }
}

/** 4 × the lower median weight, one for both lists, of the ones that count: volunteers must not be able to raise it. */
export function weightCap(members: readonly Member[]): number {
  const keepers = members.filter((member) => member.capacityBytes > 0)
  const counted = keepers.filter((member) => member.counted)
  const weights = (counted.length > 0 ? counted : keepers).map(plainWeight).sort((x, y) => x - y)
  return weightMediansMax * (weights[(weights.length - 1) >> 1] ?? 1)
}

export function weightOf(member: Member, cap: number): number {
  return Math.min(plainWeight(member), cap)
}

function plainWeight(member: Member): number {
  return Math.max(1, Math.floor(member.capacityBytes / weightUnitBytes))
}

export function contender(poolId: Uint8Array, member: Member, cap: number): Contender {
  const nodeKey = publicKeyOfNode(member.node)
  const seed = createHash('sha256').update('commonhold/rank/v1\0').update(poolId).update(nodeKey).digest()
  return {
    member,
    weight: weightOf(member, cap),
    nodeKey,
    a: seed.readUInt32BE(0),
    b: seed.readUInt32BE(4),
    c: seed.readUInt32BE(8)
  }
}

/** The draw of a node for a group, uniform over 32 bits: three rounds of the murmur3 finaliser, keyed by the seed. */
export function draw(a: number, b: number, c: number, group: number): number {
  return mix(a ^ mix(b ^ mix((c + Math.imul(group, 0x9e3779b1)) | 0))) >>> 0
}

function mix(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

function ordered(contenders: readonly Contender[], group: number): Member[] {
  // The best node of each operator stands for it: two nodes of one operator are one copy.
  const best = new Map<OperatorId, Scored>()
  for (const one of contenders) {
    const scored = { contender: one, distance: distance(one, group) }
    const rival = best.get(one.member.operator)
    if (rival === undefined || compare(scored, rival) < 0) best.set(one.member.operator, scored)
  }
  return [...best.values()].sort(compare).map((scored) => scored.contender.member)
}

/** Integers below 2^53 and one division: IEEE 754 rounds it alike on every machine. */
export function distance(one: Contender, group: number): number {
  return negativeLog2(draw(one.a, one.b, one.c, group)) / one.weight
}

export function compare(x: Scored, y: Scored): number {
  return x.distance - y.distance || Buffer.compare(x.contender.nodeKey, y.contender.nodeKey)
}

/** Fills each of the first places with the best of the next few whose zone has no copy yet, if there is one. */
export function spreadZones(members: Member[]): Member[] {
  const taken = new Set<string>()
  for (let place = 0; place < Math.min(zonePlaces, members.length); place++) {
    let pick = place
    if (isTaken(members[place], taken)) {
      for (let i = place + 1; i <= Math.min(place + zoneLookAhead, members.length - 1); i++) {
        if (isTaken(members[i], taken)) continue
        pick = i
        break
      }
    }
    const [picked] = members.splice(pick, 1)
    if (picked === undefined) break
    members.splice(place, 0, picked)
    if (picked.zone !== undefined) taken.add(picked.zone)
  }
  return members
}

/** A member of unknown zone is neither fresh nor taken: it keeps its place, and is no reason to pass another. */
function isTaken(member: Member | undefined, taken: ReadonlySet<string>): boolean {
  return member?.zone !== undefined && taken.has(member.zone)
}
