// What a proof is, as pure functions over blocks: the keyed digest between holders, and the random path
// for one who has no copy. Owns the cryptographic shape; knows no peers, no time and no disk.
// Normative text and vectors: docs/protocol/proofs.md.

import { createHash, createHmac } from 'node:crypto'
import { digestBytes, type NodeId, publicKeyOfNode } from '@commonhold/core'
import { decode as decodeDagPb } from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { sameBytes } from './fields.ts'
import { rootKey } from './root-key.ts'

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
 */
export async function proofDigest(
  subject: ProofSubject,
  blocks: AsyncIterable<Uint8Array>
): Promise<Uint8Array> {
  const key = createHmac('sha256', subject.nonce)
    .update('commonhold/proof/v1\0')
    .update(subject.pool)
    .update(publicKeyOfNode(subject.keeper))
    .update(rootKey(subject.root))
    .digest()
  const digest = createHmac('sha256', key)
  for await (const block of blocks) digest.update(block)
  return new Uint8Array(digest.digest())
}

interface Link {
  readonly cid: CID
  /** Bytes below it, as its parent says; 0 when it does not say. */
  readonly weight: number
}

/**
 * The blocks from the root down to one leaf. At every node the nonce picks a link, weighted by the bytes
 * below it, so that each byte of the object is about equally likely to be asked for.
 * @param blocks depth first, from the root
 */
export async function pathTo(
  nonce: Uint8Array,
  root: CID,
  blocks: AsyncIterable<Uint8Array>
): Promise<Uint8Array[]> {
  const path: Uint8Array[] = []
  /** Subtrees still to come, the next on top; `wanted` ones are on the path. */
  const ahead: { cid: CID; wanted: boolean }[] = [{ cid: root, wanted: true }]
  for await (const block of blocks) {
    const next = ahead.pop()
    if (next === undefined) break
    const links = linksOf(next.cid, block)
    const picked = next.wanted ? pick(nonce, path.length, links) : -1
    if (next.wanted) path.push(block)
    if (next.wanted && picked === -1) break
    for (let i = links.length - 1; i >= 0; i--) {
      const link = links[i]
      if (link !== undefined) ahead.push({ cid: link.cid, wanted: i === picked })
    }
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
    if (picked === undefined) return depth === path.length - 1
    expected = picked.cid
  }
  return false
}

const dagPbCode = 0x70

/** A block that hashes to its name but does not decode was wished for like that: it has no links. */
function linksOf(cid: CID, block: Uint8Array): Link[] {
  if (cid.code !== dagPbCode) return []
  try {
    return decodeDagPb(block).Links.map((link) => ({
      cid: CID.asCID(link.Hash) ?? cid,
      weight: Math.max(0, link.Tsize ?? 0)
    }))
  } catch {
    // Not dag-pb inside: a leaf like any other, and the same to both sides.
    return []
  }
}

/** Index of the picked link, -1 for a leaf. Integer arithmetic: the same on every machine. */
function pick(nonce: Uint8Array, depth: number, links: readonly Link[]): number {
  if (links.length === 0) return -1
  const total = links.reduce((sum, link) => sum + BigInt(link.weight), 0n)
  const dice = createHash('sha256')
    .update('commonhold/path/v1\0')
    .update(nonce)
    .update(Uint8Array.of(depth))
    .digest()
    .readBigUInt64BE()
  if (total === 0n) return Number(dice % BigInt(links.length))
  let at = dice % total
  for (const [i, link] of links.entries()) {
    if (at < BigInt(link.weight)) return i
    at -= BigInt(link.weight)
  }
  return links.length - 1
}
