// Objects on their way through: shared fetches, slow readers, cuts, cancellation, and the bound of the cache.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { UnreachableError, VirtualClock } from '@commonhold/core'
import fc from 'fast-check'
import { PieceCache } from '../src/cache.ts'
import { defaults } from '../src/options.ts'
import { Outbox } from '../src/outbox.ts'
import { type ObjectReader, PassThrough } from '../src/pass-through.ts'
import { Bridge } from './client.ts'
import { Gate, InMemoryPool, type StoredObject } from './in-memory-pool.ts'

const MiB = 1024 * 1024

function passThrough(pool: InMemoryPool, cacheBytesMax: number): PassThrough {
  return new PassThrough(pool, new VirtualClock(), { ...defaults, cacheBytesMax, flightLagBytesMax: 2 * MiB })
}

async function drain(reader: ObjectReader): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (let bytes = await reader.next(); bytes !== undefined; bytes = await reader.next()) parts.push(bytes)
  return Buffer.concat(parts)
}

describe('shared fetches', () => {
  // Seen to fail with every boarded flight called its own.
  it('a reader says whether it fetches, shares a fetch or reads the cache', async () => {
    const pool = new InMemoryPool()
    const { root } = pool.add(randomBytes(1000), { local: false })
    const gate = new Gate()
    pool.weather = (_key, _offset, options) => gate.pass(options)
    using through = passThrough(pool, MiB)
    using first = through.open(root, 1000, { from: 0, to: 1000 })
    using second = through.open(root, 1000, { from: 0, to: 1000 })
    const both = [first.next(), second.next()]
    gate.open()
    await Promise.all(both)
    using third = through.open(root, 1000, { from: 0, to: 1000 })
    await third.next()
    assert.deepEqual([first.source, second.source, third.source], ['fetch', 'shared fetch', 'cache'])
  })

  for (const cacheBytesMax of [0, 64 * MiB]) {
    it(`many readers of one object fetch each leaf once, cache ${cacheBytesMax}`, async () => {
      const pool = new InMemoryPool()
      const object = pool.add(randomBytes(8 * MiB + 5), { local: false })
      pool.weather = () => new Promise((resolve) => setImmediate(resolve))
      using through = passThrough(pool, cacheBytesMax)
      const readers = Array.from({ length: 10 }, () =>
        through.open(object.root, object.bytes.length, { from: 0, to: object.bytes.length })
      )
      const got = await Promise.all(readers.map(drain))
      for (const bytes of got) assert.ok(bytes.equals(object.bytes))
      assert.equal(pool.fetches.length, 9)
      assert.equal(pool.doubled.length, 0)
      assert.equal(through.flightCount, 0)
    })
  }

  it('a reader that stalls delays nobody, and still gets everything when it comes back', async () => {
    const pool = new InMemoryPool()
    const object = pool.add(randomBytes(12 * MiB), { local: false })
    using through = passThrough(pool, 0)
    const whole = { from: 0, to: object.bytes.length }
    const slow = through.open(object.root, object.bytes.length, whole)
    const fast = through.open(object.root, object.bytes.length, whole)
    const [first, second] = await Promise.all([slow.next(), fast.next()])
    // It finishes while the slow one holds still.
    assert.ok(Buffer.concat([second ?? new Uint8Array(0), await drain(fast)]).equals(object.bytes))
    assert.equal(pool.fetches.length, 12)
    assert.ok(Buffer.concat([first ?? new Uint8Array(0), await drain(slow)]).equals(object.bytes))
    // Put off after a lag of three leaves: what it missed is fetched again, by a flight of its own. Had the
    // window been kept for it instead, nothing would be, and the whole object would have been in memory.
    assert.ok(
      pool.fetches.length > 12 + 6 && pool.fetches.length <= 12 + 11,
      `${pool.fetches.length} fetches`
    )
    assert.equal(pool.doubled.length, 0)
  })

  it('a fetch ends where another has begun ahead of it, and joins one that has got further', async () => {
    // Seen to fail without `stopAt`, and without the bound of a new flight by those ahead of it.
    const pool = new InMemoryPool()
    const object = pool.add(randomBytes(8 * MiB), { local: false })
    const gates = new Map([
      [2 * MiB, new Gate()],
      [3 * MiB, new Gate()]
    ])
    pool.weather = (_key, offset, options) => gates.get(offset)?.pass(options)
    using through = passThrough(pool, 0)
    const open = (from: number): ObjectReader =>
      through.open(object.root, object.bytes.length, { from, to: object.bytes.length })
    const [behind, ahead, last] = [open(0), open(3 * MiB), open(MiB)]
    for (let i = 0; i < 2; i++) await behind.next()
    const reading = [behind, ahead].map(drain)
    await Promise.all([...gates.values()].map((gate) => gate.arrival))
    // `behind` waits for leaf 2 and `ahead` for leaf 3; `last` is between the start and both.
    reading.push(drain(last))
    gates.get(2 * MiB)?.open()
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    gates.get(3 * MiB)?.open()
    for (const [i, from] of [2 * MiB, 3 * MiB, MiB].entries()) {
      assert.ok((await reading[i])?.equals(object.bytes.subarray(from)))
    }
    assert.deepEqual(pool.doubled, [])
  })

  it('whoever leaves does not end the fetch of the others; the last one does', async () => {
    const pool = new InMemoryPool()
    const object = pool.add(randomBytes(4 * MiB), { local: false })
    const gate = new Gate()
    pool.weather = (_key, offset, options) => (offset >= 2 * MiB ? gate.pass(options) : undefined)
    using through = passThrough(pool, 0)
    const open = (): ObjectReader =>
      through.open(object.root, object.bytes.length, { from: 0, to: object.bytes.length })
    const [one, two] = [open(), open()]
    for (let i = 0; i < 2; i++) await Promise.all([one.next(), two.next()])
    const gone = new AbortController()
    const waitingOne = one.next({ signal: gone.signal })
    const waitingTwo = two.next()
    await gate.arrival
    gone.abort(new Error('client gone'))
    await assert.rejects(waitingOne, /client gone/)
    assert.equal(pool.cancelled, 0)
    gate.open()
    assert.equal((await waitingTwo)?.length, MiB)
    two[Symbol.dispose]()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(pool.cancelled, 1)
    assert.equal(through.flightCount, 0)
  })

  it('any readers at any ranges and paces get their bytes, and no leaf is being fetched twice at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          size: fc.integer({ min: 1, max: 9 * MiB }),
          cache: fc.constantFrom(0, MiB, 3 * MiB, 64 * MiB),
          readers: fc.array(
            fc.record({
              from: fc.double({ min: 0, max: 0.999, noNaN: true }),
              length: fc.double({ min: 0.01, max: 1, noNaN: true }),
              steps: fc.array(fc.nat(3), { maxLength: 12 })
            }),
            { minLength: 1, maxLength: 6 }
          ),
          order: fc.scheduler()
        }),
        async ({ size, cache, readers, order }) => {
          const pool = new InMemoryPool()
          pool.weather = () => order.schedule(Promise.resolve())
          const object = pool.add(bytesOf(size), { local: false })
          using through = passThrough(pool, cache)
          const reading = readers.map(async ({ from, length, steps }) => {
            const range = { from: Math.floor(from * size), to: size }
            range.to = Math.min(size, range.from + 1 + Math.floor(length * size))
            const reader = through.open(object.root, size, range)
            const parts: Uint8Array[] = []
            for (let i = 0; ; i++) {
              for (let wait = steps[i] ?? 0; wait > 0; wait--) await order.schedule(Promise.resolve())
              const bytes = await reader.next()
              if (bytes === undefined) break
              parts.push(bytes)
              assert.ok(through.cache.storedBytes + through.cache.reservedBytes <= cache)
            }
            assert.ok(Buffer.concat(parts).equals(object.bytes.subarray(range.from, range.to)))
          })
          await order.waitFor(Promise.all(reading))
          assert.deepEqual(pool.doubled, [])
          assert.equal(through.flightCount, 0)
          assert.equal(through.cache.reservedBytes, 0)
        }
      ),
      { numRuns: 150 }
    )
  })
})

