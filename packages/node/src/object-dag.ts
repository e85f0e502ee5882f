// The shape of an object: what one block of it says about the file. Believes nothing before it was
// checked, because blocks come from strangers and a hash proves origin, not good sense. The way through
// the blocks is file-walk.ts; where a block comes from is the caller's matter.

import { limits, MalformedRecordError } from '@commonhold/core'
import { code as dagPbCode, decode as decodeDagPb } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'

/** One block understood: file bytes, or the way to more blocks. Sizes are file bytes below it. */
export type ObjectNode =
  | { readonly kind: 'leaf'; readonly size: number; readonly data: Uint8Array }
  | { readonly kind: 'inner'; readonly size: number; readonly links: readonly ObjectLink[] }

export interface ObjectLink {
  readonly cid: CID
  /** File bytes below the link, as its parent says. The child must agree. */
  readonly size: number
}

/** Half-open range of file bytes. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/**
 * Reads a verified block of a file.
 * @throws MalformedRecordError when it is not part of a UnixFS file.
 */
export function readObjectNode(cid: CID, bytes: Uint8Array): ObjectNode {
  if (cid.code === rawCode) return { kind: 'leaf', size: bytes.length, data: bytes }
  if (cid.code !== dagPbCode) throw new MalformedRecordError('object', `codec 0x${cid.code.toString(16)}`)
  let links: readonly { readonly Hash: CID }[]
  let file: UnixFS
  try {
    const node = decodeDagPb(bytes)
    links = node.Links
    if (node.Data === undefined) throw new Error('no UnixFS data')
    file = UnixFS.unmarshal(node.Data)
  } catch (err) {
    throw new MalformedRecordError('object', `${cid} is not a UnixFS node`, { cause: err })
  }
  if (file.type !== 'file' && file.type !== 'raw') {
    throw new MalformedRecordError('object', `${cid} is a ${file.type}, not a file`)
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
