// Where blocks live. The port that every implementation satisfies, held to one contract suite
// (test/block-store-contract.ts). A block goes in through `put` and comes out through `get`, and both
// check the hash, so nothing behind this port can hand on a byte that was not named.

import { hash } from 'node:crypto'
import {
  type AbortOptions,
  CorruptBlockError,
  digestBytes,
  InvalidInputError,
  limits,
  sha256Code,
  TooLargeError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'

export interface BlockStore {
  /**
   * Durable when it resolves; the same block twice is one block. A damaged block of that name is replaced.
   * @throws CorruptBlockError when the bytes are not the block's, NoSpaceError with nothing left behind,
   * TooLargeError above `limits.blockBytesMax`.
   */
  put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void>
  /**
   * Verified bytes; `undefined` when the block is surely absent.
   * @throws CorruptBlockError; any other I/O error as it is, because then nobody knows.
   */
  get(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  /** Whether a block of that name is there, unverified. An I/O error that leaves it unknown is thrown. */
  has(cid: CID, options?: AbortOptions): Promise<boolean>
  /** Whether there was one. */
  delete(cid: CID, options?: AbortOptions): Promise<boolean>
  /** Every block, in no order, named by its raw CID: the store knows hashes, not codecs. */
  list(options?: AbortOptions): AsyncIterable<CID>
  /** Moves a block aside for inspection if it is still damaged when looked at again; whether it was. */
  quarantine(cid: CID, options?: AbortOptions): Promise<boolean>
  usage(): Promise<BlockUsage>
}

export interface BlockUsage {
  readonly blocks: number
  /** Sum of block lengths, without what the file system adds. */
  readonly bytes: number
}

/** @throws InvalidInputError for a CID this network does not hold. */
export function assertHoldable(cid: CID): void {
  if (cid.multihash.code !== sha256Code || cid.multihash.digest.length !== digestBytes) {
    throw new InvalidInputError(`${cid} does not use sha2-256, the one hash of this network.`)
  }
}

/** The one check at every door. @throws CorruptBlockError naming `where` the bytes came from. */
export function verifyBlock(cid: CID, bytes: Uint8Array, where: string): void {
  assertHoldable(cid)
  if (bytes.length > limits.blockBytesMax) throw new TooLargeError(`Block ${cid}`, limits.blockBytesMax)
  const digest = hash('sha256', bytes, 'buffer')
  if (!digest.equals(cid.multihash.digest)) throw new CorruptBlockError(cid.toString(), where)
}

/** Two CIDs of one hash are one block: the key of maps and locks. */
export function blockKey(cid: CID): string {
  return Buffer.from(cid.multihash.digest).toString('latin1')
}
