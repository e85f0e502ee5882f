// Every record and message of the shared half × every way of being wrong: a typed refusal, nothing kept, and
// the next good one is taken. Then the same doors under random damage, with a bound on memory.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  decodeRecord,
  encodeRecord,
  fromHex,
  OperatingError,
  openSigned,
  type RecordType,
  seededRandom,
  signRecord
} from '@commonhold/core'
import { z } from 'zod'
import {
  headRecord,
  openingRecord,
  openOpening,
  openSealed,
  sealBatch,
  sealedBytesMax
} from '../src/journal/journal-records.ts'
import { headsTopic } from '../src/journal/sync-requests.ts'
import { genesisRecord, openGenesis, printRecoveryKey, readRecoveryKey } from '../src/roster/genesis.ts'
import { openRosterEntry, rosterEntryRecord } from '../src/roster/roster-entries.ts'
import { damageAtRandom, doorsOf } from './commons/doors.ts'
import { Town, type TownNode, wish } from './commons/town.ts'

const town = new Town(1)
let a: TownNode
let b: TownNode

const loose = <T>(type: RecordType<T>): RecordType<unknown> => ({ ...type, schema: z.any() })

before(async () => {
  await town.pool(2)
  a = town.nodes[0] ?? assert.fail()
  b = town.nodes[1] ?? assert.fail()
  await a.pin(1)
  await town.settle()
})

after(() => town.close())

function refused(work: () => unknown): void {
  assert.throws(work, { name: 'MalformedRecordError' })
}

