// What a block is to somebody who walks a path: a folder, a shard of one, a file, a symbolic link, a document; and where
// in it a name leads. Pure. https://specs.ipfs.tech/unixfs/

import { MalformedRecordError } from '@commonhold/core'
import { code as dagCborCode, decode as decodeDagCbor } from '@ipld/dag-cbor'
import { code as dagPbCode, decode as decodeDagPb, type PBLink } from '@ipld/dag-pb'
import { murmur364 } from '@multiformats/murmur3'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import type { NamedBlock } from '../components.ts'

export type PathNode =
  | { readonly kind: 'file'; readonly size: number }
  | { readonly kind: 'folder'; readonly links: readonly PBLink[] }
  | { readonly kind: 'shard'; readonly links: readonly PBLink[]; readonly fanout: number }
  | { readonly kind: 'symlink'; readonly target: Uint8Array }
  | { readonly kind: 'document'; readonly value: unknown }

/** Entries of a shard have this many hex digits in front of their names; a link of these digits alone is a further shard. */
export function prefixLength(fanout: number): number {
  return (fanout - 1).toString(16).length
}

/** @throws MalformedRecordError for what is neither UnixFS nor dag-cbor */
export function pathNodeOf({ cid, bytes }: NamedBlock): PathNode {
  if (cid.code === dagCborCode) return { kind: 'document', value: decodeDagCbor(bytes) }
  if (cid.code !== dagPbCode) return { kind: 'file', size: bytes.length }
  const node = decodeDagPb(bytes)
  let unixfs: UnixFS
  try {
    unixfs = UnixFS.unmarshal(node.Data ?? new Uint8Array(0))
  } catch (err) {
    throw new MalformedRecordError('folder or file', `${cid} is dag-pb of another kind`, { cause: err })
  }
  switch (unixfs.type) {
    case 'directory':
      return { kind: 'folder', links: node.Links }
    case 'hamt-sharded-directory': {
      const fanout = Number(unixfs.fanout ?? 256n)
      if (![8, 16, 32, 64, 128, 256, 512, 1024].includes(fanout)) {
        throw new MalformedRecordError('folder', `${cid} has shards of ${fanout}`)
      }
      return { kind: 'shard', links: node.Links, fanout }
    }
    case 'symlink':
      return { kind: 'symlink', target: unixfs.data ?? new Uint8Array(0) }
    default:
      return { kind: 'file', size: Number(unixfs.fileSize()) }
  }
}

/** Which places of which shards an entry of this name has, level by level. */
export class ShardPlaces {
  readonly #hash: Uint8Array
  #bits = 0

  private constructor(hash: Uint8Array) {
    this.#hash = hash
  }

  static async of(name: string): Promise<ShardPlaces> {
    return new ShardPlaces(await murmur364.encode(new TextEncoder().encode(name)))
  }

  /** The place at the next level as the prefix of a link; absent when the hash is used up. */
  next(fanout: number): string | undefined {
    const width = Math.log2(fanout)
    if (this.#bits + width > 64) return undefined
    let place = 0
    for (let i = 0; i < width; i++, this.#bits++) {
      const byte = this.#hash[this.#bits >> 3] ?? 0
      place = place * 2 + ((byte >> (7 - (this.#bits & 7))) & 1)
    }
    return place.toString(16).toUpperCase().padStart(prefixLength(fanout), '0')
  }
}

/** Follows names inside a document until a link or until they are used up; absent when a name leads nowhere. */
export function insideDocument(
  value: unknown,
  names: readonly string[]
): { readonly used: number; readonly link?: CID } | undefined {
  let at = value
  for (let used = 0; ; used++) {
    const link = CID.asCID(at)
    if (link !== null) return { used, link }
    const name = names[used]
    if (name === undefined) return { used }
    if (Array.isArray(at)) at = /^(0|[1-9]\d{0,9})$/.test(name) ? at[Number(name)] : undefined
    else if (typeof at === 'object' && at !== null && !(at instanceof Uint8Array) && Object.hasOwn(at, name))
      at = (at as Record<string, unknown>)[name]
    else return undefined
    if (at === undefined) return undefined
  }
}
