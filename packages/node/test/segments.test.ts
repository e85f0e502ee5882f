// A file twice as large as its author's room, segment by segment onto a keeper's disk, over the real
// exchange.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NoSpaceError, silentLog, systemClock, TooLargeError } from '@commonhold/core'
import { ObjectFetcher } from '../src/fetch-object.ts'
import { HeldSegments } from '../src/held-segments.ts'
import { ingest } from '../src/ingest.ts'
import { Retrieval } from '../src/retrieve.ts'
import { type Segment, SegmentedIntake, ServedSegments } from '../src/segmented-intake.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { bytesOf, collect, openStorage, type Storage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MiB = 1024 * 1024
const policy = { decide: async () => ({ verdict: 'allow', reasons: [] }) as const }

function authorOf({ objects, blocks }: Storage, roomBytes: number) {
  const served = new ServedSegments()
  const server = serverOver(new MemoryObjects(), {
    blocks,
    objects: {
      has: async (root) => served.has(root) || (await objects.has(root)),
      contains: async () => false
    }
  })
  const put = (
    size: number,
    seed: number,
    sink: (segment: Segment) => Promise<void>,
    source: AsyncIterable<Uint8Array> = bytesOf(size, seed)
  ) => {
    const begin = async () => new SegmentedIntake({ objects, served, sink, roomBytes })
    return ingest(source, { policy, objects: { begin } }, { sizeMax: size })
  }
  return { server, put }
}

test('a file goes through a room of half its size, and is an object at its keeper', async () => {
  await using folder = await temporaryFolder()
  await using author = await openStorage(`${folder.path}/author`, { capacityBytes: 0, stageBytes: 16 * MiB })
  await using keeper = await openStorage(`${folder.path}/keeper`, { capacityBytes: 34 * MiB })
  const { server, put } = authorOf(author, 16 * MiB)
  const retrieval = new Retrieval({
    exchange: clientOf({ author: server }),
    clock: systemClock,
    log: silentLog
  })
  const room = 33 * MiB
  const held = await HeldSegments.open({ objects: keeper.objects, retrieval }, room)
  await assert.rejects(HeldSegments.open({ objects: keeper.objects, retrieval }, 2 * MiB), NoSpaceError)
  let most = 0
  let last: Segment | undefined
  const stored = await put(32 * MiB + 5, 1, async (segment) => {
    const { usedBytes, reservedBytes } = await author.objects.space()
    most = Math.max(most, usedBytes + reservedBytes)
    await assert.rejects(held.take(segment.root, 'author', { sizeMax: segment.size - 1 }), TooLargeError)
    await held.take(segment.root, 'author', { sizeMax: segment.size })
    assert.deepEqual(await collect(held.blocks(segment.root)), await collect(segment.blocks()))
    last = segment
  })
  assert.ok(most <= 16 * MiB, `${most} bytes`)
  assert.ok(last?.file?.equals(stored.root))
  assert.deepEqual(await author.blocks.usage(), { blocks: 0, bytes: 0 })
  const fetcher = new ObjectFetcher({
    objects: keeper.objects,
    retrieval,
    clock: systemClock,
    log: silentLog
  })
  await fetcher.fetch(stored.root, [], { sizeMax: 32 * MiB + 5, present: true })
  await held[Symbol.asyncDispose]()
  const whole = await collect(keeper.objects.read(stored.root))
  assert.equal(Buffer.compare(whole, await collect(bytesOf(32 * MiB + 5, 1))), 0)
  const { usedBytes, freeBytes, capacityBytes } = await keeper.objects.space()
  assert.ok(usedBytes < 32.1 * MiB, 'frames and salts went with the segments')
  assert.equal(freeBytes, capacityBytes - usedBytes)
})

test('what is handed on in vain leaves nothing, at either end', async () => {
  await using folder = await temporaryFolder()
  await using author = await openStorage(`${folder.path}/author`, { stageBytes: 16 * MiB })
  await using keeper = await openStorage(`${folder.path}/keeper`)
  const { server, put } = authorOf(author, 16 * MiB)
  const retrieval = new Retrieval({
    exchange: clientOf({ author: server }),
    clock: systemClock,
    log: silentLog
  })
  const held = await HeldSegments.open({ objects: keeper.objects, retrieval }, 33 * MiB)
  const failing = put(32 * MiB, 2, async (segment) => {
    if (segment.index === 3) throw new NoSpaceError('the keepers are full')
    await held.take(segment.root, 'author', { sizeMax: segment.size })
  })
  await assert.rejects(failing, NoSpaceError)
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield* bytesOf(9 * MiB, 3)
    throw new Error('the client went away')
  }
  await assert.rejects(
    put(32 * MiB, 3, (segment) => held.take(segment.root, 'author', { sizeMax: segment.size }), broken()),
    /went away/
  )
  await held[Symbol.asyncDispose]()
  for (const { blocks, objects } of [author, keeper]) {
    assert.deepEqual(await blocks.usage(), { blocks: 0, bytes: 0 })
    assert.equal((await objects.space()).reservedBytes, 0)
  }
})

test('two uploads of one file share no segment', async () => {
  await using folder = await temporaryFolder()
  await using author = await openStorage(`${folder.path}/author`, { stageBytes: 32 * MiB })
  const { put } = authorOf(author, 8 * MiB)
  const roots = new Set<string>()
  let count = 0
  const sink = async ({ root }: Segment): Promise<void> => {
    roots.add(root.toString())
    count++
  }
  await Promise.all([put(10 * MiB, 4, sink), put(10 * MiB, 4, sink)])
  assert.equal(roots.size, count)
})
