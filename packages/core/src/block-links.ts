// What a block leads to: one table of the codecs this network understands. Pure, and it believes nothing: a block
// that is not of its codec is an error, because a hash proves origin and not good sense.

import { code as dagCborCode, decodeOptions } from '@ipld/dag-cbor'
import { code as dagPbCode, decode as decodeDagPb } from '@ipld/dag-pb'
import { decode as decodeCbor } from 'cborg'
import { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { MalformedRecordError } from './errors.ts'

export interface BlockLink {
  readonly cid: CID
  /** As the block calls it; absent where links have no names of their own. */
  readonly name?: string
  /** Bytes of all blocks below it, as the block claims; absent when it does not say. */
  readonly bytesBelow?: number
}

type ReadLinks = (bytes: Uint8Array) => readonly BlockLink[]

const codecs: ReadonlyMap<number, { readonly name: string; readonly read: ReadLinks }> = new Map([
  [rawCode, { name: 'raw', read: () => [] }],
  [dagPbCode, { name: 'dag-pb', read: linksOfDagPb }],
  [dagCborCode, { name: 'dag-cbor', read: linksOfDagCbor }]
])

/**
 * Every link of the block, in its order.
 * @throws MalformedRecordError when the codec is unknown here, or the bytes are not of it
 */
export function linksOf(cid: CID, bytes: Uint8Array): readonly BlockLink[] {
  const codec = codecs.get(cid.code)
  if (codec === undefined) {
    const known = [...codecs.values()].map(({ name }) => name).join(', ')
    throw new MalformedRecordError(
      'block',
      `${cid} has the codec 0x${cid.code.toString(16)}, and only ${known} are understood here`
    )
  }
  try {
    return codec.read(bytes)
  } catch (err) {
    throw new MalformedRecordError('block', `${cid} is not ${codec.name}`, { cause: err })
  }
}

function linksOfDagPb(bytes: Uint8Array): readonly BlockLink[] {
  return decodeDagPb(bytes).Links.map(({ Hash, Name, Tsize }) => ({
    cid: Hash,
    ...(Name === undefined ? {} : { name: Name }),
    ...(Tsize === undefined ? {} : { bytesBelow: Tsize })
  }))
}

/** In the order of the encoding. Into maps and not objects, which sort keys that look like numbers to the front. */
function linksOfDagCbor(bytes: Uint8Array): readonly BlockLink[] {
  const links: BlockLink[] = []
  // A stack of our own: how deep a document may nest is the decoder's limit, not that of our calls.
  const open: unknown[] = [decodeCbor(bytes, { ...decodeOptions, useMaps: true })]
  while (open.length > 0) {
    const value = open.pop()
    const inner = value instanceof Map ? [...value.values()] : Array.isArray(value) ? value : undefined
    if (inner !== undefined) for (const each of inner.reverse()) open.push(each)
    else if (value instanceof CID) links.push({ cid: value })
  }
  return links
}
