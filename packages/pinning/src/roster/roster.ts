// Who is in the pool, as this node believes now: a view over the signed entries of the ledger. Everything
// that ranks, counts or asks reads this and nothing else.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { Charter, Genesis } from './genesis.ts'
import type { Member, Operator } from './member.ts'

export interface Roster {
  readonly genesis: Genesis
  /** sha2-256 of the signed genesis record, 32 bytes. */
  readonly poolId: Uint8Array
  /** Bits of a root that make its group. */
  readonly k: number
  /** Administrators and policy as last amended. */
  charter(): Charter
  /** Nodes with a delegation that has not expired, of operators that are in the pool; sorted by node id. */
  members(): readonly Member[]
  operators(): readonly Operator[]
  operator(id: OperatorId): Operator | undefined
  /** Absent for strangers, expired and removed ones. */
  member(node: NodeId): Member | undefined
  /** Also for expired delegations: who answers for what this node signed. */
  operatorOf(node: NodeId): OperatorId | undefined
  /**
   * Whether this operator ever delegated to this node: expiry and removal do not make what it signed
   * before a forgery, they only take its weight.
   */
  mayAuthor(node: NodeId, operator: OperatorId): boolean
  /** Returns how to stop listening. */
  onChange(listener: () => void): () => void
}
