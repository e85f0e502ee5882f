// What goes over the control socket, version 1: HTTP with JSON both ways, uploads and downloads as
// plain bodies. These shapes are also what `--json` prints (docs/cli.md): fields may be added, never
// renamed. Types only, so that a command which merely asks loads nothing.

import type { OperatingErrorName } from '@commonhold/core'

/** First segment of every path. A node that does not know it answers 404 with a sentence. */
export const controlVersion = 'v1'

export interface ErrorAnswer {
  readonly error: { readonly name: OperatingErrorName | 'Error'; readonly message: string }
}

export type HealthState = 'healthy' | 'degraded' | 'at risk' | 'unreachable' | 'lost'

export interface AboutAnswer {
  readonly version: string
  readonly pid: number
  readonly nodeId: string
  readonly operatorId: string
  readonly dataFolder: string
  readonly storeEpoch: string
  /** Multiaddrs others can `join` by, most useful first. */
  readonly addresses: readonly string[]
  /** Base URL of the bridge. */
  readonly httpUrl: string
  readonly uptimeMs: number
}

export interface Reason {
  readonly code: string
  readonly message: string
  /** The next command to type, where there is one. */
  readonly next?: string
}

export interface MemberRow {
  readonly node: string
  readonly operator: string
  readonly self: boolean
  readonly class: 'server' | 'home'
  readonly zone?: string
  readonly capacityBytes: number
  readonly usedBytes?: number
  readonly reachable: boolean
  readonly lastSeenMs?: number
  readonly full: boolean
  readonly counted: boolean
  readonly forked?: boolean
}

export interface StatusAnswer {
  readonly health: 'ok' | 'warning' | 'error'
  readonly reasons: readonly Reason[]
  readonly node: { readonly id: string; readonly version: string; readonly httpUrl: string }
  readonly pool: PoolAnswer
  readonly members: readonly MemberRow[]
  readonly objects: {
    readonly total: number
    readonly bytes: number
    readonly byHealth: Readonly<Record<HealthState, number>>
    /** How many objects have how many live copies, fewest first. */
    readonly copies: readonly { readonly copies: number; readonly objects: number }[]
  }
  readonly repairs: {
    readonly running: number
    readonly queued: number
    /** Since the longest waiting was first wanted. */
    readonly oldestMs: number
    readonly done: number
    readonly failed: number
    readonly bytes: number
  }
  /** Groups of the hash space by the worst health among their objects. */
  readonly groups: Readonly<Record<HealthState, number>>
  readonly proofs: { readonly made: number; readonly wrong: number; readonly overdue: number }
  /** The check of this node's own blocks. */
  readonly scrub: {
    /** Share of the pass under way, 0 to 1. */
    readonly progress: number
    readonly behindMs: number
    /** Checked since the start. */
    readonly blocks: number
    readonly bytes: number
    /** Found damaged or missing in the life of the data folder, whoever read them. */
    readonly damaged: number
    readonly unreadable: number
    readonly bytesPerSecondNeeded: number
    readonly bytesPerSecondPossible: number
    readonly tooSlow: boolean
  }
  readonly space: {
    readonly usedBytes: number
    readonly freeBytes: number
    readonly capacityBytes: number
    /** Set aside for what is under way. */
    readonly reservedBytes: number
    /** The same for uploads, which have the stage on top. */
    readonly uploads: { readonly freeBytes: number; readonly capacityBytes: number }
    /** Of denied objects, kept for an undo and shown to nobody; part of `usedBytes`. */
    readonly sealed: { readonly objects: number; readonly bytes: number; readonly lastErasedInMs?: number }
  }
  readonly peers: number
}

export interface PoolAnswer {
  readonly id: string
  readonly name: string
  readonly admission: 'open' | 'vouch'
  readonly operators: number
  readonly copiesMin: number
  readonly groups: number
}

export interface PoolSetAnswer extends PoolAnswer {
  /** Whether enough administrators have assented. */
  readonly inForce: boolean
}

export interface CreatePoolAnswer extends PoolAnswer {
  /** Shown once, when the pool is made: whoever holds it can administrate the pool. */
  readonly recoveryKey?: string
}

export interface AddAnswer {
  readonly name: string
  readonly cid: string
  readonly sha256: string
  readonly size: number
  readonly url: string
  readonly copies: number
  readonly existed: boolean
}

/** One root of an imported CAR. */
export interface ImportRow {
  readonly cid: string
  /** `dag`: a folder or a document with links. */
  readonly kind: 'file' | 'dag'
  readonly size: number
  readonly url: string
  readonly copies: number
  readonly existed: boolean
}

/** One step of `add --wait`, a line of NDJSON each; the last one has `done`. */
export interface SettleStep {
  readonly cid: string
  readonly health: HealthState
  readonly copiesLive: number
  readonly copiesTarget: number
  readonly copiesMin: number
  readonly done: boolean
}