describe('each record', () => {
  test('is taken when good, and refused when empty, truncated, oversized, of another type or version, or garbage', () => {
    const random = seededRandom(1)
    for (const door of doorsOf(a)) {
      const good = door.good()
      assert.doesNotThrow(() => door.open(good), door.name)
      refused(() => door.open(new Uint8Array()))
      for (let cut = 1; cut < good.length; cut += 7) refused(() => door.open(good.subarray(0, cut)))
      refused(() => door.open(Buffer.concat([good, Uint8Array.of(0)])))
      refused(() => door.open(new Uint8Array(door.bytesMax + 1)))
      for (const other of [null, 1, 'text', [], {}, { v: 2 }, { p: 1, k: 2, s: 3 }]) {
        refused(() => door.open(encodeRecord(other)))
      }
      refused(() => door.open(random.bytes(200)))
      for (const other of doorsOf(a)) {
        if (other.name !== door.name) refused(() => door.open(other.good()))
      }
      if (door.wrongAuth !== undefined) refused(() => door.open(door.wrongAuth?.() ?? good))
    }
  })

  test('with an unknown or missing field is refused, though its signature is right', () => {
    const { roster } = a.commons
    const types: [RecordType<unknown>, Uint8Array, (bytes: Uint8Array) => unknown][] = [
      [loose(genesisRecord), roster.genesisBytes, openGenesis],
      [loose(openingRecord), doorsOf(a)[2]?.good() ?? assert.fail(), openOpening],
      [
        loose(rosterEntryRecord),
        doorsOf(a)[1]?.good() ?? assert.fail(),
        (bytes) => openRosterEntry(roster.poolId, bytes)
      ]
    ]
    for (const [type, bytes, open] of types) {
      const body = openSigned(type, bytes).body as Record<string, unknown>
      refused(() => open(signRecord(type, { ...body, more: 1 }, a.operatorKey).bytes))
      for (const field of Object.keys(body)) {
        const less = Object.fromEntries(Object.entries(body).filter(([name]) => name !== field))
        refused(() => open(signRecord(type, less, a.operatorKey).bytes))
      }
    }
  })

  test('a batch whose parts, order, groups or head do not fit together is refused', () => {
    const k = a.commons.roster.k
    const place = { journal: new Uint8Array(32), seq: 1, prev: null }
    const names = Array.from({ length: 20 }, (_, i) => i)
    const batch = sealBatch(
      place,
      names.map((name) => ({ kind: 'pin', wish: wish(name) })),
      k,
      a.key
    )
    const looseSealed: RecordType<{ head: Uint8Array; header: Uint8Array; parts: Uint8Array[] }> = {
      kind: 'sealed-batch',
      bytesMax: sealedBytesMax,
      schema: z.any()
    }
    const sealed = decodeRecord(looseSealed, batch.bytes)
    assert.ok(sealed.parts.length > 2)
    const [first, second] = sealed.parts
    assert.ok(first && second)
    const wrong = [
      { ...sealed, parts: sealed.parts.slice(1) },
      { ...sealed, parts: [second, first, ...sealed.parts.slice(2)] },
      { ...sealed, parts: [first, first, ...sealed.parts.slice(2)] },
      {
        ...sealed,
        head: signRecord(headRecord, { journal: new Uint8Array(32), seq: 2, batch: batch.hash }, a.key).bytes
      },
      {
        ...sealed,
        head: signRecord(
          headRecord,
          { journal: new Uint8Array(32), seq: 1, batch: new Uint8Array(32) },
          a.key
        ).bytes
      },
      { ...sealed, more: 1 }
    ]
    for (const one of wrong) refused(() => openSealed(encodeRecord(one), k))
    refused(() => openSealed(batch.bytes, k + 1))
    refused(() => openSealed(sealBatch({ ...place, seq: 2 }, batch.changes, k, a.key).bytes, k))
    refused(() => openSealed(sealBatch({ ...place, seq: 0 }, batch.changes, k, a.key).bytes, k))
    for (const terms of [{ copiesMin: 0 }, { copiesMin: 33 }, { size: -1 }, { size: 1.5 }]) {
      const bad = sealBatch(place, [{ kind: 'pin', wish: wish(1, terms) }], k, a.key)
      refused(() => openSealed(bad.bytes, k))
    }
  })

  test('a recovery key is read back from paper, and a slip of the pen is found', () => {
    const seed = seededRandom(5).bytes(32)
    const text = printRecoveryKey(seed)
    assert.equal(printRecoveryKey(seed), printRecoveryKey(seed.slice()))
    assert.doesNotThrow(() => readRecoveryKey(` ${text}\n`))
    for (let i = 0; i < text.length; i++) {
      const slip = `${text.slice(0, i)}${text[i] === '2' ? '3' : '2'}${text.slice(i + 1)}`
      assert.throws(() => readRecoveryKey(slip), { name: 'InvalidInputError' })
    }
    for (const bad of ['', 'commonhold-recovery-', text.slice(0, -3), `${text}1`, 'x'.repeat(5000)]) {
      assert.throws(() => readRecoveryKey(bad), { name: 'InvalidInputError' })
    }
  })
})

interface Answer {
  body?: Uint8Array
  error?: { name: string; message: string }
}

const anyAnswer: RecordType<Answer> = { kind: 'pool-answer', bytesMax: 2 ** 22, schema: z.any() }

