import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Clock,
  MalformedRecordError,
  NotFoundError,
  silentLog,
  systemClock,
  UnreachableError,
  VirtualClock
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Discovery } from '../src/discover.ts'
import { ExchangeServer } from '../src/exchange/server.ts'
import type { ByteRange } from '../src/object-dag.ts'
import { wholeObject } from '../src/object-walk.ts'
import { Retrieval, type RetrieveOptions } from '../src/retrieve.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { innerBlock, randomBytes, rawBlock, type SampleObject, sampleObject } from './sample-objects.ts'

type Servers = Parameters<typeof clientOf>[0]

function retrievalOver(servers: Servers, clock: Clock = systemClock, discovery?: Discovery): Retrieval {
  const exchange = clientOf(servers, clock)
  return new Retrieval({ exchange, clock, log: silentLog, ...(discovery === undefined ? {} : { discovery }) })
}

/** Bytes that must follow one another without gap or overlap, whatever happened to the sources. */
async function read(from: Retrieval, root: CID, options: RetrieveOptions, range: ByteRange = wholeObject) {
  const parts: Uint8Array[] = []
  let at = range.from
  for await (const { offset, bytes } of from.read(root, range, options)) {
    assert.equal(offset, at)
    at += bytes.length
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

function holding(object: SampleObject): MemoryObjects {
  const store = new MemoryObjects()
  store.add(object.root, object.blocks)
  return store
}

/** Serves honestly until the `count`-th block, then does `otherwise`. */
function serverUntil(
  object: SampleObject,
  count: number,
  otherwise: () => Promise<Uint8Array | undefined>
): ExchangeServer {
  const objects = holding(object)
  let served = 0
  return serverOver(objects, {
    blocks: { get: (cid) => (++served > count ? otherwise() : objects.get(cid)) }
  })
}

const never = (): Promise<Uint8Array> => new Promise(() => {})

test('a liar in the middle of an object is replaced and asked last from then on', async () => {
  const object = await sampleObject(20_000, 1, { leafBytes: 1000 })
  const lie = randomBytes(1000, 77)
  let lies = 0
  const liar = serverUntil(object, 9, async () => {
    lies += 1
    return lie
  })
  const retrieval = retrievalOver({ liar, honest: serverOver(holding(object)) })
  const hints = ['liar', 'honest']
  assert.ok((await read(retrieval, object.root, { hints })).equals(object.bytes))
  const liesBefore = lies
  assert.ok(liesBefore > 0)
  assert.ok((await read(retrieval, object.root, { hints })).equals(object.bytes))
  assert.equal(lies, liesBefore)
})

test('a source that stops sending is replaced within its budget, at the exact byte', async () => {
  const object = await sampleObject(20_000, 2, { leafBytes: 1000 })
  const clock = new VirtualClock()
  const retrieval = retrievalOver(
    { silent: serverUntil(object, 12, never), honest: serverOver(holding(object)) },
    clock
  )
  const reading = read(retrieval, object.root, { hints: ['silent', 'honest'] })
  let done = false
  const finished = reading.finally(() => {
    done = true
  })
  for (let ms = 0; !done; ms += 250) {
    assert.ok(ms < 60_000, 'the silent source was never replaced')
    await clock.advance(250)
  }
  assert.ok((await finished).equals(object.bytes))
})

test('absence is told from silence', async () => {
  const object = await sampleObject(100, 3)
  const without = (): ExchangeServer => serverOver(new MemoryObjects())
  const nowhere = retrievalOver({ a: without(), b: without() })
  await assert.rejects(read(nowhere, object.root, { hints: ['a', 'b'] }), NotFoundError)
  await assert.rejects(read(nowhere, object.root, { hints: ['a', 'gone'] }), UnreachableError)
  await assert.rejects(read(nowhere, object.root, { hints: [] }), NotFoundError)
  const hungUp = retrievalOver({ a: (stream) => stream.abort(new Error('no')) })
  await assert.rejects(read(hungUp, object.root, { hints: ['a'] }), UnreachableError)
})

test('holders that the DHT names are asked after the hinted ones', async () => {
  const object = await sampleObject(5000, 4, { leafBytes: 1000 })
  const asked: string[] = []
  const discovery: Discovery = {
    async *holders(root) {
      asked.push(root.toString())
      yield* ['empty', 'far']
    }
  }
  const servers = {
    empty: serverOver(new MemoryObjects()),
    far: serverOver(holding(object)),
    near: serverOver(holding(object))
  }
  const retrieval = retrievalOver(servers, systemClock, discovery)
  assert.ok((await read(retrieval, object.root, { hints: ['near'] })).equals(object.bytes))
  assert.deepEqual(asked, [])
  assert.ok((await read(retrieval, object.root, { hints: ['empty'] })).equals(object.bytes))
  assert.deepEqual(asked, [object.root.toString()])
  await assert.rejects(read(retrieval, object.root, { hints: ['empty'], hintsOnly: true }), NotFoundError)
})

test('the first leaf is handed on before the last is fetched', async () => {
  const object = await sampleObject(10_000, 5, { leafBytes: 1000 })
  // Blocks after the second come only when the test allows it.
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const objects = holding(object)
  let served = 0
  const gated = serverOver(objects, {
    blocks: {
      get: async (cid) => {
        if (++served > 2) await gate
        return await objects.get(cid)
      }
    }
  })
  const pieces = retrievalOver({ gated }).read(object.root, wholeObject, { hints: ['gated'] })
  const first = await pieces.next()
  assert.equal(first.done, false)
  open()
  let bytes = 1000
  for await (const piece of pieces) bytes += piece.bytes.length
  assert.equal(bytes, 10_000)
})

test('the size costs one block, and a small object does not travel twice', async () => {
  const small = await sampleObject(900, 6)
  const objects = holding(small)
  let served = 0
  const counting = serverOver(objects, { blocks: { get: (cid) => (served++, objects.get(cid)) } })
  const retrieval = retrievalOver({ counting })
  assert.deepEqual(await retrieval.stat(small.root, { hints: ['counting'] }), { size: 900, kind: 'file' })
  const range = { from: 100, to: 200 }
  assert.ok(
    (await read(retrieval, small.root, { hints: ['counting'] }, range)).equals(small.bytes.subarray(100, 200))
  )
  assert.equal(served, 1)
})

test('objects that are no files, or lie about their sizes, end in one error and not in work', async () => {
  const leaf = rawBlock(randomBytes(1000, 7))
  const liarSize = innerBlock([{ cid: leaf.cid, size: 500 }])
  const nothing = innerBlock([{ cid: leaf.cid, size: 0 }])
  // A few small blocks that would be 10^15 visits: the size stays, the links to nothing multiply.
  const one = rawBlock(Uint8Array.of(1))
  const empty = rawBlock(new Uint8Array(0))
  let bush = innerBlock(Array.from({ length: 1000 }, () => ({ cid: empty.cid, size: 0 })))
  const bushes = [one, empty, bush]
  for (let level = 0; level < 4; level++) {
    const again = Array.from({ length: 1000 }, () => ({ cid: bush.cid, size: 0 }))
    bush = innerBlock([{ cid: one.cid, size: 1 }, ...again])
    bushes.push(bush)
  }
  const huge = innerBlock([{ cid: leaf.cid, size: Number.MAX_SAFE_INTEGER }])
  const wide = innerBlock([{ cid: leaf.cid, size: 3 * 1024 * 1024 }])
  let deep = rawBlock(Uint8Array.of(1))
  const chain = [deep]
  for (let level = 0; level < 40; level++) {
    deep = innerBlock([{ cid: deep.cid, size: 1 }])
    chain.push(deep)
  }
  for (const [root, blocks] of [
    [liarSize.cid, [liarSize, leaf]],
    [nothing.cid, [nothing, leaf]],
    [bush.cid, bushes],
    [huge.cid, [huge, leaf]],
    [wide.cid, [wide, leaf]],
    [deep.cid, chain]
  ] as const) {
    const objects = new MemoryObjects()
    objects.add(root, blocks)
    // A server of ours refuses to walk it; a hostile one sends the blocks all the same.
    await assert.rejects(read(retrievalOver({ honest: serverOver(objects) }), root, { hints: ['honest'] }))
    const { ObjectWalk } = await import('../src/object-walk.ts')
    const walk = new ObjectWalk(root)
    assert.throws(() => {
      for (let step = walk.next; step !== undefined; step = walk.next) {
        walk.accept(blocks.find(({ cid }) => cid.equals(step?.cid))?.bytes ?? new Uint8Array(0))
      }
    }, MalformedRecordError)
  }
})
