// Objects for tests, made by the same importer that ingest uses, or by hand where they must be wrong.

import { createHash } from 'node:crypto'
import { seededRandom } from '@commonhold/core'
import { encode, prepare } from '@ipld/dag-pb'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { encodeFileData } from '../src/file-layout.ts'

export interface SampleObject {
  readonly root: CID
  readonly bytes: Uint8Array
  readonly blocks: readonly { readonly cid: CID; readonly bytes: Uint8Array }[]
}

export interface Shape {
  readonly leafBytes?: number
  readonly links?: number
  /** Leaves as dag-pb, as older Kubo makes them. */
  readonly wrappedLeaves?: boolean
}

export function randomBytes(length: number, seed: number): Uint8Array {
  return seededRandom(seed).bytes(length)
}

export async function sampleObject(length: number, seed: number, shape: Shape = {}): Promise<SampleObject> {
  const { leafBytes = 1024 * 1024, links = 1024, wrappedLeaves = false } = shape
  const bytes = randomBytes(length, seed)
  const blocks: { cid: CID; bytes: Uint8Array }[] = []
  const store = {
    put: async (cid: CID, block: Uint8Array) => {
      blocks.push({ cid, bytes: block })
      return cid
    }
  }
  let root: CID | undefined
  const files = importer([{ content: bytes }], store, {
    cidVersion: 1,
    rawLeaves: !wrappedLeaves,
    chunker: fixedSize({ chunkSize: leafBytes }),
    layout: balanced({ maxChildrenPerNode: links }),
    reduceSingleLeafToSelf: true,
    wrapWithDirectory: false
  })
  for await (const { cid } of files) root = cid
  if (root === undefined) throw new Error('nothing was imported')
  return { root, bytes, blocks }
}

export function rawBlock(bytes: Uint8Array): { cid: CID; bytes: Uint8Array } {
  return { cid: CID.createV1(raw.code, sha256(bytes)), bytes }
}

/** An inner node that claims whatever it is told to. */
export function innerBlock(children: readonly { cid: CID; size: number }[]): { cid: CID; bytes: Uint8Array } {
  const data = encodeFileData(children.map(({ size }) => size))
  const links = children.map(({ cid, size }) => ({ Name: '', Tsize: size, Hash: cid }))
  const bytes = encode(prepare({ Data: data, Links: links }))
  return { cid: CID.createV1(0x70, sha256(bytes)), bytes }
}

function sha256(bytes: Uint8Array): ReturnType<typeof create> {
  return create(0x12, new Uint8Array(createHash('sha256').update(bytes).digest()))
}
