// Signed records. The payload travels as the very bytes that were signed, so that no reader has to
// re-encode a record to check it. The signature covers a domain string naming the kind, so that a
// record of one kind can never be passed off as one of another.
// Normative text: docs/protocol/records.md.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { MalformedRecordError } from './errors.ts'
import { publicKeyBytes, type SigningKey, signatureBytes, verifySignature } from './identity.ts'
import { decodeRecord, encodeRecord, type RecordType } from './record.ts'

/** A record whose signature was checked. Only `signRecord` and `openSigned` make one. */
export interface Signed<T> {
  readonly body: T
  /** Ed25519 public key of the signer, 32 bytes. Whether it *may* sign this is the caller's question. */
  readonly signer: Uint8Array
  /** The envelope as stored and sent: DAG-CBOR of `{p: payload, k: signer, s: signature}`. */
  readonly bytes: Uint8Array
  /** sha2-256 of `bytes`, 32 bytes: the record's name. */
  readonly hash: Uint8Array
}

interface Envelope {
  p: Uint8Array
  k: Uint8Array
  s: Uint8Array
}

/** Map heads, keys and length prefixes of the envelope around its payload; generous. */
const envelopeOverheadBytesMax = 160

export function signRecord<T>(type: RecordType<T>, body: T, key: SigningKey): Signed<T> {
  const p = encodeRecord(body)
  const envelope: Envelope = { p, k: key.publicKey, s: key.sign(signedMessage(type.kind, p)) }
  const bytes = encodeRecord(envelope)
  return { body, signer: key.publicKey, bytes, hash: sha256(bytes) }
}

/** @throws MalformedRecordError when the envelope, the signature or the payload is not right. */
export function openSigned<T>(type: RecordType<T>, bytes: Uint8Array): Signed<T> {
  const envelope = decodeRecord(envelopeOf(type), bytes)
  if (!verifySignature(envelope.k, signedMessage(type.kind, envelope.p), envelope.s)) {
    throw new MalformedRecordError(type.kind, 'the signature does not match')
  }
  const body = decodeRecord(type, envelope.p)
  // A copy, because the caller keeps it while the buffer it came in is reused or large; not slice(), which
  // for a Buffer is a view of the same memory.
  const own = new Uint8Array(bytes)
  return { body, signer: new Uint8Array(envelope.k), bytes: own, hash: sha256(own) }
}

function envelopeOf(type: RecordType<unknown>): RecordType<Envelope> {
  return {
    kind: type.kind,
    bytesMax: type.bytesMax + envelopeOverheadBytesMax,
    schema: z.strictObject({
      p: z.instanceof(Uint8Array),
      k: z.instanceof(Uint8Array).refine((k) => k.length === publicKeyBytes, 'not an Ed25519 key'),
      s: z.instanceof(Uint8Array).refine((s) => s.length === signatureBytes, 'not an Ed25519 signature')
    })
  }
}

/** "commonhold/<kind>/v1" NUL payload: the NUL ends the kind, so no kind is a prefix of another. */
function signedMessage(kind: string, payload: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(`commonhold/${kind}/v1\0`), payload])
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
