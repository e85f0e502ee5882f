// The situation of one object, gathered for the plan: wish, ranking, copies, ourselves, the pool.
// Reads only; what it reads is all the plan will know.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { Census } from './census.ts'
import type { Holds } from './holds.ts'
import type { Wish } from './journal/wish.ts'
import type { KeepingParts } from './keeping-parts.ts'
import { type Candidate, isMassLoss, type PoolView, type SelfView, type Situation } from './plan.ts'
import type { Presence } from './presence.ts'
import { Ranking } from './ranking.ts'
import type { Reports } from './report.ts'
import { groupOf } from './root-key.ts'
import { stageUse } from './staging.ts'
import type { Copy } from './tally.ts'

export class Observer {
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #presence: Presence
  readonly #reports: Reports
  readonly #holds: Holds
  #ranking: Ranking | undefined
  #passing: ReadonlySet<NodeId> | undefined
  #full = false

  constructor(
    parts: KeepingParts,
    stations: { census: Census; presence: Presence; reports: Reports; holds: Holds }
  ) {
    this.#parts = parts
    this.#census = stations.census
    this.#presence = stations.presence
    this.#reports = stations.reports
    this.#holds = stations.holds
    parts.roster.onChange(() => {
      this.#ranking = undefined
      this.#passing = undefined
    })
  }

  async situation(wish: Pick<Wish, 'root' | 'copiesMin' | 'digest'>): Promise<Situation> {
    const copies = await this.#census.copiesOf(wish.root)
    return {
      copiesMin: wish.copiesMin,
      ranking: await this.#candidates(wish, copies),
      copies,
      self: await this.#self(wish, copies),
      pool: this.pool()
    }
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
    const reached = [...awayMs].filter(([operator, ms]) => operator !== own && ms === 0).length
    return {
      operators: awayMs.size,
      operatorsReached: reached,
      massLoss: isMassLoss([...awayMs.values()], awayMs.size, options),
      passing: this.#passing
    }
  }

  async #candidates(wish: Pick<Wish, 'root'>, copies: readonly Copy[]): Promise<Candidate[]> {
    const { roster, components } = this.#parts
    this.#ranking ??= new Ranking(roster.poolId, roster.members())
    const { counted } = this.#ranking.of(groupOf(wish.root, roster.k))
    const unwilling = new Set<NodeId>(
      copies.filter((copy) => copy.state.kind === 'declined').map((copy) => copy.node)
    )
    const selfFull = await this.isFull()
    return counted.map((member) => ({
      node: member.node,
      operator: member.operator,
      class: member.class,
      awayMs: this.#presence.awayMs(member.node),
      full:
        member.capacityBytes === 0 ||
        (member.node === components.keys.nodeId
          ? selfFull
          : this.#presence.standing(member.node)?.full === true),
      declines: unwilling.has(member.node),
      memberForMs: this.#census.memberForMs(member.node)
    }))
  }

  async #self(wish: Pick<Wish, 'root' | 'digest'>, copies: readonly Copy[]): Promise<SelfView> {
    const { components, roster } = this.#parts
    const space = await components.objects.space()
    const { usedBytes, capacityBytes } = space
    const subject = wish.digest === undefined ? { root: wish.root } : { root: wish.root, digest: wish.digest }
    const noted = await this.#reports.noted(wish.root)
    return {
      node: components.keys.nodeId,
      operator: roster.operatorOf(components.keys.nodeId) ?? '',
      copy: copies.some((copy) => copy.state.kind === 'own') ? (noted?.origin ?? 'repair') : 'none',
      allowed: (await components.policy.decide(subject)).verdict !== 'deny',
      // Who offers nothing lacks no room.
      full: capacityBytes > 0 && (await this.isFull()),
      diskUse: capacityBytes === 0 ? 1 : usedBytes / capacityBytes,
      stageUse: stageUse(space),
      mayRelease: this.#holds.mayRelease()
    }
  }
}
