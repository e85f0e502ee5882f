// The key of an object inside this layer: 33 bytes, the sha2-256 digest of its root, then the codec.
// Byte order of keys is byte order of root digests, which is also the order of groups, so that one
// index serves lookups, walks through a group and comparison of sets.

import { digestBytes, InvalidInputError, sha256Code } from '@commonhold/core'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

export const rootKeyBytes = 33
/** raw, dag-pb, dag-cbor. */
const codecs: ReadonlySet<number> = new Set([0x55, 0x70, 0x71])

/** @throws InvalidInputError for a root that is not raw, dag-pb or dag-cbor under sha2-256. */
export function rootKey(root: CID): Uint8Array {
  if (!isRoot(root))
    throw new InvalidInputError(
      `${root.toString()} is no root of an object: raw, dag-pb or dag-cbor, sha2-256.`
    )
  const key = new Uint8Array(rootKeyBytes)
  key.set(root.multihash.digest)
  key[digestBytes] = root.code
  return key
}

/** The root (CIDv1) of a key made by `rootKey`. */
export function rootOfKey(key: Uint8Array): CID {
  return CID.createV1(key[digestBytes] ?? 0, createDigest(sha256Code, key.slice(0, digestBytes)))
}

/** Whether this CID can name an object: raw, dag-pb or dag-cbor, sha2-256 in full length. */
export function isRoot(cid: CID): boolean {
  return (
    codecs.has(cid.code) && cid.multihash.code === sha256Code && cid.multihash.digest.length === digestBytes
  )
}

/** Keys for a list in a statement. */
export function keysOf(roots: readonly CID[]): Uint8Array[] {
  return listed(roots.map(rootKey))
}

/**
 * A list for a statement, the last repeated up to a power of two: lists of every length would each be a statement
 * of its own, prepared and remembered.
 */
export function listed<T>(values: readonly T[]): T[] {
  const list = [...values]
  const last = list.at(-1)
  if (last === undefined) return list
  const length = 2 ** Math.ceil(Math.log2(list.length))
  while (list.length < length) list.push(last)
  return list
}

export function compareRoots(a: CID, b: CID): number {
  return Buffer.compare(a.multihash.digest, b.multihash.digest) || a.code - b.code
}

/** Group of a root: the first `k` bits of its digest, 0 ≤ group < 2^k, k ≤ 16. */
export function groupOf(root: CID, k: number): number {
  const digest = root.multihash.digest
  return (((digest[0] ?? 0) << 8) | (digest[1] ?? 0)) >>> (16 - k)
}
