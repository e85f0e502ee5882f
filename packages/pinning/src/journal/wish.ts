// A wish: what one author durably asks of the pool for one object. The pin set is the union of all
// wishes; an object lives while any journal wants it.

import type { OperatorId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'

export type Visibility = 'public' | 'members'

export interface Wish {
  readonly root: CID
  /** Plain sha2-256 of the whole file, 32 bytes; absent for objects not ingested as a file. */
  readonly digest?: Uint8Array
  /** File bytes. */
  readonly size: number
  readonly copiesMin: number
  readonly visibility: Visibility
}

/** All binding wishes for one object, merged: the largest `copiesMin`; `public` if anyone says so. */
export interface WantedObject extends Wish {
  /** Hash-space slice of the root: the unit of placement. */
  readonly group: number
  readonly authors: readonly OperatorId[]
}