describe('the cache', () => {
  it('never holds more than its cap, stored and reserved, and forgets by age', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        fc.array(
          fc.tuple(
            fc.constantFrom('reserve', 'keep', 'drop', 'get', 'forget'),
            fc.nat(20),
            fc.integer({ min: 1, max: 1500 })
          )
        ),
        (cap, steps) => {
          using cache = new PieceCache(new VirtualClock(), cap, 1000)
          const open: { length: number; keep(b: Uint8Array): void; drop(): void }[] = []
          for (const [what, index, length] of steps) {
            if (what === 'reserve') {
              const reservation = cache.reserve(`r${index % 3}`, index, length)
              assert.equal(
                reservation !== undefined,
                cap > 0 && open.reduce((sum, o) => sum + o.length, length) <= cap
              )
              if (reservation !== undefined)
                open.push({ length, keep: reservation.keep, drop: reservation.drop })
            } else if (what === 'keep' || what === 'drop') {
              const [one] = open.splice(index % Math.max(1, open.length), 1)
              if (what === 'keep') one?.keep(new Uint8Array(one.length))
              else one?.drop()
              one?.drop()
            } else if (what === 'get') cache.get(`r${index % 3}`, index)
            else cache.forget(`r${index % 3}`)
            assert.ok(cache.storedBytes + cache.reservedBytes <= cap)
            assert.equal(
              cache.reservedBytes,
              open.reduce((sum, o) => sum + o.length, 0)
            )
          }
        }
      ),
      { numRuns: 500 }
    )
  })

  it('drops what is too old, asked for or not', async () => {
    const clock = new VirtualClock()
    using cache = new PieceCache(clock, 1000, 60_000)
    cache.reserve('a', 0, 100)?.keep(new Uint8Array(100))
    await clock.advance(59_999)
    assert.equal(cache.get('a', 0)?.length, 100)
    await clock.advance(1)
    assert.equal(cache.get('a', 0), undefined)
    cache.reserve('a', 0, 100)?.keep(new Uint8Array(100))
    await clock.advance(60_000)
    cache.sweep()
    assert.equal(cache.storedBytes, 0)
  })
})

