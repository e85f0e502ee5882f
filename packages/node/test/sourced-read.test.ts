// Sources that are frozen, slow, overtaken or away, on a virtual clock: how long a reader waits, who is asked, and
// how much is asked twice. Each was seen to fail with its rule taken out: `#look` made to do nothing (a reader waits
// for the whole budget), `tryTake` made to say yes always, `held` blocks counted as a win, `inOrder` made the identity.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog, UnreachableError, VirtualClock } from '@commonhold/core'
import { streamPair } from '@libp2p/utils'
import type { CID } from 'multiformats/cid'
import { ExchangeClient } from '../src/exchange/client.ts'
import type { ExchangeServer } from '../src/exchange/server.ts'
import { wholeObject } from '../src/object-walk.ts'
import { defaults } from '../src/options.ts'
import { Retrieval, type RetrieveOptions } from '../src/retrieve.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { type SampleObject, sampleObject } from './sample-objects.ts'

const stepMs = 10
const longStepMs = 150

/** Moves the clock until the work is done; how long that took on it. */
async function timed<T>(
  clock: VirtualClock,
  work: Promise<T>,
  step = stepMs
): Promise<{ value: T; tookMs: number }> {
  const startMs = clock.monotonicMs()
  let done = false
  const finished = work.finally(() => {
    done = true
  })
  // Observed below; a failure meanwhile is no unhandled one.
  finished.catch(() => {})
  while (!done) {
    assert.ok(clock.monotonicMs() - startMs < 600_000, 'it never ends')
    await clock.advance(step)
    // What needs no time gets none.
    for (let i = 0; i < 25 && !done; i++) await clock.advance(0)
  }
  return { value: await finished, tookMs: clock.monotonicMs() - startMs }
}

async function read(from: Retrieval, root: CID, options: RetrieveOptions): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let at = 0
  for await (const { offset, bytes } of from.read(root, wholeObject, options)) {
    assert.equal(offset, at, 'file bytes follow one another without gap or overlap')
    at += bytes.length
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

interface Holder {
  readonly server: ExchangeServer
  /** Blocks it was asked for, by any reader. */
  reads: number
}

/** Holds these objects; `before` is awaited for each block it reads. */
function holder(
  objects: readonly SampleObject[],
  before: (read: number) => Promise<void> | void = () => {}
): Holder {
  const store = new MemoryObjects()
  for (const { root, blocks } of objects) store.add(root, blocks)
  const own: Holder = {
    reads: 0,
    server: serverOver(store, {
      blocks: {
        get: async (cid) => {
          own.reads += 1
          await before(own.reads)
          return await store.get(cid)
        }
      }
    })
  }
  return own
}

const never = (): Promise<void> => new Promise(() => {})

function retrievalOver(
  holders: Readonly<Record<string, Holder>>,
  clock: VirtualClock,
  connected?: (peer: string) => boolean
): Retrieval {
  const servers = Object.fromEntries(Object.entries(holders).map(([name, { server }]) => [name, server]))
  return new Retrieval({
    exchange: clientOf(servers, clock),
    clock,
    log: silentLog,
    ...(connected === undefined ? {} : { connected })
  })
}

/** Enough reads that the percentile of waits is known: next to nothing, in memory. */
async function warmUp(
  retrieval: Retrieval,
  clock: VirtualClock,
  object: SampleObject,
  hint: string
): Promise<void> {
  for (let i = 0; i < 40; i++) await timed(clock, read(retrieval, object.root, { hints: [hint] }))
}

test('frozen before its first byte: the reader has the other within the shortest time', async () => {
  const clock = new VirtualClock()
  const [object, other] = [await sampleObject(20_000, 1, { leafBytes: 1000 }), await sampleObject(10, 2)]
  const frozen = holder([object], never)
  const good = holder([object, other])
  const retrieval = retrievalOver({ frozen, good }, clock)
  const hints = ['frozen', 'good']
  const first = await timed(clock, read(retrieval, object.root, { hints }))
  assert.ok(first.value.equals(object.bytes))
  assert.ok(first.tookMs <= defaults.hedgeMsMax + 2 * stepMs, `${first.tookMs} ms while nothing was known`)
  await warmUp(retrieval, clock, other, 'good')
  const second = await timed(clock, read(retrieval, object.root, { hints }))
  assert.ok(second.value.equals(object.bytes))
  assert.ok(second.tookMs <= defaults.hedgeMsMin + 2 * stepMs, `${second.tookMs} ms`)
  assert.deepEqual(retrieval.counters, { switched: 2, hedges: 2, hedgesWon: 2 })
  // Overtaken twice: asked last, until its time is up.
  const third = await timed(clock, read(retrieval, object.root, { hints }))
  assert.ok(third.tookMs <= 2 * stepMs, `${third.tookMs} ms`)
  await clock.advance(defaults.slowSourceMs + 1)
  const later = await timed(clock, read(retrieval, object.root, { hints }))
  assert.ok(later.tookMs >= defaults.hedgeMsMin, 'the first of the hints is tried again')
})

test('a connection that takes the call and says nothing counts against the budget', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(5000, 3, { leafBytes: 1000 })
  const good = holder([object])
  const exchange = new ExchangeClient({
    clock,
    openStream: async (peer, protocol) => {
      if (peer === 'hung') return await new Promise(() => {})
      const [ours, theirs] = await streamPair({ protocol })
      good.server.accept('client', theirs)
      return ours
    }
  })
  const retrieval = new Retrieval({ exchange, clock, log: silentLog })
  const unhedged = await timed(clock, read(retrieval, object.root, { hints: ['hung', 'good'], hedge: false }))
  assert.ok(unhedged.value.equals(object.bytes))
  assert.ok(unhedged.tookMs <= defaults.sourceBudgetMs + 2 * stepMs, `${unhedged.tookMs} ms`)
  await assert.rejects(timed(clock, read(retrieval, object.root, { hints: ['hung'] })), UnreachableError)
})

