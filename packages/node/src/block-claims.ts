// Which blocks are in use by an attempt under way, and the one place where a block is deleted. A block
// goes only when no attempt has claimed it and no object is made of it, looked at under the lock that a
// put of the same block takes: so a removal can never take away what a concurrent put found there.

import { rawCidOf } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { type BlockStore, blockKey } from './block-store.ts'
import { KeyedLock } from './keyed-lock.ts'
import type { ObjectIndex } from './object-index.ts'

export class BlockClaims {
  readonly #blocks: BlockStore
  readonly #index: ObjectIndex
  readonly #claims = new Map<string, number>()
  readonly #locks = new KeyedLock()

  constructor(blocks: BlockStore, index: ObjectIndex) {
    this.#blocks = blocks
    this.#index = index
  }

  /** From now on nobody deletes the block. Call before looking whether it is there. */
  claim(cid: CID): void {
    const key = blockKey(cid)
    this.#claims.set(key, (this.#claims.get(key) ?? 0) + 1)
  }

  /** Gives the claim up, without deleting anything. */
  release(cid: CID): void {
    const key = blockKey(cid)
    const left = (this.#claims.get(key) ?? 1) - 1
    if (left === 0) this.#claims.delete(key)
    else this.#claims.set(key, left)
  }

  /** Runs `work` while the block is not being deleted. */
  holding<T>(cid: CID, work: () => Promise<T>): Promise<T> {
    return this.#locks.run(blockKey(cid), work)
  }

  /** Deletes the block unless somebody needs it; whether it did. */
  deleteUnneeded(cid: CID): Promise<boolean> {
    return this.#locks.run(blockKey(cid), async () => {
      // Claims before the index: an attempt gives its claim up only after its row is there. A claim that
      // comes later puts the block anew when this lock is free.
      if (this.#claims.has(blockKey(cid))) return false
      if (await this.#index.needs(cid.multihash.digest)) return false
      return this.#blocks.delete(cid)
    })
  }

  async deleteAllUnneeded(digests: Iterable<Uint8Array>): Promise<void> {
    for (const digest of digests) await this.deleteUnneeded(rawCidOf(digest))
  }
}
