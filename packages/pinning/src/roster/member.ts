// Members as the signed roster says: who may keep, with which weight. Never what was measured.

import type { NodeId, OperatorId } from '@commonhold/core'

export type KeeperClass = 'server' | 'home'

export interface Operator {
  readonly id: OperatorId
  readonly domain?: string
  readonly administrator: boolean
  /** Whether its copies count: vouched for, or admitted by policy `open`. */
  readonly counted: boolean
  /** Grant: sum of size × copiesMin its wishes may bind, in bytes. */
  readonly pinBytesMax: number
}

/** A node with a valid delegation of an admitted operator. Zero capacity: a member, not a keeper. */
export interface Member {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly class: KeeperClass
  readonly capacityBytes: number
  readonly zone?: string
  readonly counted: boolean
}