test('frozen in mid-stream: the other goes on at the exact byte', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(50_000, 4, { leafBytes: 1000, links: 8 })
  for (const after of [1, 2, 7, 20, 55]) {
    const frozen = holder([object], (count) => (count > after ? never() : undefined))
    const good = holder([object])
    const retrieval = retrievalOver({ frozen, good }, clock)
    const { value, tookMs } = await timed(clock, read(retrieval, object.root, { hints: ['frozen', 'good'] }))
    assert.ok(value.equals(object.bytes), `frozen after ${after} blocks`)
    assert.ok(tookMs <= defaults.hedgeMsMax + 10 * stepMs, `${tookMs} ms, frozen after ${after} blocks`)
    assert.equal(retrieval.counters.hedgesWon, 1)
    // What comes twice: the inner blocks on the way, and the leaf it waited for.
    assert.ok(frozen.reads + good.reads <= object.blocks.length + 6, `${frozen.reads} + ${good.reads} blocks`)
  }
})

test('without a hedge, a source that stops is replaced within its budget', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(20_000, 5, { leafBytes: 1000 })
  const frozen = holder([object], (count) => (count > 9 ? never() : undefined))
  const retrieval = retrievalOver({ frozen, good: holder([object]) }, clock)
  const asked = { hints: ['frozen', 'good'], hedge: false }
  const { value, tookMs } = await timed(clock, read(retrieval, object.root, asked))
  assert.ok(value.equals(object.bytes))
  assert.ok(tookMs <= defaults.sourceBudgetMs * 1.1, `${tookMs} ms`)
  assert.deepEqual(retrieval.counters, { switched: 1, hedges: 0, hedgesWon: 0 })
})

test('a slow line that moves is no stall', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(8_000, 6, { leafBytes: 1000 })
  const slow = holder([object], () => clock.sleep(defaults.sourceBudgetMs * 0.9))
  const other = holder([object])
  const retrieval = retrievalOver({ slow, other }, clock)
  const { value } = await timed(
    clock,
    read(retrieval, object.root, { hints: ['slow', 'other'], hedge: false }),
    longStepMs
  )
  assert.ok(value.equals(object.bytes))
  assert.equal(other.reads, 0, 'nobody else was asked')
})

