// Fields that several records share, each bounded. A record of this layer is a strict object of these:
// an unknown or missing field makes it malformed, so that two readers never see two meanings.

import { digestBytes, publicKeyBytes } from '@commonhold/core'
import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isRoot } from './root-key.ts'

const bytes: z.ZodType<Uint8Array> = z.instanceof(Uint8Array)

/** A sha2-256, 32 bytes: of a record, a batch, a part, a file. */
export const hashField: z.ZodType<Uint8Array> = bytes.refine((b) => b.length === digestBytes, 'not 32 bytes')

/** Raw Ed25519 public key of a node or an operator, 32 bytes: one spelling, unlike its text forms. */
export const keyField: z.ZodType<Uint8Array> = bytes.refine(
  (b) => b.length === publicKeyBytes,
  'not an Ed25519 key'
)

/** Position in a journal, or version of a roster entry: from 1. */
export const seqField: z.ZodType<number> = z.int().min(1).max(Number.MAX_SAFE_INTEGER)

export const sizeField: z.ZodType<number> = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

/** Milliseconds since the Unix epoch; only expiry dates are absolute. */
export const timeField: z.ZodType<number> = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

/** Root of an object: raw, dag-pb or dag-cbor, CIDv1, sha2-256. Version 0 is refused: one object, one spelling. */
export const rootField: z.ZodType<CID> = z.custom<CID>((value) => {
  const cid = CID.asCID(value)
  return cid !== null && cid.version === 1 && isRoot(cid)
}, 'not a CIDv1 of an object')

/** At most `bytesMax` bytes. */
export function bytesField(bytesMax: number): z.ZodType<Uint8Array> {
  return bytes.refine((b) => b.length <= bytesMax, `more than ${bytesMax} bytes`)
}

/** A short human-readable line: 1 to `charsMax` characters without control characters. */
export function lineField(charsMax: number): z.ZodType<string> {
  return z
    .string()
    .min(1)
    .max(charsMax)
    .refine((s) => !/\p{Cc}/u.test(s), 'control characters')
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
