// What this node can say of its pool: the summary, the members, one object. Reads what the stations
// know and counts it; decides nothing, changes nothing. Station: census and plan -> OVERVIEW -> people.

import { type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Commons } from '../commons.ts'
import type { WantedObject } from '../journal/wish.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { placementFor } from '../plan/placement.ts'
import { type Plan, planObject, type Situation } from '../plan/plan.ts'
import type { Copy, Health } from '../plan/tally.ts'
import type { Answers } from '../proof/answer.ts'
import type { Prover } from '../proof/prove.ts'
import type { Releases } from '../release/release.ts'
import type { Repairs } from '../repair/repair.ts'
import { rootKey, rootOfKey } from '../root-key.ts'
import type {
  Explanation,
  Holder,
  MemberStatus,
  NeedyObject,
  PoolSummary,
  ReplicationStatus
} from '../status.ts'
import type { Observer } from './observe.ts'
import type { Presence } from './presence.ts'
import { reasonsOf, type Standings } from './standings.ts'
import { poolHealth } from './summary.ts'

export interface Overseen {
  readonly observer: Observer
  readonly presence: Presence
  readonly prover: Prover
  readonly answers: Answers
  readonly repairs: Repairs
  readonly releases: Releases
  readonly standings: Standings
}

export class Overview {
  readonly #parts: KeepingParts
  readonly #commons: Commons
  readonly #stations: Overseen

  constructor(parts: KeepingParts, commons: Commons, stations: Overseen) {
    this.#parts = parts
    this.#commons = commons
    this.#stations = stations
  }

