// The situation of objects, gathered for the plan: wish, ranking, copies, ourselves, the pool.
// Reads only; what it reads is all the plan will know.

import { createHash } from 'node:crypto'
import { type NodeId, type OperatorId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Wish } from '../journal/wish.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { type Candidate, isMassLoss, type PoolView, type SelfView, type Situation } from '../plan/plan.ts'
import { RankedGroups } from '../plan/ranked-groups.ts'
import type { Copy } from '../plan/tally.ts'
import type { Holds } from '../release/holds.ts'
import { stageUse } from '../release/staging.ts'
import { groupOf, rootKey } from '../root-key.ts'
import type { Member } from '../roster/member.ts'
import type { Census } from './census.ts'
import type { Presence } from './presence.ts'
import type { Reports } from './report.ts'

/** Bounds how long one look for neighbours takes while groups are still to be ranked. */
const nearGroupsPerLook = 256

type Asked = Pick<Wish, 'root' | 'size' | 'copiesMin' | 'digest'>

export class Observer {
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #presence: Presence
  readonly #reports: Reports
  readonly #holds: Holds
  readonly #groups: RankedGroups
  #ranked: readonly Member[] | undefined
  #passing: ReadonlySet<NodeId> | undefined
  #full = false

  constructor(
    parts: KeepingParts,
    stations: { census: Census; presence: Presence; reports: Reports; holds: Holds }
  ) {
    this.#parts = parts
    this.#groups = new RankedGroups(parts.roster.poolId, parts.roster.k)
    this.#census = stations.census
    this.#presence = stations.presence
    this.#reports = stations.reports
    this.#holds = stations.holds
    parts.roster.onChange(() => {
      this.#passing = undefined
    })
  }

  async situation(wish: Asked): Promise<Situation> {
    const [situation] = await this.situations([wish])
    if (situation === undefined) throw new Error('one wish, no situation')
    return situation
  }

  /** Of many objects at one moment: what concerns the pool or a group is looked up once for all of them. */
  async situations(wishes: readonly Asked[]): Promise<Situation[]> {
    if (wishes.length === 0) return []
    const roots = wishes.map((wish) => wish.root)
    const copies = await this.#census.copiesOfAll(roots)
    const noted = await this.#reports.notedOf(roots)
    const self = await this.#self()
    const pool = this.pool()
    const rankings = new Map<number, readonly Candidate[]>()
    const situations: Situation[] = []
    for (const [i, wish] of wishes.entries()) {
      const group = groupOf(wish.root, this.#parts.roster.k)
      const ranking = rankings.get(group) ?? this.#candidates(group, self.full)
      rankings.set(group, ranking)
      const known = copies[i] ?? []
      const here = known.some((copy) => copy.state.kind === 'own')
      situations.push({
        size: wish.size,
        copiesMin: wish.copiesMin,
        ranking: withRefusals(ranking, known),
        copies: known,
        self: {
          ...self,
          copy: here ? (noted.get(toHex(rootKey(wish.root)))?.origin ?? 'repair') : 'none',
          allowed: await this.#allows(wish),
          mayRelease: this.#holds.mayRelease(wish.size)
        },
        pool,
        dice: diceOf(self.node, wish.root)
      })
    }
    return situations
  }

  /**
   * Counted keepers that say they have room for so many bytes, one per operator, servers first: for a file whose
   * place nobody knows before it is whole. In a random order weighted by room, so that they fill alike.
   */
  keepersWithRoom(bytes: number): readonly NodeId[] {
    const { roster, components } = this.#parts
    const own = roster.operatorOf(components.keys.nodeId)
    const drawn = roster.members().flatMap((member) => {
      const standing = this.#presence.standing(member.node)
      const able =
        member.counted &&
        member.capacityBytes > 0 &&
        member.operator !== own &&
        this.#presence.isReachable(member.node) &&
        standing?.full === false &&
        standing.freeBytes >= bytes
      if (!able) return []
      const distance = -Math.log(1 - components.random.unit()) / standing.freeBytes
      return [{ member, distance }]
    })
    const classes = { server: 0, home: 1 }
    drawn.sort((a, b) => classes[a.member.class] - classes[b.member.class] || a.distance - b.distance)
    const byOperator = new Map<OperatorId, NodeId>()
    for (const { member } of drawn)
      if (!byOperator.has(member.operator)) byOperator.set(member.operator, member.node)
    return [...byOperator.values()]
  }

  /** Full is said at `fullShare` and withdrawn only at `roomShare`, so that it does not flap. */
  async isFull(): Promise<boolean> {
    const { capacityBytes, freeBytes } = await this.#parts.components.objects.space()
    // What is set aside for copies on their way counts as taken.
    const share = capacityBytes === 0 ? 1 : 1 - freeBytes / capacityBytes
    const { fullShare, roomShare } = this.#parts.options
    this.#full = freeBytes <= 0 || share >= fullShare || (this.#full && share > roomShare)
    return this.#full
  }

  pool(): PoolView {
    const { roster, components, options } = this.#parts
    const own = roster.operatorOf(components.keys.nodeId)
    const awayMs = new Map<OperatorId, number>()
    for (const member of roster.members()) {
      if (!member.counted) continue
      const ms = this.#presence.awayMs(member.node)
      awayMs.set(member.operator, Math.min(ms, awayMs.get(member.operator) ?? Number.POSITIVE_INFINITY))
    }
    this.#passing ??= new Set(
      roster.members().flatMap((member) => (member.capacityBytes === 0 ? [member.node] : []))
    )
    const near = this.near()
    // Of a large pool only those are heard of soon who are near, and they are a fair sample of it.
    const heard = roster.members().filter(({ node, counted }) => counted && near?.has(node) !== false)
    const watched = new Set(heard.map((member) => member.operator))
    const reached = [...awayMs].filter(([operator, ms]) => operator !== own && ms === 0).length
    return {
      operators: awayMs.size,
      operatorsReached: reached,
      massLoss: isMassLoss(
        [...awayMs].filter(([operator]) => watched.has(operator)).map(([, ms]) => ms),
        watched.size,
        options
      ),
      passing: this.#passing
    }
  }

