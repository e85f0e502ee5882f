// What people and programs are told: about one object, about the pool. Shapes only say what was
// measured here; the words are those of the glossary. Filled by `overview.ts`, printed by others.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Action, Reason } from './plan/plan.ts'
import type { Health } from './plan/tally.ts'
import type { KeeperClass } from './roster/member.ts'

export interface ReplicationStatus {
  readonly root: CID
  readonly digest?: Uint8Array
  /** File bytes. */
  readonly size: number
  readonly health: Health
  readonly copiesMin: number
  readonly copiesTarget: number
  /** Operators with a live copy. */
  readonly copiesLive: number
  /** Operators said to hold it, the live ones included. */
  readonly copiesClaimed: number
  readonly reasons: readonly Reason[]
  readonly holders: readonly Holder[]
}

export interface Holder {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly state: 'live' | 'claimed' | 'unreachable' | 'corrupt' | 'declined'
  /** Age of the proof that makes it live; absent for claims and for our own copy. */
  readonly lastProofAgeMs?: number
}

/** Why an object stands as it does, and what this node does about it. */
export interface Explanation {
  readonly status: ReplicationStatus
  /** Operators whose wishes keep it. */
  readonly authors: readonly OperatorId[]
  readonly group: number
  /** Counted keepers for its group, best first, cut after those that could matter. */
  readonly ranking: readonly RankedKeeper[]
  readonly actions: readonly Action[]
  readonly repair?: RepairState
}

export interface RankedKeeper {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly class: KeeperClass
  /** Whether it is among those that should hold it now. */
  readonly placed: boolean
  readonly awayMs: number
  readonly full: boolean
  readonly declines: boolean
  /** What is known of its copy; absent when it claims none. */
  readonly copy?: Holder['state']
}

/** A pull this node means to make. */
export interface RepairState {
  readonly running: boolean
  /** Until it is due; 0 when it is. */
  readonly dueInMs: number
  /** Since it was first wanted. */
  readonly waitingMs: number
  readonly failures: number
}

/** One object that is not healthy. */
export interface NeedyObject {
  readonly root: CID
  readonly health: Health
  readonly copiesLive: number
  readonly reasons: readonly Reason[]
}

/** How one keeper answered a challenge made now. */
export interface ProofOutcome {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly outcome: 'proven' | 'late' | 'wrong' | 'absent' | 'declined' | 'busy' | 'silent' | 'own'
  /** Whether the whole object was compared, or a random path from its root. */
  readonly by: 'digest' | 'path' | 'none'
  readonly tookMs: number
}

export interface PoolSummary {
  readonly poolId: string
  readonly name: string
  readonly health: PoolHealth
  readonly objects: {
    readonly total: number
    readonly byHealth: Readonly<Record<Health, number>>
    /** Wanted objects this node has not looked at since it started. */
    readonly unseen: number
  }
  /** Live copies → number of objects. */
  readonly copies: Readonly<Record<number, number>>
  readonly bytes: {
    /** File bytes of all wanted objects. */
    readonly wanted: number
    /** Stored by this node, and what it offers. */
    readonly used: number
    readonly free: number
    readonly capacity: number
  }
  readonly repairs: {
    readonly running: number
    readonly queued: number
    /** Since the longest waiting of them was first wanted; 0 when none waits. */
    readonly oldestMs: number
    readonly done: number
    readonly failed: number
    /** File bytes brought in by repairs since the start. */
    readonly bytes: number
  }
  /** Groups by the worst health among their objects, of 2^k; `healthy` counts those without any. */
  readonly groups: Readonly<Record<Health, number>>
  readonly proofs: {
    readonly made: number
    /** Right, and too slow to be proofs. */
    readonly late: number
    readonly wrong: number
    readonly silent: number
    readonly answered: number
    /** Copies unproven although their claim is older than settling and patience allow. */
    readonly overdue: number
  }
  readonly releases: { readonly done: number; readonly refused: number }
  readonly members: readonly MemberStatus[]
  /** Journal → seq up to which this node has read. */
  readonly cut: Readonly<Record<string, number>>
}

export interface PoolHealth {
  readonly state: 'ok' | 'warning' | 'error'
  readonly reasons: readonly PoolReason[]
}

export interface PoolReason {
  /** Stable, for scripts. */
  readonly code:
    | Reason
    | 'OBJECTS_LOST'
    | 'OBJECTS_UNREACHABLE'
    | 'MEMBERS_AWAY'
    | 'KEEPERS_FULL'
    | 'JOURNAL_FORKED'
    | 'PROOFS_OVERDUE'
  /** One sentence with the numbers. */
  readonly text: string
  /** The next command to type. */
  readonly command: string
}

export interface MemberStatus {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly domain?: string
  readonly class: KeeperClass
  readonly self: boolean
  readonly capacityBytes: number
  /** As it last said; absent until it spoke to us. */
  readonly usedBytes?: number
  readonly reachable: boolean
  /** Since its last answer, on our own time; absent when it never answered. */
  readonly lastSeenMs?: number
  readonly full: boolean
  readonly counted: boolean
  readonly forked?: boolean
}