describe('each question', () => {
  const types = [
    'genesis/1',
    'roster/2',
    'roster-entries/1',
    'roster-push/1',
    'heads/2',
    'ends/1',
    'own-heads/1',
    'batches/1'
  ]
  const forStrangers = new Set(types.slice(0, 4))

  async function say(from: TownNode | string, message: Uint8Array): Promise<Answer> {
    const peer = typeof from === 'string' ? town.network.join(from) : from.peer
    return decodeRecord(anyAnswer, await peer.request(a.id, message))
  }

  test('is refused with a typed error when malformed, by members and strangers alike', async () => {
    const pool = a.commons.roster.poolId
    const before_ = await a.commons.wanted.list()
    const bodies: unknown[] = [
      null,
      1,
      'x',
      [],
      { more: 1 },
      { ranges: [] },
      { ranges: [['', new Uint8Array(31)]] },
      { ranges: [['G', new Uint8Array(32)]] },
      { ranges: [['0'.repeat(65), new Uint8Array(32)]] },
      { batches: [] },
      { hashes: [1] },
      { entries: ['x'] }
    ]
    for (const type of types) {
      const raw = [
        new Uint8Array(),
        seededRandom(2).bytes(100),
        encodeRecord({ pool, type }),
        encodeRecord({ pool, type, body: encodeRecord({}), version: 2 }),
        encodeRecord({ pool, type: type.replace(/\d$/, '9'), body: encodeRecord({}) }),
        encodeRecord({ pool: new Uint8Array(31), type, body: encodeRecord({}) }),
        ...bodies.map((body) => encodeRecord({ pool, type, body: encodeRecord(body) }))
      ]
      for (const message of raw) {
        const answer = await say(b, message)
        assert.ok(answer.error !== undefined, `${type}: ${Buffer.from(message).toString('hex').slice(0, 80)}`)
        assert.match(answer.error.name, /^(MalformedRecordError|InvalidInputError)$/)
      }
      const elsewhere = await say(b, encodeRecord({ pool: new Uint8Array(32), type, body: encodeRecord({}) }))
      assert.equal(elsewhere.error?.name, 'ConflictError')
      const stranger = await say('stranger', encodeRecord({ pool, type, body: encodeRecord({}) }))
      const expected = forStrangers.has(type) ? undefined : 'UnauthorizedError'
      if (expected !== undefined) assert.equal(stranger.error?.name, expected)
      const nameless = await say(b, encodeRecord({ pool: null, type, body: encodeRecord({}) }))
      assert.equal(nameless.error?.name === 'ConflictError', !forStrangers.has(type))
    }
    const huge = await say(b, new Uint8Array(4 * 1024 * 1024 + 1))
    assert.equal(huge.error?.name, 'MalformedRecordError')
    assert.deepEqual(await a.commons.wanted.list(), before_)
    await b.commons.sync.syncWith(a.id)
  })

  test('a stranger may push a few entries, no more, and no bad ones', async () => {
    const pool = a.commons.roster.poolId
    const entries = a.commons.roster.entries(a.commons.roster.names.under('').map(fromHex))
    const push = (list: Uint8Array[]): Uint8Array =>
      encodeRecord({ pool, type: 'roster-push/1', body: encodeRecord({ entries: list }) })
    assert.equal((await say('stranger', push(entries))).error, undefined)
    const many = Array.from({ length: 17 }, () => entries[0] ?? assert.fail())
    assert.equal((await say('stranger', push(many))).error?.name, 'InvalidInputError')
    assert.equal((await say('stranger', push([new Uint8Array(10)]))).error?.name, 'MalformedRecordError')
  })

  test('lying answers are refused by the asker, who stays usable', async () => {
    const lies = [
      new Uint8Array(),
      seededRandom(3).bytes(64),
      encodeRecord({}),
      encodeRecord({ body: new Uint8Array(3) }),
      encodeRecord({ body: encodeRecord({ hashes: null, more: 1 }) }),
      encodeRecord({ error: { name: 'NoSuchError', message: 'x' } }),
      encodeRecord({ error: { name: 'x'.repeat(100), message: 'x' } })
    ]
    for (const lie of lies) {
      const liar = town.network.join('liar')
      liar.handle(async () => lie)
      await assert.rejects(b.commons.sync.syncWith('liar'), (err) => err instanceof OperatingError)
    }
    town.network.leave('liar')
    await b.commons.sync.syncWith(a.id)
  })

  test('announcements that are garbage or by strangers are ignored', async () => {
    const topic = headsTopic(a.commons.roster.poolId)
    const requests = town.network.requests
    await b.peer.announce(topic, seededRandom(4).bytes(50))
    await b.peer.announce(topic, new Uint8Array(100_000))
    await town.network
      .join('stranger')
      .announce(
        topic,
        encodeRecord({ heads: [[new Uint8Array(32), 9, new Uint8Array(32)]], roster: new Uint8Array(32) })
      )
    await town.clock.advance(0)
    assert.equal(town.network.requests, requests)
    await a.pin(3)
    await town.settle()
    assert.ok((await b.wanted()).includes(3))
  })
})

test('random damage at every door: only typed refusals, and memory stays bounded', {
  timeout: 60_000
}, () => {
  // A hundred thousand runs are in bad-input.slow.test.ts.
  damageAtRandom(doorsOf(a), 5000)
})