  /** Absent when nobody wants it. */
  async status(root: CID): Promise<ReplicationStatus | undefined> {
    const wish = await this.#commons.wanted.get(root)
    if (wish === undefined) return undefined
    const situation = await this.#stations.observer.situation(wish)
    return statusOf(wish, situation, planObject(situation, this.#parts.options))
  }

  /** Why it stands as it does, and what this node does about it. Absent when nobody wants it. */
  async why(root: CID): Promise<Explanation | undefined> {
    const { wanted, options } = this.#parts
    const wish = await wanted.get(root)
    if (wish === undefined) return undefined
    const situation = await this.#stations.observer.situation(wish)
    const plan = planObject(situation, options)
    const placed = new Set(placementFor(situation, options).map((member) => member.node))
    const status = statusOf(wish, situation, plan)
    const copies = new Map(status.holders.map((holder) => [holder.node, holder.state]))
    const matters = situation.ranking.findLastIndex(({ node }) => placed.has(node) || copies.has(node))
    const repair = this.#stations.repairs.stateOf(root)
    return {
      status,
      authors: wish.authors,
      group: wish.group,
      // Two more than matter, to show who would be next.
      ranking: situation.ranking.slice(0, matters + 3).map((member) => {
        const copy = copies.get(member.node)
        return {
          node: member.node,
          operator: member.operator,
          class: member.class,
          placed: placed.has(member.node),
          awayMs: member.awayMs,
          full: member.full,
          declines: member.declines,
          ...(copy === undefined ? {} : { copy })
        }
      }),
      actions: plan.actions,
      ...(repair === undefined ? {} : { repair })
    }
  }

  /**
   * Objects that are not healthy, fewest live copies first, as they were when this node last looked.
   * @param worst only these states of health
   * @param after the last one of the page before
   */
  async needy(
    worst: readonly Health[],
    after: Pick<NeedyObject, 'copiesLive' | 'root'> | undefined,
    limit: number
  ): Promise<readonly NeedyObject[]> {
    const rows = await this.#parts.components.database
      .selectFrom('standing')
      .innerJoin('wanted', 'wanted.root', 'standing.root')
      .select(['standing.root', 'standing.health', 'standing.copies_live', 'standing.reasons'])
      .where('standing.health', '!=', 'healthy')
      .where('standing.health', 'in', worst)
      .where((eb) =>
        after === undefined
          ? eb.lit(true)
          : eb.or([
              eb('standing.copies_live', '>', after.copiesLive),
              eb.and([
                eb('standing.copies_live', '=', after.copiesLive),
                eb('standing.root', '>', rootKey(after.root))
              ])
            ])
      )
      .orderBy('standing.copies_live')
      .orderBy('standing.root')
      .limit(limit)
      .execute()
    return rows.map((row) => ({
      root: rootOfKey(row.root),
      health: row.health,
      copiesLive: row.copies_live,
      reasons: reasonsOf(row.reasons)
    }))
  }

  async summary(): Promise<PoolSummary> {
    const { objects } = this.#parts.components
    const { wanted, roster } = this.#parts
    const { repairs, prover, answers, releases, standings } = this.#stations
    const copiesMin = roster.charter().policy.copiesMin
    const { objects: seen, byHealth, copies, byReason, proofsOverdue } = await standings.counts()
    const total = await wanted.total()
    const space = await objects.space()
    const members = this.members()
    const health = poolHealth({
      copiesMin,
      operators: roster.operators().filter((operator) => operator.counted).length,
      byHealth,
      byReason,
      members,
      proofsOverdue
    })
    return {
      poolId: toHex(roster.poolId),
      name: roster.genesis.name,
      health,
      objects: { total: total.objects, byHealth, unseen: Math.max(0, total.objects - seen) },
      copies,
      bytes: {
        wanted: total.bytes,
        used: space.usedBytes,
        free: space.freeBytes,
        capacity: space.capacityBytes
      },
      repairs: {
        running: repairs.running,
        queued: repairs.queued,
        oldestMs: repairs.oldestMs,
        ...repairs.counts
      },
      groups: await standings.groups(),
      proofs: { ...prover.counts, answered: answers.given, overdue: proofsOverdue },
      releases: { ...releases.counts },
      members,
      cut: Object.fromEntries(await wanted.cut())
    }
  }

  members(): readonly MemberStatus[] {
    const { roster, components } = this.#parts
    const { presence } = this.#stations
    const forked = this.#forked()
    return roster.members().map((member) => {
      const self = member.node === components.keys.nodeId
      const standing = presence.standing(member.node)
      const domain = roster.operator(member.operator)?.domain
      const lastSeenMs = self ? 0 : presence.lastSeenMs(member.node)
      return {
        node: member.node,
        operator: member.operator,
        ...(domain === undefined ? {} : { domain }),
        class: member.class,
        self,
        capacityBytes: member.capacityBytes,
        ...(standing === undefined ? {} : { usedBytes: standing.usedBytes }),
        reachable: presence.isReachable(member.node),
        ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
        full: standing?.full === true,
        counted: member.counted,
        ...(forked.has(member.node) ? { forked: true } : {})
      }
    })
  }

  /** Nodes whose journal went two ways. */
  #forked(): ReadonlySet<NodeId> {
    const { journals } = this.#commons
    return new Set(journals.forked().flatMap((id) => journals.graph.get(id)?.node ?? []))
  }
}

export function statusOf(wish: WantedObject, situation: Situation, plan: Plan): ReplicationStatus {
  return {
    root: wish.root,
    ...(wish.digest === undefined ? {} : { digest: wish.digest }),
    size: wish.size,
    health: plan.health,
    copiesMin: wish.copiesMin,
    copiesTarget: plan.copiesTarget,
    copiesLive: plan.copiesLive,
    copiesClaimed: plan.copiesClaimed,
    reasons: plan.reasons,
    holders: situation.copies.map(holderOf)
  }
}

function holderOf(copy: Copy): Holder {
  const { node, operator, state } = copy
  switch (state.kind) {
    case 'own':
      return { node, operator, state: 'live' }
    case 'proven':
      return {
        node,
        operator,
        state: copy.awayMs === 0 ? 'live' : 'unreachable',
        lastProofAgeMs: state.ageMs
      }
    case 'claimed':
      return { node, operator, state: copy.awayMs === 0 ? 'claimed' : 'unreachable' }
    case 'corrupt':
    case 'declined':
      return { node, operator, state: state.kind }
  }
}
