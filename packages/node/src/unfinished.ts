// What is on this disk of an object that has no row: all of it, or the part that a fetch had brought when
// the process ended. Reads inner blocks only; whether the leaves are sound is looked at when they are used.

import { type AbortOptions, CorruptBlockError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import type { BlockStore } from './block-store.ts'
import { ObjectWalk } from './object-walk.ts'

export interface BlocksHere {
  readonly digests: readonly Uint8Array[]
  readonly whole: boolean
}

export async function blocksHere(root: CID, blocks: BlockStore, options?: AbortOptions): Promise<BlocksHere> {
  const digests: Uint8Array[] = []
  let whole = true
  const walk = new ObjectWalk(root)
  for (let step = walk.next; step !== undefined; step = walk.next) {
    options?.signal?.throwIfAborted()
    const { cid } = step
    const isLeaf = cid.code === rawCode
    const bytes = isLeaf ? undefined : await soundBlock(cid, blocks, options)
    if (bytes !== undefined || (isLeaf && (await blocks.has(cid, options))))
      digests.push(cid.multihash.digest)
    else whole = false
    if (bytes === undefined) walk.skip()
    else walk.accept(bytes)
  }
  return { digests, whole }
}

async function soundBlock(
  cid: CID,
  blocks: BlockStore,
  options?: AbortOptions
): Promise<Uint8Array | undefined> {
  try {
    return await blocks.get(cid, options)
  } catch (err) {
    if (err instanceof CorruptBlockError) return undefined
    throw err
  }
}
