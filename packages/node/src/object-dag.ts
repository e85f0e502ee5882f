// The shape of an object: what one block of it says. A file's block says which bytes it holds or leads to;
// any other block (folder, shard of a folder, document) only what it links to. Believes nothing before it
// was checked, because blocks come from strangers and a hash proves origin, not good sense. The way through
// the blocks is object-walk.ts; where a block comes from is the caller's matter.

import { limits, linksOf, MalformedRecordError } from '@commonhold/core'
import { code as dagPbCode, decode as decodeDagPb } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'

/** One block understood: file bytes, the way to more of a file, or links to anything. Sizes are file bytes below it. */
export type ObjectNode =
  | { readonly kind: 'leaf'; readonly size: number; readonly data: Uint8Array }
  | { readonly kind: 'inner'; readonly size: number; readonly links: readonly ObjectLink[] }
  | { readonly kind: 'dag'; readonly links: readonly DagLink[] }

export interface ObjectLink {
  readonly cid: CID
  /** File bytes below the link, as its parent says. The child must agree. */
  readonly size: number
}

export interface DagLink {
  readonly cid: CID
}

/** Half-open range of file bytes. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Reads a verified block of an object.
 * @throws MalformedRecordError when it is not of its codec, or a file's and contradicts itself
 */
export function readObjectNode(cid: CID, bytes: Uint8Array): ObjectNode {
  if (cid.code === rawCode) return { kind: 'leaf', size: bytes.length, data: bytes }
  if (cid.code !== dagPbCode) return { kind: 'dag', links: linksOf(cid, bytes) }
  let links: readonly { readonly Hash: CID }[]
  let file: UnixFS | undefined
  try {
    const node = decodeDagPb(bytes)
    links = node.Links
    if (node.Data !== undefined) file = unixFsOf(node.Data)
  } catch (err) {
    throw new MalformedRecordError('object', `${cid} is not dag-pb`, { cause: err })
  }
  if (file?.type !== 'file' && file?.type !== 'raw') {
    return { kind: 'dag', links: links.map(({ Hash }) => ({ cid: Hash })) }
  }
  if (links.length === 0) {
    const data = file.data ?? new Uint8Array(0)
    return { kind: 'leaf', size: data.length, data }
  }
  if (file.data !== undefined && file.data.length > 0) {
    throw new MalformedRecordError('object', `${cid} has both bytes and links`)
  }
  if (file.blockSizes.length !== links.length) {
    throw new MalformedRecordError(
      'object',
      `${cid} has ${links.length} links and ${file.blockSizes.length} sizes`
    )
  }
  let size = 0
  const sized: ObjectLink[] = []
  for (const [i, link] of links.entries()) {
    const below = Number(file.blockSizes[i])
    // Any number of links to nothing would fit into a file of any size.
    if (below < 1) throw new MalformedRecordError('object', `${cid} links to ${below} bytes`)
    size += below
    if (size > limits.objectBytesMax) throw new MalformedRecordError('object', `${cid} claims too many bytes`)
    sized.push({ cid: link.Hash, size: below })
  }
  return { kind: 'inner', size, links: sized }
}

/** Absent: dag-pb of some other kind, with links all the same. */
function unixFsOf(data: Uint8Array): UnixFS | undefined {
  try {
    return UnixFS.unmarshal(data)
  } catch {
    // Whoever wants a file finds out that this is none.
    return undefined
  }
}

/** False of a name that holds its bytes itself: there is nothing to store or send, and what it links to is not looked at. */
export function isBlock(cid: CID): boolean {
  return cid.multihash.code !== identity.code
}
