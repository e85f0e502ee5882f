// Whole objects on this node's disk. Signatures first; the implementation follows in this file.

import type { AbortOptions } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { ByteRange } from './object-dag.ts'
import type { IntakeOptions, ObjectIntake } from './object-intake.ts'

export interface StoredObject {
  readonly root: CID
  /** File bytes. */
  readonly size: number
  readonly origin: 'upload' | 'repair'
  /** Plain sha2-256 of the whole file, when known. */
  readonly digest?: Uint8Array
}

export interface LocalObjects {
  readonly storeEpoch: Uint8Array
  begin(options: IntakeOptions): Promise<ObjectIntake>
  has(root: CID): Promise<boolean>
  get(root: CID): Promise<StoredObject | undefined>
  byDigest(digest: Uint8Array): Promise<StoredObject | undefined>
  roots(options?: AbortOptions): AsyncIterable<StoredObject>
  blocks(root: CID, options?: AbortOptions): AsyncIterable<Uint8Array>
  read(root: CID, range: ByteRange, options?: AbortOptions): AsyncIterable<{ offset: number; bytes: Uint8Array }>
  remove(root: CID): Promise<boolean>
  quarantine(root: CID): Promise<void>
  space(): Promise<{ usedBytes: number; freeBytes: number; capacityBytes: number }>
}
