// Folders and documents for tests, made by the importer of other authors: plain and sharded folders, files of many blocks,
// leaves of both kinds, dag-cbor.

import { createHash } from 'node:crypto'
import { code as dagCborCode, encode as encodeDagCbor } from '@ipld/dag-cbor'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'

export interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface SampleDag {
  readonly root: CID
  /** Once each, in the order in which they were made: children first. */
  readonly blocks: readonly Block[]
  /** By path. */
  readonly cids: ReadonlyMap<string, CID>
}

export interface FolderShape {
  readonly leafBytes?: number
  readonly rawLeaves?: boolean
  readonly sharded?: boolean
}

export async function sampleFolder(
  files: Readonly<Record<string, Uint8Array>>,
  { leafBytes = 1000, rawLeaves = true, sharded = false }: FolderShape = {}
): Promise<SampleDag> {
  const blocks = new Map<string, Block>()
  const store = {
    put: async (cid: CID, bytes: Uint8Array) => {
      blocks.set(cid.toString(), { cid, bytes })
      return cid
    }
  }
  const content = Object.entries(files).map(([path, bytes]) => ({ path, content: bytes }))
  const cids = new Map<string, CID>()
  const made = importer(content, store, {
    cidVersion: 1,
    rawLeaves,
    chunker: fixedSize({ chunkSize: leafBytes }),
    reduceSingleLeafToSelf: true,
    wrapWithDirectory: true,
    ...(sharded ? { shardSplitThresholdBytes: 0 } : {})
  })
  for await (const { cid, path } of made) cids.set(path ?? '', cid)
  const root = cids.get('') ?? [...cids.values()].at(-1)
  if (root === undefined) throw new Error('nothing was imported')
  return { root, blocks: [...blocks.values()], cids }
}

export function cborBlock(value: unknown): Block {
  const bytes = encodeDagCbor(value)
  const digest = create(0x12, new Uint8Array(createHash('sha256').update(bytes).digest()))
  return { cid: CID.createV1(dagCborCode, digest), bytes }
}

export function carOf(roots: readonly CID[], blocks: Iterable<Block>): Uint8Array {
  const frame = (...parts: Uint8Array[]): Uint8Array => {
    const body = Buffer.concat(parts)
    return Buffer.concat([
      varint.encodeTo(body.length, new Uint8Array(varint.encodingLength(body.length))),
      body
    ])
  }
  const head = frame(encodeDagCbor({ roots, version: 1 }))
  return Buffer.concat([head, ...[...blocks].map(({ cid, bytes }) => frame(cid.bytes, bytes))])
}

/** The same archive as version 2, its index left out. */
export function secondVersionOf(car: Uint8Array): Uint8Array {
  const fixed = new DataView(new ArrayBuffer(40))
  const padding = 13
  fixed.setBigUint64(16, BigInt(11 + 40 + padding), true)
  fixed.setBigUint64(24, BigInt(car.length), true)
  const pragma = Buffer.from('0aa16776657273696f6e02', 'hex')
  return Buffer.concat([
    pragma,
    new Uint8Array(fixed.buffer),
    Buffer.alloc(padding),
    car,
    Buffer.from('an index')
  ])
}
