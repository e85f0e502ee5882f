// The shape of an object: how a root block leads to the bytes of the file. Reads one block at a time
// and believes nothing it says before it was checked, because blocks come from strangers. Used by the
// local reader, by the exchange, and by whoever needs to know which blocks an object is made of.
// Does no I/O: where a block comes from is a parameter.

import { MalformedRecordError, limits } from '@commonhold/core'
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

/** One block of a walk, in depth-first order. */
export interface WalkedBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
  readonly node: ObjectNode
  /** Position in the file of the first byte below this block. */
  readonly offset: number
}

/** Gives the verified bytes of a block or throws. */
export type BlockSource = (cid: CID) => Promise<Uint8Array>

/** Levels of inner nodes above a leaf. Ours need two for 1 TiB; others' narrow trees some more. */
const depthMax = 16

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
    throw new MalformedRecordError('object', `${cid} names ${links.length} links and other sizes`)
  }
  let size = 0
  const sized: ObjectLink[] = []
  for (const [i, link] of links.entries()) {
    const below = Number(file.blockSizes[i])
    size += below
    if (size > limits.objectBytesMax) throw new MalformedRecordError('object', `${cid} claims too many bytes`)
    sized.push({ cid: link.Hash, size: below })
  }
  return { kind: 'inner', size, links: sized }
}

/**
 * Every block needed for `range` (by default all), depth first, each once per occurrence, fetched one
 * at a time as the caller asks. A child that does not have the size its parent claims ends the walk.
 * @throws MalformedRecordError, and whatever `source` throws
 */
export async function* walkObject(
  root: CID,
  source: BlockSource,
  range: ByteRange = { from: 0, to: Number.POSITIVE_INFINITY }
): AsyncGenerator<WalkedBlock> {
  interface Step {
    readonly cid: CID
    readonly offset: number
    readonly size: number | undefined
    readonly depth: number
  }
  const stack: Step[] = [{ cid: root, offset: 0, size: undefined, depth: 0 }]
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const { cid, offset, size, depth } = step
    if (depth > depthMax) throw new MalformedRecordError('object', `deeper than ${depthMax} levels`)
    const bytes = await source(cid)
    const node = readObjectNode(cid, bytes)
    if (size !== undefined && node.size !== size) {
      throw new MalformedRecordError('object', `${cid} has ${node.size} bytes, its parent says ${size}`)
    }
    yield { cid, bytes, node, offset }
    if (node.kind === 'leaf') continue
    const steps: Step[] = []
    let at = offset
    for (const link of node.links) {
      // An empty child cannot intersect any range, but belongs to the object when all of it is asked for.
      const whole = range.from <= at && range.to >= at + link.size
      if (whole || (at < range.to && at + link.size > range.from)) {
        steps.push({ cid: link.cid, offset: at, size: link.size, depth: depth + 1 })
      }
      at += link.size
    }
    stack.push(...steps.reverse())
  }
}

/** The file bytes of `range`, clamped to the file, leaf by leaf. */
export async function* readObject(
  root: CID,
  source: BlockSource,
  range: ByteRange
): AsyncGenerator<{ readonly offset: number; readonly bytes: Uint8Array }> {
  for await (const { node, offset } of walkObject(root, source, range)) {
    if (node.kind !== 'leaf') continue
    const from = Math.max(range.from, offset)
    const to = Math.min(range.to, offset + node.size)
    if (to > from) yield { offset: from, bytes: node.data.subarray(from - offset, to - offset) }
  }
}