  /**
   * Members whose absence may give us work: those with whom we share the first places of a group. In a pool
   * that is not large that is everybody, and absent.
   */
  near(): ReadonlySet<NodeId> | undefined {
    const { roster, components, options } = this.#parts
    if (roster.members().length <= options.nearMembersMax) return undefined
    return this.#ranking().neighbours(components.keys.nodeId, options.nearPlaces, nearGroupsPerLook)
  }

  #ranking(): RankedGroups {
    const members = this.#parts.roster.members()
    // The same list as long as nobody came, went or expired.
    if (members !== this.#ranked) this.#groups.update(members)
    this.#ranked = members
    return this.#groups
  }

  #candidates(group: number, selfFull: boolean): readonly Candidate[] {
    const { components } = this.#parts
    return this.#ranking()
      .of(group)
      .map((member) => ({
        node: member.node,
        operator: member.operator,
        class: member.class,
        ...(member.zone === undefined ? {} : { zone: member.zone }),
        awayMs: this.#presence.awayMs(member.node),
        full:
          member.capacityBytes === 0 ||
          (member.node === components.keys.nodeId
            ? selfFull
            : this.#presence.standing(member.node)?.full === true),
        declines: false,
        memberForMs: this.#census.memberForMs(member.node)
      }))
  }

  /** What is so of this node whatever the object. */
  async #self(): Promise<Omit<SelfView, 'copy' | 'allowed' | 'mayRelease'>> {
    const { components, roster, leaving } = this.#parts
    const space = await components.objects.space()
    const { usedBytes, capacityBytes } = space
    return {
      node: components.keys.nodeId,
      operator: roster.operatorOf(components.keys.nodeId) ?? '',
      // Who offers nothing lacks no room.
      full: capacityBytes > 0 && (await this.isFull()),
      diskUse: capacityBytes === 0 ? 1 : usedBytes / capacityBytes,
      stageUse: stageUse(space),
      leaving: leaving.state !== 'staying'
    }
  }

  async #allows({ root, digest }: Asked): Promise<boolean> {
    const subject = digest === undefined ? { root } : { root, digest }
    return (await this.#parts.components.policy.decide(subject)).verdict !== 'deny'
  }
}

function withRefusals(ranking: readonly Candidate[], copies: readonly Copy[]): readonly Candidate[] {
  const unwilling = new Set<NodeId>(
    copies.filter((copy) => copy.state.kind === 'declined').map((copy) => copy.node)
  )
  if (unwilling.size === 0) return ranking
  return ranking.map((member) => (unwilling.has(member.node) ? { ...member, declines: true } : member))
}

/** Of node and object alone, so that neither a restart nor another node's schedule moves ours. */
function diceOf(node: NodeId, root: CID): number {
  return createHash('sha256').update(`${node} `).update(rootKey(root)).digest().readUInt32BE() / 2 ** 32
}
