// The upper half of ingest: leaves, in order, become inner nodes, a level at a time, up to one root. The
// bytes of an inner node are made here because the protobuf writer under ipfs-unixfs writes some sizes
// wrong (docs/decisions/0205-unixfs-encoding.md). Reading nodes is object-dag.ts.

import { limits } from '@commonhold/core'
import { code as dagPbCode, encode, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { InProgressImportResult, WritableStorage } from 'ipfs-unixfs-importer'
import { balanced, type FileLayout } from 'ipfs-unixfs-importer/layout'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'

/** Tags of the message `Data`, of the UnixFS specification: field number and wire type. */
const tags = Object.freeze({ type: 0x08, fileSize: 0x18, blockSize: 0x20 })
const typeFile = 2

/** The balanced layout of IPIP-499 (`unixfs-v1-2025`); a file of one leaf is that leaf. */
export function balancedFile(store: WritableStorage): FileLayout {
  const layOut = balanced({ maxChildrenPerNode: limits.linksPerNodeMax })
  return (leaves) => layOut(leaves, (children) => join(children, store))
}

async function join(
  children: readonly InProgressImportResult[],
  store: WritableStorage
): Promise<InProgressImportResult> {
  const [first] = children
  // The last leaf of a larger file may be alone in its node as well, and then has a node.
  if (first !== undefined && 'single' in first && first.single) return first
  const blockSizes = children.map(fileBytesOf)
  const links = children.map(({ cid, size }) => ({ Name: '', Tsize: Number(size), Hash: cid }))
  const bytes = encode(prepare({ Data: encodeFileData(blockSizes.map(Number)), Links: links }))
  const cid = CID.createV1(dagPbCode, await sha256.digest(bytes))
  await store.put(cid, bytes)
  const size = children.reduce((sum, child) => sum + child.size, BigInt(bytes.length))
  return { cid, size, unixfs: new UnixFS({ type: 'file', blockSizes }) }
}

/** A leaf is raw, so its size is its file bytes; that of an inner node counts the nodes below it as well. */
function fileBytesOf(child: InProgressImportResult): bigint {
  return child.unixfs?.fileSize() ?? child.size
}

/**
 * The UnixFS `Data` of an inner node, as every implementation encodes it: fields in order of their
 * numbers, `blocksizes` not packed. https://specs.ipfs.tech/unixfs/
 *
 * @param blockSizes file bytes below each link; they and their sum are safe integers.
 */
export function encodeFileData(blockSizes: readonly number[]): Uint8Array {
  const fileSize = blockSizes.reduce((sum, size) => sum + size, 0)
  const fields: [tag: number, value: number][] = [
    [tags.type, typeFile],
    [tags.fileSize, fileSize],
    ...blockSizes.map((size): [number, number] => [tags.blockSize, size])
  ]
  const bytes = new Uint8Array(fields.reduce((sum, [, value]) => sum + 1 + varint.encodingLength(value), 0))
  let at = 0
  for (const [tag, value] of fields) {
    bytes[at] = tag
    varint.encodeTo(value, bytes, at + 1)
    at += 1 + varint.encodingLength(value)
  }
  return bytes
}
