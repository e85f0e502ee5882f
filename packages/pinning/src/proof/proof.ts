// What a proof is, as pure functions over blocks: the keyed digest between holders, and the random path
// for one who has no copy. Owns the cryptographic shape; knows no peers, no time and no disk.
// Normative text and vectors: docs/protocol/proofs.md.

import { createHash, createHmac } from 'node:crypto'
import {
  type BlockLink,
  digestBytes,
  linksOf as linksInside,
  type NodeId,
  publicKeyOfNode,
  sha256Code
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { sameBytes } from '../fields.ts'
import { rootKey } from '../root-key.ts'

export const nonceBytes = 32

export interface ProofSubject {
  /** Pool id, 32 bytes. */
  readonly pool: Uint8Array
  /** Fresh and random, 32 bytes. */
  readonly nonce: Uint8Array
  /** The challenged node: another keeper's answer to the same nonce is worth nothing. */
  readonly keeper: NodeId
  readonly root: CID
}

/**
 * HMAC-SHA256 over all block bytes, depth first, each block once per occurrence. The key is derived
 * from everything the proof is about: nothing can be computed before the nonce is known, and the nonce
 * is no mere prefix whose hash state could be kept instead of the bytes.
 * @param subjects all about the object of these blocks, each with a digest of its own
 */
export async function proofDigests(
  subjects: readonly ProofSubject[],
  blocks: AsyncIterable<Uint8Array>
): Promise<readonly Uint8Array[]> {
  const digests = subjects.map((subject) => createHmac('sha256', keyOf(subject)))
  for await (const block of blocks) for (const digest of digests) digest.update(block)
  return digests.map((digest) => new Uint8Array(digest.digest()))
}

/** The same of one. */
export async function proofDigest(
  subject: ProofSubject,
  blocks: AsyncIterable<Uint8Array>
): Promise<Uint8Array> {
  const digest = createHmac('sha256', keyOf(subject))
  for await (const block of blocks) digest.update(block)
  return new Uint8Array(digest.digest())
}

function keyOf(subject: ProofSubject): Uint8Array {
  return createHmac('sha256', subject.nonce)
    .update('commonhold/proof/v1\0')
    .update(subject.pool)
    .update(publicKeyOfNode(subject.keeper))
    .update(rootKey(subject.root))
    .digest()
}

/** An answer has room for no more: deep documents are looked at from the top. */
export const pathBlocksMax = 16

/**
 * The blocks from the root down to one leaf, or as many as there is room for. At every node the nonce picks a link, weighted by the bytes
 * below it, so that each byte of the object is about equally likely to be asked for.
 * @param read a verified block of the object
 */
export async function pathTo(
  nonce: Uint8Array,
  root: CID,
  read: (cid: CID) => Promise<Uint8Array>
): Promise<Uint8Array[]> {
  const path: Uint8Array[] = []
  for (let cid: CID | undefined = root; cid !== undefined && path.length < pathBlocksMax; ) {
    const block: Uint8Array = await read(cid)
    const links = linksOf(cid, block)
    cid = links[pick(nonce, path.length, links)]?.cid
    path.push(block)
  }
  return path
}

/** Whether these are the very blocks on the path the nonce picks. */
export function verifyPath(nonce: Uint8Array, root: CID, path: readonly Uint8Array[]): boolean {
  let expected = root
  for (const [depth, block] of path.entries()) {
    const digest = new Uint8Array(createHash('sha256').update(block).digest())
    if (expected.multihash.digest.length !== digestBytes || !sameBytes(digest, expected.multihash.digest))
      return false
    const links = linksOf(expected, block)
    const picked = links[pick(nonce, depth, links)]
    if (picked === undefined || depth + 1 === pathBlocksMax) return depth === path.length - 1
    expected = picked.cid
  }
  return false
}

/** A block that hashes to its name but does not decode was wished for like that: it has no links. */
function linksOf(cid: CID, block: Uint8Array): readonly BlockLink[] {
  try {
    // Names that hold their bytes themselves lead to no block.
    return linksInside(cid, block).filter((link) => link.cid.multihash.code === sha256Code)
  } catch {
    // Not of its codec inside: a leaf like any other, and the same to both sides.
    return []
  }
}

/** Index of the picked link, -1 for a leaf. Integer arithmetic: the same on every machine. */
function pick(nonce: Uint8Array, depth: number, links: readonly BlockLink[]): number {
  if (links.length === 0) return -1
  const total = links.reduce((sum, link) => sum + weightOf(link), 0n)
  const dice = createHash('sha256')
    .update('commonhold/path/v1\0')
    .update(nonce)
    .update(Uint8Array.of(depth))
    .digest()
    .readBigUInt64BE()
  if (total === 0n) return Number(dice % BigInt(links.length))
  let at = dice % total
  for (const [i, link] of links.entries()) {
    if (at < weightOf(link)) return i
    at -= weightOf(link)
  }
  return links.length - 1
}

/** Bytes below it, as its parent says; 0 when it does not say. */
function weightOf({ bytesBelow = 0 }: BlockLink): bigint {
  return BigInt(Math.max(0, bytesBelow))
}
