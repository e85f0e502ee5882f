// Signed records: what the signer said comes out; whatever anybody else made of it does not.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test, { suite } from 'node:test'
import {
  encodeRecord,
  fromHex,
  MalformedRecordError,
  openSigned,
  type RecordType,
  signingKeyFromSeed,
  signRecord,
  toHex
} from '@commonhold/core'
import fc from 'fast-check'
import { z } from 'zod'
import { fromDagJson } from './dag-json.ts'
import { readVectors } from './vectors.ts'

interface Example {
  seq: number
  prev: Uint8Array
  name: string
}

const example: RecordType<Example> = {
  kind: 'example',
  bytesMax: 1_000,
  schema: z.strictObject({ seq: z.int(), prev: z.instanceof(Uint8Array), name: z.string() })
}
const bodies = fc.record(
  {
    seq: fc.maxSafeNat(),
    prev: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    name: fc.string({ maxLength: 40 })
  },
  { noNullPrototype: true }
)
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(signingKeyFromSeed)
const refused = (type: RecordType<unknown>, bytes: Uint8Array): void => {
  assert.throws(() => openSigned(type, bytes), MalformedRecordError)
}
const vectors = await readVectors()

suite('vectors', () => {
  const loose = (kind: string): RecordType<unknown> => ({
    kind,
    bytesMax: 1_000,
    schema: z.record(z.string(), z.unknown())
  })
  for (const { what, seed, kind, json, payload, envelope, hash } of vectors.signed) {
    test(what, () => {
      const key = signingKeyFromSeed(fromHex(seed))
      const signed = signRecord(loose(kind), fromDagJson(json), key)
      assert.equal(toHex(encodeRecord(signed.body)), payload)
      assert.equal(toHex(signed.bytes), envelope)
      assert.equal(toHex(signed.hash), hash)
      assert.deepEqual(openSigned(loose(kind), fromHex(envelope)), signed)
    })
  }
  for (const { why, kind, envelope } of vectors.refusedEnvelopes) {
    test(`refused: ${why}`, () => refused(loose(kind), fromHex(envelope)))
  }
})

test('what was signed is opened: body, signer, bytes and hash', () => {
  fc.assert(
    fc.property(bodies, keys, (body, key) => {
      const signed = signRecord(example, body, key)
      assert.deepEqual(openSigned(example, signed.bytes), signed)
      assert.deepEqual(signed.body, body)
      assert.deepEqual(signed.signer, key.publicKey)
      assert.equal(toHex(signed.hash), createHash('sha256').update(signed.bytes).digest('hex'))
    })
  )
})

test('every bit of an envelope counts: none can be turned', () => {
  const { bytes } = signRecord(
    example,
    { seq: 7, prev: new Uint8Array(32), name: 'first' },
    signingKeyFromSeed(new Uint8Array(32))
  )
  for (let i = 0; i < bytes.length * 8; i++) {
    const turned = bytes.slice()
    turned[i >> 3] = (turned[i >> 3] ?? 0) ^ (1 << (i & 7))
    refused(example, turned)
  }
})

test('every byte of an envelope counts: none can be left out, doubled or added', () => {
  const { bytes } = signRecord(
    example,
    { seq: 7, prev: new Uint8Array(32), name: 'first' },
    signingKeyFromSeed(new Uint8Array(32))
  )
  for (let i = 0; i < bytes.length; i++) {
    refused(example, bytes.slice(0, i))
    refused(example, Uint8Array.from([...bytes.slice(0, i), ...bytes.slice(i + 1)]))
    refused(example, Uint8Array.from([...bytes.slice(0, i + 1), ...bytes.slice(i)]))
  }
  refused(example, Uint8Array.from([...bytes, 0]))
})

test('a record of one kind is not taken for one of another, whatever the names of the kinds', () => {
  const kinds = fc.stringMatching(/^[a-z-]{1,12}$/)
  fc.assert(
    fc.property(kinds, kinds, bodies, keys, (kind, other, body, key) => {
      fc.pre(kind !== other)
      refused({ ...example, kind: other }, signRecord({ ...example, kind }, body, key).bytes)
    })
  )
})

test('an envelope whose payload was rightly signed but has another shape is refused', () => {
  const loose: RecordType<unknown> = { kind: example.kind, bytesMax: example.bytesMax, schema: z.unknown() }
  for (const body of [
    {},
    { seq: 1, prev: new Uint8Array(32), name: 'n', more: 1 },
    { seq: '1', prev: new Uint8Array(32), name: 'n' },
    [],
    'text',
    null
  ]) {
    refused(example, signRecord(loose, body, signingKeyFromSeed(new Uint8Array(32))).bytes)
  }
})

test('a payload up to its limit passes with its envelope; one byte more does not, nor is a huge one parsed', () => {
  const key = signingKeyFromSeed(new Uint8Array(32).fill(5))
  const ofLength = (bytes: number): Example => {
    const bare = encodeRecord({ seq: 1, prev: new Uint8Array(0), name: 'x'.repeat(300) }).length
    return { seq: 1, prev: new Uint8Array(0), name: 'x'.repeat(300 + bytes - bare) }
  }
  assert.equal(encodeRecord(ofLength(example.bytesMax)).length, example.bytesMax)
  openSigned(example, signRecord(example, ofLength(example.bytesMax), key).bytes)
  refused(example, signRecord(example, ofLength(example.bytesMax + 1), key).bytes)
  assert.throws(
    () => openSigned(example, new Uint8Array(2_000).fill(0xff)),
    /2000 bytes, at most \d+ allowed/
  )
})

test('the opened record does not change when the buffer it came in does', () => {
  const { bytes } = signRecord(
    example,
    { seq: 1, prev: new Uint8Array(32).fill(1), name: 'n' },
    signingKeyFromSeed(new Uint8Array(32))
  )
  // Buffer as well, because its slice() is a view: seen to fail with `bytes.slice()`.
  for (const buffer of [Uint8Array.from(bytes), Buffer.from(bytes)]) {
    const opened = openSigned(example, buffer)
    buffer.fill(0)
    assert.deepEqual(opened.bytes, bytes)
    assert.deepEqual(opened.body, { seq: 1, prev: new Uint8Array(32).fill(1), name: 'n' })
  }
})

test('garbage is refused with MalformedRecordError and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_500 }), (bytes) => refused(example, bytes)),
    { numRuns: 5_000 }
  )
})
