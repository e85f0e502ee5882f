// Bringing one object in, by upload or by repair: what `Objects.begin` hands out. Blocks put through
// it belong to the attempt and no sweep or removal touches them until it ends. It ends complete, or as
// if it had never been.

import type { AbortOptions } from '@commonhold/core'
import type { CID } from 'multiformats/cid'

export interface ObjectIntake extends AsyncDisposable {
  /**
   * Durable when it resolves.
   * @throws NoSpaceError (quota or disk), CorruptBlockError, TooLargeError (`sizeMax`)
   */
  put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void>
  /** The verified block if it is here already, which then belongs to this attempt as if it had been put. */
  keep(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  /**
   * Makes the object one of ours: its row is durable when it resolves, after all its blocks. The root
   * stays protected from `remove` until the intake is disposed of.
   * @throws MalformedRecordError when a block of the object was neither put nor kept, or sizes differ.
   */
  complete(result: CompletedObject): Promise<void>
  /** Without `complete` before it: removes what this attempt brought and nobody else needs. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface CompletedObject {
  readonly root: CID
  /** File bytes. */
  readonly size: number
  /** Plain sha2-256 of the whole file, when known. For a raw root it is the root's own. */
  readonly digest?: Uint8Array
}

export interface IntakeOptions {
  readonly origin: 'upload' | 'repair'
  /** The root, when it is known beforehand: `remove` of it is refused meanwhile. */
  readonly root?: CID
  /** File bytes that will come at most, when known: refused at once when there is no room for it. */
  readonly sizeMax?: number
}
