// Records: what is stored and exchanged, as canonical DAG-CBOR (deterministic, so equal records have
// equal bytes and equal hashes). One door in: bytes become a typed value only through `decodeRecord`,
// which bounds the size before it parses and checks the shape after.
// Normative text: docs/protocol/records.md.

import { decode, encode } from '@ipld/dag-cbor'
import type { ZodType } from 'zod'
import { MalformedRecordError } from './errors.ts'

/** What a record must look like. `kind` appears in errors and in the signature's domain. */
export interface RecordType<T> {
  readonly kind: string
  /** Longer input is refused before it is parsed, so a hostile peer cannot make us allocate. */
  readonly bytesMax: number
  readonly schema: ZodType<T>
}

/** The one spelling of `value`, in memory of its own: the encoder may answer with a part of a larger, shared buffer. */
export function encodeRecord(value: unknown): Uint8Array {
  return new Uint8Array(encode(value))
}

/** @throws MalformedRecordError when too large, not canonical DAG-CBOR, or of another shape. */
export function decodeRecord<T>(type: RecordType<T>, bytes: Uint8Array): T {
  if (bytes.length > type.bytesMax) {
    throw new MalformedRecordError(type.kind, `${bytes.length} bytes, at most ${type.bytesMax} allowed`)
  }
  let value: unknown
  let canonical: Uint8Array
  try {
    value = decode(bytes)
    canonical = encode(value)
  } catch (err) {
    throw new MalformedRecordError(type.kind, 'it is not DAG-CBOR', { cause: err })
  }
  // The decoder lets other spellings of a value through (unsorted keys, short floats, broken UTF-8). Anybody who
  // passes a signed record on could respell its envelope so, and one word of its signer would have two hashes.
  if (Buffer.compare(canonical, bytes) !== 0) {
    throw new MalformedRecordError(type.kind, 'it is not in the canonical form of DAG-CBOR')
  }
  const result = type.schema.safeParse(value)
  if (!result.success) {
    const issue = result.error.issues[0]
    const where = issue === undefined || issue.path.length === 0 ? 'the record' : issue.path.join('.')
    throw new MalformedRecordError(type.kind, `${where}: ${issue?.message ?? 'unexpected'}`)
  }
  return result.data
}
