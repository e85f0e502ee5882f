// Every record and message of the keeping half × every way of being wrong: a typed refusal, nothing kept,
// bounded before it is parsed; and strangers are told nothing.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  decodeRecord,
  encodeRecord,
  openSigned,
  type RecordType,
  seededRandom,
  signingKeyFromSeed,
  signRecord
} from '@commonhold/core'
import { greetRequest } from '../src/census/presence.ts'
import { reportRequest } from '../src/census/report.ts'
import { askPool, type RequestType } from '../src/dialogue.ts'
import { challengeRequest, pathRequest, proofReceiptRecord, receiptsRequest } from '../src/proof/challenge.ts'
import { offerRequest, receiptRecord } from '../src/repair/offer.ts'
import { intentRequest } from '../src/repair/repair.ts'
import { segmentRequest, segmentsEndRequest } from '../src/segments/segment-wire.ts'
import { rootFor } from './harness/disk.ts'
import { Village } from './harness/village.ts'

const hash = new Uint8Array(32).fill(7)
const root = rootFor(new TextEncoder().encode('an object'))
const standing = {
  storeEpoch: new Uint8Array(16),
  run: new Uint8Array(16),
  reportSeq: 1,
  receiptSeq: 0,
  full: false,
  usedBytes: 0,
  freeBytes: 1,
  capacityBytes: 1
}
const report = {
  storeEpoch: new Uint8Array(16),
  run: new Uint8Array(16),
  seq: 1,
  more: false,
  groups: [{ group: 1, copiesMinFrom: 3, except: [], plus: [new Uint8Array(33)], setHash: hash }]
}
const receipt = { pool: hash, keeper: 'k', operator: 'o', storeEpoch: hash, root, journal: hash, seq: 1 }
const word = { pool: hash, keeper: 'k', storeEpoch: hash, roots: [root], right: true, seq: 1, expiresMs: 1 }

const segment = { upload: new Uint8Array(16), index: 0, room: 1, root, size: 1, file: root, nonce: hash }

const records: [RecordType<unknown>, unknown][] = [
  [greetRequest.request, standing],
  [reportRequest.request, { run: hash, after: 0, explicit: [1] }],
  [reportRequest.answer, report],
  [challengeRequest.request, { nonce: hash, roots: [root], hold: true }],
  [challengeRequest.answer, { storeEpoch: hash, answers: [{ kind: 'proof', digest: hash, held: true }] }],
  [pathRequest.request, { nonce: hash, root, hold: false }],
  [pathRequest.answer, { storeEpoch: hash, answer: { kind: 'path', blocks: [hash], held: false } }],
  [receiptsRequest.request, { after: 0 }],
  [receiptsRequest.answer, { receipts: [hash], upTo: 1, more: false }],
  [offerRequest.request, { root, opening: hash, batch: hash }],
  [offerRequest.answer, { kind: 'receipt', receipt: hash }],
  [intentRequest.request, { root, copies: 3 }],
  [intentRequest.answer, { answer: 'go' }],
  [segmentRequest.request, segment],
  [segmentRequest.answer, { kind: 'kept', digest: hash }],
  [segmentsEndRequest.request, { upload: new Uint8Array(16) }],
  [segmentsEndRequest.answer, { ended: true }],
  [receiptRecord, receipt],
  [proofReceiptRecord, word]
]

for (const [type, good] of records) {
  test(`${type.kind}: the good one is read, and everything else refused`, () => {
    const bytes = encodeRecord(good)
    assert.deepEqual(encodeRecord(decodeRecord(type, bytes)), bytes)
    const random = seededRandom(1)
    const object = good as Record<string, unknown>
    const bad: [string, Uint8Array][] = [
      ['empty', new Uint8Array()],
      ['truncated', bytes.slice(0, -1)],
      ['followed by more', Buffer.concat([bytes, Uint8Array.of(0)])],
      ['oversized', new Uint8Array(type.bytesMax + 1)],
      ['wrong type', encodeRecord([])],
      ['unknown field', encodeRecord({ ...object, version: 2 })],
      ...Object.keys(object).map((name): [string, Uint8Array] => {
        const { [name]: _, ...rest } = object
        return [`without ${name}`, encodeRecord(rest)]
      }),
      ...Object.keys(object).map((name): [string, Uint8Array] => [
        `${name} of another type`,
        encodeRecord({ ...object, [name]: { not: 'this' } })
      ]),
      ['garbage', random.bytes(64)]
    ]
    for (const [what, input] of bad) {
      assert.throws(() => decodeRecord(type, input), { name: 'MalformedRecordError' }, what)
    }
  })
}

test('signed ones: a changed byte anywhere is noticed, and another kind cannot pass for it', () => {
  const key = signingKeyFromSeed(hash)
  for (const { bytes, open, other } of [
    {
      bytes: signRecord(receiptRecord, receipt, key).bytes,
      open: (input: Uint8Array): unknown => openSigned(receiptRecord, input),
      other: (input: Uint8Array): unknown => openSigned(proofReceiptRecord, input)
    },
    {
      bytes: signRecord(proofReceiptRecord, word, key).bytes,
      open: (input: Uint8Array): unknown => openSigned(proofReceiptRecord, input),
      other: (input: Uint8Array): unknown => openSigned(receiptRecord, input)
    }
  ]) {
    open(bytes)
    assert.throws(() => other(bytes), { name: 'MalformedRecordError' })
    for (const at of bytes.keys()) {
      const changed = Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 1 : byte))
      assert.throws(() => open(changed), { name: 'MalformedRecordError' }, `byte ${at}`)
    }
  }
})

test('a stranger is refused every question, and learns nothing', async () => {
  const village = await Village.of(2, 1)
  const member = village.house(0)
  const stranger = village.wires.join('a stranger')
  const pool = new Uint8Array(Buffer.from(member.pool.poolId, 'hex'))
  const refusedFor = async <Q, A>(type: RequestType<Q, A>, question: Q): Promise<void> => {
    const asked = askPool(stranger, pool, member.id, type, question)
    await assert.rejects(village.during(asked), { name: 'UnauthorizedError' }, type.name)
  }
  await refusedFor(greetRequest, standing)
  await refusedFor(reportRequest, { run: hash, after: 0, explicit: [] })
  await refusedFor(challengeRequest, { nonce: hash, roots: [root], hold: true })
  await refusedFor(pathRequest, { nonce: hash, root, hold: true })
  await refusedFor(receiptsRequest, { after: 0 })
  await refusedFor(offerRequest, { root, opening: hash, batch: hash })
  await refusedFor(intentRequest, { root, copies: 3 })
  village.wires.leave('a stranger')
  await village.close()
})