test('two lines equally slow: the read ends, in the time of one of them', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(10_000, 7, { leafBytes: 1000 })
  const slowMs = defaults.hedgeMsMax * 1.8
  const slow = (): Holder => holder([object], () => clock.sleep(slowMs))
  const retrieval = retrievalOver({ a: slow(), b: slow() }, clock)
  const { value, tookMs } = await timed(
    clock,
    read(retrieval, object.root, { hints: ['a', 'b'] }),
    longStepMs
  )
  assert.ok(value.equals(object.bytes))
  assert.ok(tookMs <= slowMs * (object.blocks.length + 1), `${tookMs} ms`)
})

test('a hedge that brings the way to the bytes and not the bytes wins nothing', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(5_000, 11, { leafBytes: 1000 })
  const slow = holder([object], (count) => clock.sleep(count === 1 ? 0 : defaults.hedgeMsMax * 1.4))
  const eager = holder([object], (count) => (count % 2 === 1 ? undefined : never()))
  const retrieval = retrievalOver({ slow, eager }, clock)
  const { value } = await timed(clock, read(retrieval, object.root, { hints: ['slow', 'eager'] }), longStepMs)
  assert.ok(value.equals(object.bytes))
  assert.ok(retrieval.counters.hedges > 0, 'there were hedges')
  assert.equal(retrieval.counters.switched, 0)
})

test('hedges are a small share, however slow everything is', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(80_000, 8, { leafBytes: 1000 })
  const slow = (): Holder => holder([object], () => clock.sleep(defaults.hedgeMsMax * 1.5))
  const [a, b] = [slow(), slow()]
  const retrieval = retrievalOver({ a, b }, clock)
  await timed(clock, read(retrieval, object.root, { hints: ['a', 'b'] }), longStepMs)
  const hedgesMax = defaults.hedgeBurst + defaults.hedgeShareMax * 2 * object.blocks.length
  assert.ok(retrieval.counters.hedges > 1, 'there were hedges')
  assert.ok(retrieval.counters.hedges <= hedgesMax, `${retrieval.counters.hedges} hedges`)
})

test('a reader that goes away ends what was asked of both', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(3 * 1024 * 1024, 9)
  const stuck = (): Holder => holder([object], (count) => (count > 1 ? never() : undefined))
  const [a, b] = [stuck(), stuck()]
  const retrieval = retrievalOver({ a, b }, clock)
  const gone = new AbortController()
  const reading = read(retrieval, object.root, { hints: ['a', 'b'], signal: gone.signal })
  reading.catch(() => {})
  await clock.advance(defaults.hedgeMsMax + 2 * stepMs)
  assert.equal(retrieval.counters.hedges, 1)
  assert.ok(a.server.heldBytes > 0 && b.server.heldBytes > 0, 'both are reading')
  gone.abort(new Error('the client went away'))
  await assert.rejects(reading, /went away/)
  await clock.advance(stepMs)
  assert.equal(a.server.requestCount + b.server.requestCount, 0)
})

test('holders known to be away are asked after the others', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(2000, 10, { leafBytes: 1000 })
  const [away, here] = [holder([object]), holder([object])]
  const retrieval = retrievalOver({ away, here }, clock, (peer) => peer !== 'away')
  await timed(clock, read(retrieval, object.root, { hints: ['away', 'here'] }))
  assert.equal(away.reads, 0)
  await timed(clock, read(retrieval, object.root, { hints: ['away'] }))
  assert.ok(away.reads > 0, 'it is all there is')
})

test('more readers at once than memory has windows for wait for one another', async () => {
  const clock = new VirtualClock()
  const objects = await Promise.all(Array.from({ length: 100 }, (_, i) => sampleObject(1000, 100 + i)))
  const names = Array.from({ length: 20 }, (_, i) => `holder ${i}`)
  const retrieval = retrievalOver(Object.fromEntries(names.map((name) => [name, holder(objects)])), clock)
  const all = Promise.all(
    objects.map(({ root }, i) => read(retrieval, root, { hints: [names[i % names.length] ?? ''] }))
  )
  const { value } = await timed(clock, all)
  for (const [i, bytes] of value.entries()) assert.ok(bytes.equals(objects[i]?.bytes ?? Buffer.alloc(0)))
})
