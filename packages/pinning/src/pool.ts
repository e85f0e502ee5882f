// The pool as the rest of a node sees it: wishes in, status out, and in between the loop that keeps
// copies. Station: the front of this package. Owns the life of its parts and decides nothing itself.

import type { AbortOptions, NodeId, OperatorId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { PinningComponents } from './components.ts'
import type { KeepingOptions } from './keeping-options.ts'
import type { KeeperClass, Member, Operator } from './member.ts'
import type { MemberStatus, PoolSummary, ProofOutcome, ReplicationStatus } from './status.ts'
import type { WantedObject, Wish } from './wish.ts'

/** What this node brings to the pool. Zero capacity: a member that keeps nothing. */
export interface Pledge {
  readonly class: KeeperClass
  readonly capacityBytes: number
  readonly zone?: string
}

export interface Founding extends Pledge {
  readonly name: string
  /** Where it differs from the defaults. */
  readonly policy?: {
    readonly copiesMin?: number
    readonly admission?: 'open' | 'vouch'
    readonly pinBytesMax?: number
  }
  /** Number of groups is 2^k, for ever. @default 12 */
  readonly k?: number
}

export interface PoolOptions {
  /** Delays and limits that differ from `keepingDefaults`. */
  readonly keeping?: Partial<KeepingOptions>
}

export interface WantResult {
  /** Copies promised by receipts at distinct operators when this was answered, our own included. */
  readonly copiesPromised: number
  /** Whether this operator wanted it before. */
  readonly existed: boolean
}

export interface PoolEvents {
  /** Objects whose health changed as seen from here. */
  health: { readonly root: CID; readonly status: ReplicationStatus }
}

export interface Pool extends AsyncDisposable {
  readonly poolId: string
  readonly name: string
  readonly copiesMinDefault: number
  start(): Promise<void>
  stop(): Promise<void>

  /**
   * Makes the wish durable and offers the object, which must be complete in the object store, to its keepers.
   * @throws DeniedError by own policy; PoolTooSmallError when `ackWhenShort` is `refuse` and receipts did not come
   */
  want(wish: Wish, options?: AbortOptions): Promise<WantResult>
  /** Takes back this operator's wish. `false` when it had none. */
  unwant(root: CID, options?: AbortOptions): Promise<boolean>
  wanted(root: CID): Promise<WantedObject | undefined>
  wantedByDigest(digest: Uint8Array): Promise<WantedObject | undefined>
  /** Page of all wanted objects in order of roots. */
  list(after?: CID, limit?: number): Promise<readonly WantedObject[]>
  count(): Promise<number>

  /** Absent when nobody wants it. */
  status(root: CID): Promise<ReplicationStatus | undefined>
  summary(): Promise<PoolSummary>
  members(): readonly MemberStatus[]
  operators(): readonly Operator[]
  /** Challenges every holder now. */
  prove(root: CID, options?: AbortOptions): Promise<readonly ProofOutcome[]>
  /** Who can be asked for the bytes, best first, without any lookup; never this node. */
  holdersOf(root: CID): Promise<readonly NodeId[]>
  /**
   * Proves new copies right away and resolves when the object is healthy and, if this node is not
   * placed for it, its upload was released.
   * @throws PoolTooSmallError at once when there are fewer counted operators than `copiesMin`; NotFoundError when nobody wants it
   */
  waitUntilHealthy(root: CID, options?: AbortOptions): Promise<ReplicationStatus>
  /** The policy changed its mind about these objects: denied ones are dropped here, allowed ones kept again. */
  reconsider(roots: readonly CID[], options?: AbortOptions): Promise<void>

  /** As an administrator: this operator's copies and wishes count. */
  admit(operator: OperatorId, options?: AbortOptions): Promise<void>
  vouch(operator: OperatorId, options?: AbortOptions): Promise<void>
  removeOperator(operator: OperatorId, options?: AbortOptions): Promise<void>
  member(node: NodeId): Member | undefined
}

export interface PoolDoors {
  /** Founds a pool; the recovery seed is printed once and kept nowhere. */
  create(
    components: PinningComponents,
    founding: Founding,
    options?: PoolOptions & AbortOptions
  ): Promise<{ pool: Pool; recoverySeed: Uint8Array }>
  /** Joins the pool of a node we can reach (its addresses were given to the network before). */
  join(
    components: PinningComponents,
    peer: NodeId,
    pledge: Pledge,
    options?: PoolOptions & AbortOptions
  ): Promise<Pool>
  /** The pool this node is in, or absent. */
  open(components: PinningComponents, options?: PoolOptions & AbortOptions): Promise<Pool | undefined>
}