export interface PinRow {
  readonly cid: string
  readonly sha256?: string
  readonly size: number
  readonly copiesMin: number
  readonly visibility: 'public' | 'members'
  readonly own: boolean
}

export interface PinsAnswer {
  readonly pins: readonly PinRow[]
  /** Give it as `after` to read on; absent on the last page. */
  readonly next?: string
}

export interface HolderRow {
  readonly node: string
  readonly operator: string
  readonly state: 'live' | 'claimed' | 'unreachable' | 'corrupt' | 'declined'
  readonly self: boolean
  readonly lastProofAgeMs?: number
}

export interface PinStatusAnswer {
  readonly cid: string
  readonly sha256?: string
  readonly size: number
  readonly health: HealthState
  readonly copiesMin: number
  readonly copiesTarget: number
  readonly copiesLive: number
  readonly copiesClaimed: number
  readonly reasons: readonly string[]
  readonly holders: readonly HolderRow[]
}

/** One object that is not healthy, as this node saw it last. */
export interface NeedyRow {
  readonly cid: string
  readonly health: HealthState
  readonly copiesLive: number
  readonly reasons: readonly string[]
}

export interface NeedyAnswer {
  /** Fewest live copies first. */
  readonly objects: readonly NeedyRow[]
  /** Give it as `after` to read on; absent on the last page. */
  readonly next?: string
}

/** Why an object stands as it does, and what this node does about it. */
export interface WhyAnswer {
  readonly status: PinStatusAnswer
  /** Operators whose wishes keep it. */
  readonly authors: readonly string[]
  readonly group: number
  readonly reasons: readonly Reason[]
  /** Keepers for its group, best first. */
  readonly ranking: readonly {
    readonly node: string
    readonly operator: string
    readonly self: boolean
    readonly class: 'server' | 'home'
    /** Whether placement names it now. */
    readonly placed: boolean
    /** 0 while it can be reached. */
    readonly awayMs: number
    readonly full: boolean
    readonly declines: boolean
    /** Absent when it claims no copy. */
    readonly copy?: HolderRow['state']
  }[]
  /** What this node means to do, in sentences. */
  readonly actions: readonly string[]
}

export interface StatAnswer {
  readonly cid: string
  readonly sha256?: string
  readonly size: number
  readonly local: boolean
}

export interface ProveAnswer {
  readonly cid: string
  readonly answers: readonly {
    readonly node: string
    readonly operator: string
    readonly outcome: string
    readonly tookMs?: number
  }[]
  /** Operators that proved the bytes just now. */
  readonly proven: number
  readonly copiesMin: number
}

export interface PeerRow {
  readonly node: string
  readonly addresses: readonly string[]
  readonly member: boolean
  readonly direction: 'inbound' | 'outbound'
}

/** What one member made of this node's challenges, ever. */
export interface KeeperRecordAnswer {
  readonly node: string
  readonly right: number
  readonly wrong: number
  readonly silent: number
  readonly declined: number
  readonly busy: number
  readonly absent: number
  /** Right and slower than a disk: no proof, and no fault. */
  readonly late: number
  readonly storeChanges: number
  readonly lastRightAgeMs?: number
  readonly lastWrong?: { readonly cid: string; readonly by: 'digest' | 'path'; readonly ageMs: number }
  readonly suspectGroups: number
  readonly suspectProofsLeft: number
  /** Objects it still owes an answer about: asked, and silent since. */
  readonly overdue: number
  /** Objects it is silent about while it answers about others. */
  readonly silentAbout: readonly string[]
}

export type TokenScope = 'upload' | 'delete' | 'read' | 'metrics'

export interface TokenRow {
  readonly name: string
  readonly scopes: readonly TokenScope[]
  readonly createdAt: string
  readonly expiresAt?: string
}

export interface TokenAddAnswer extends TokenRow {
  /** Shown once; only its hash is kept. */
  readonly token: string
}

export interface DenialRow {
  readonly subject: string
  readonly reason: string
  readonly deniedAt: string
  /** Its bytes went at once. */
  readonly now: boolean
  /** What of it is kept sealed for an undo; absent when nothing is. */
  readonly sealed?: {
    readonly bytes: number
    /** Until the last of it is erased. */
    readonly erasedInMs: number
  }
}

export interface JoinAnswer extends PoolAnswer {
  /** Wishes of the pool this node was in before, made again in the new one. */
  readonly wishesCarried: number
}

/** How far a node has come that leaves its pool; the last of several lines has `left`. */
export interface LeaveStep {
  readonly state: 'staying' | 'leaving' | 'left'
  /** Wanted objects still here, and their bytes. */
  readonly objects: number
  readonly bytes: number
  /** Operators that would be left and offer space. */
  readonly keepers: number
  /** Objects here that ask for more copies than these can keep. */
  readonly blocked: number
}

export interface DoctorFinding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  readonly next?: string
}