describe('the outbox', () => {
  it('makes responses wait, cuts only stalled ones, and only while somebody waits', async () => {
    let nowMs = 0
    const outbox = new Outbox(100, 1000, () => nowMs)
    const cuts: string[] = []
    const enter = (name: string) => {
      const place = outbox.enter(() => {
        cuts.push(name)
        place.close()
      })
      return place
    }
    const a = enter('a')
    const b = enter('b')
    assert.equal(a.take(60), undefined)
    nowMs = 5000
    outbox.cutStalled()
    assert.deepEqual(cuts, [], 'nobody waits')
    const waiting = b.take(60)
    assert.ok(waiting !== undefined)
    outbox.cutStalled()
    await waiting
    assert.deepEqual(cuts, ['a'])
    assert.equal(outbox.heldBytes, 60)
    b.close()
    assert.equal(outbox.heldBytes, 0)
    assert.equal(enter('c').take(1000), undefined, 'one piece always fits')
  })
})

describe('over HTTP', () => {
  it('sends the first bytes before the last were fetched, and cuts the connection when the rest fails', async () => {
    await using bridge = await Bridge.start({ cacheBytesMax: 0 })
    const object = bridge.pool.add(randomBytes(4 * MiB), { local: false })
    const gate = new Gate()
    bridge.pool.weather = async (_key, offset, options) => {
      if (offset < 2 * MiB) return
      await gate.pass(options)
      throw new UnreachableError('All sources are gone.')
    }
    const res = await response(bridge, object)
    assert.equal(res.statusCode, 200)
    const failed = once(res, 'error')
    let length = 0
    res.on('data', (part: Buffer) => {
      length += part.length
    })
    await gate.arrival
    gate.open()
    const [err] = await failed
    assert.equal(err.code, 'ECONNRESET')
    assert.ok(!res.complete && length <= 2 * MiB)
  })

  it('a client that goes stops the fetch', async () => {
    await using bridge = await Bridge.start({ cacheBytesMax: 0 })
    const object = bridge.pool.add(randomBytes(4 * MiB), { local: false })
    const gate = new Gate()
    const aborted = new Promise<void>((resolve) => {
      bridge.pool.weather = async (_key, offset, options) => {
        if (offset < 2 * MiB) return
        options?.signal?.addEventListener('abort', () => resolve(), { once: true })
        await gate.pass(options)
      }
    })
    const res = await response(bridge, object)
    res.on('error', () => {})
    res.resume()
    await gate.arrival
    res.destroy()
    await aborted
  })

  it('a client that reads nothing holds little, and is cut when others need the room', async () => {
    await using bridge = await Bridge.start({
      cacheBytesMax: 0,
      bodyBytesMax: 2 * MiB,
      pressureStallMsMax: 100
    })
    const object = bridge.pool.add(randomBytes(64 * MiB), { local: false })
    const stalled = await Promise.all(
      [response(bridge, object), response(bridge, object), response(bridge, object)].map(
        async (res) => await res
      )
    )
    for (const res of stalled) res.on('error', () => {})
    // Only what fits into kernel buffers and the outbox was fetched, of 192 MiB asked for.
    const answer = await bridge.ask(`/ipfs/${object.root}`)
    assert.equal(answer.cut, false)
    assert.ok(answer.body.equals(object.bytes))
    const most = 64 + stalled.length * 16
    assert.ok(bridge.pool.fetches.length <= most, `${bridge.pool.fetches.length} leaves fetched`)
    for (const res of stalled) res.destroy()
  })

  it('a takedown cuts what is under way', async () => {
    await using bridge = await Bridge.start({ cacheBytesMax: 0 })
    const object = bridge.pool.add(randomBytes(6 * MiB), { local: false })
    bridge.pool.weather = (_key, offset) => {
      if (offset === 3 * MiB) bridge.pool.deny(object)
    }
    const answer = await bridge.ask(`/ipfs/${object.root}`)
    assert.equal(answer.cut, true)
    assert.ok(answer.body.length <= 5 * MiB)
  })

  it('a hot object costs the pool nothing', async () => {
    await using bridge = await Bridge.start()
    const object = bridge.pool.add(randomBytes(100_000), { local: false })
    for (let i = 0; i < 5; i++)
      assert.ok((await bridge.ask(`/ipfs/${object.root}`)).body.equals(object.bytes))
    assert.equal(bridge.pool.fetches.length, 1)
    assert.equal(bridge.pool.stats, 1)
  })

  it('concurrent first readers share the look-up and the fetch', async () => {
    await using bridge = await Bridge.start({ cacheBytesMax: 0 })
    const object = bridge.pool.add(randomBytes(3 * MiB), { local: false })
    const gate = new Gate()
    bridge.pool.weather = (_key, _offset, options) => gate.pass(options)
    const answers = Promise.all([1, 2, 3, 4].map(() => bridge.ask(`/ipfs/${object.root}`)))
    await gate.arrival
    gate.open()
    for (const answer of await answers) assert.ok(answer.body.equals(object.bytes))
    assert.equal(bridge.pool.doubled.length, 0)
    assert.equal(bridge.pool.stats, 1)
  })

  it('a first reader fetches each leaf once, the type included, even without a cache', async () => {
    await using bridge = await Bridge.start({ cacheBytesMax: 0 })
    const object = bridge.pool.add(randomBytes(3 * MiB), { local: false })
    assert.ok((await bridge.ask(`/ipfs/${object.root}`)).body.equals(object.bytes))
    assert.equal(bridge.pool.fetches.length, 3)
  })
})

function response(bridge: Bridge, object: StoredObject): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port: bridge.port, path: `/ipfs/${object.root}`, agent: false }, resolve).on(
      'error',
      reject
    )
  })
}

function bytesOf(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += 4093) bytes[at] = (at * 31) & 0xff
  bytes[size - 1] = 7
  return bytes
}
