// A fetch asks only for what is not on this disk yet: after sources that broke off half-way, and for an
// object one block of which went bad. On a real disk, with sources in memory.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { CorruptBlockError, silentLog, systemClock, UnreachableError, VirtualClock } from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import type { CID } from 'multiformats/cid'
import { blockKey } from '../src/block-store.ts'
import { ObjectFetcher } from '../src/fetch-object.ts'
import { defaults } from '../src/options.ts'
import { Retrieval } from '../src/retrieve.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { collect, openStorage, type Storage } from './objects-under-test.ts'
import { type SampleObject, sampleObject } from './sample-objects.ts'
import { temporaryFolder } from './temporary-folder.ts'

const leafBytes = 10_000

/** Serves the object, remembers what it read, and loses its disk after `readsMax` blocks. */
class Source {
  readonly objects = new MemoryObjects()
  readonly read: string[] = []
  readsMax = Number.POSITIVE_INFINITY
  readonly server = serverOver(this.objects, {
    blocks: {
      get: async (cid: CID) => {
        if (this.read.length >= this.readsMax) throw new Error('the disk is gone')
        this.read.push(blockKey(cid))
        return await this.objects.get(cid)
      }
    }
  })

  constructor(object: SampleObject) {
    this.objects.add(object.root, object.blocks)
  }

  /** How many leaves were read since the last look. */
  leaves(object: SampleObject): number {
    const keys = new Set(object.blocks.filter(({ cid }) => cid.code === 0x55).map(({ cid }) => blockKey(cid)))
    return this.read.splice(0).filter((key) => keys.has(key)).length
  }
}

function fetcherOf(storage: Storage, source: Source, clock = new VirtualClock()): ObjectFetcher {
  const exchange = clientOf({ source: source.server })
  const retrieval = new Retrieval({ exchange, clock: systemClock, log: silentLog })
  return new ObjectFetcher({ objects: storage.objects, retrieval, clock, log: silentLog })
}

async function assertWhole(storage: Storage, { root, bytes }: SampleObject): Promise<void> {
  assert.equal(Buffer.compare(await collect(storage.objects.read(root)), bytes), 0)
  const { digest } = (await storage.objects.get(root)) ?? assert.fail('not here')
  assert.deepEqual(Buffer.from(digest ?? []), createHash('sha256').update(bytes).digest())
}

test('what came before all sources broke off is not fetched again, however often they do', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const object = await sampleObject(60 * leafBytes + 17, 1, { leafBytes, links: 8 })
  const source = new Source(object)
  await using fetcher = fetcherOf(storage, source)
  const sizeMax = object.bytes.length
  let leaves = 0
  for (const readsMax of [30, 40]) {
    source.readsMax = readsMax
    await assert.rejects(fetcher.fetch(object.root, ['source'], { sizeMax }), UnreachableError)
    assert.equal(await storage.objects.has(object.root), false)
    leaves += source.leaves(object)
  }
  source.readsMax = Number.POSITIVE_INFINITY
  await fetcher.fetch(object.root, ['source'], { sizeMax })
  leaves += source.leaves(object)
  // A leaf that was read and not yet sent when the disk went is read again.
  assert.ok(leaves <= 61 + 2 * 4, `${leaves} leaves were read for the 61 there are`)
  await assertWhole(storage, object)
  const { usedBytes, freeBytes, capacityBytes } = await storage.objects.space()
  assert.ok(freeBytes <= capacityBytes - usedBytes)
  assert.equal(await storage.objects.remove(object.root), true, 'nothing holds it any more')
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
})

test('an attempt nobody goes on with is undone: after its time, or by another bound', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path, { capacityBytes: 10_000_000 })
  const object = await sampleObject(60 * leafBytes, 2, { leafBytes, links: 8 })
  const source = new Source(object)
  const clock = new VirtualClock()
  const fetcher = fetcherOf(storage, source, clock)
  const breakOff = async (sizeMax: number): Promise<void> => {
    source.read.length = 0
    source.readsMax = 30
    await assert.rejects(fetcher.fetch(object.root, ['source'], { sizeMax }), UnreachableError)
    assert.ok((await storage.blocks.usage()).blocks > 10)
  }
  const assertUndone = async (): Promise<void> => {
    // It was this root that was held, so its removal waits for the end of the undoing.
    while (!(await storage.objects.remove(object.root))) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
    const { freeBytes, capacityBytes } = await storage.objects.space()
    assert.equal(freeBytes, capacityBytes)
  }
  await breakOff(1_000_000)
  await clock.advance(defaults.fetchResumeMs)
  await assertUndone()
  await breakOff(1_000_000)
  await assert.rejects(fetcher.fetch(object.root, ['nobody'], { sizeMax: 900_000 }), UnreachableError)
  await assertUndone()
  await fetcher[Symbol.asyncDispose]()
})

test('of a damaged object only the bad block is fetched', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const object = await sampleObject(60 * leafBytes, 3, { leafBytes, links: 8 })
  const source = new Source(object)
  await using fetcher = fetcherOf(storage, source)
  await fetcher.fetch(object.root, ['source'])
  source.read.length = 0
  const bad = object.blocks[30] ?? assert.fail()
  const { dir, file } = new NextToLast().encode(bad.cid)
  await writeFile(join(folder.path, 'data', 'blocks', dir, file), 'damaged')
  await assert.rejects(collect(storage.objects.read(object.root)), CorruptBlockError)
  await fetcher.fetch(object.root, ['source'])
  assert.equal(source.leaves(object), 1)
  await assertWhole(storage, object)
})

test('what a fetch had brought when the process ended is gone on with, and is no copy meanwhile', async () => {
  await using folder = await temporaryFolder()
  const object = await sampleObject(60 * leafBytes + 17, 4, { leafBytes, links: 8 })
  const source = new Source(object)
  const wanted = async function* () {
    yield { root: object.root, origin: 'repair' as const }
  }
  const endInMidFetch = async (how: 'killed' | 'stopped'): Promise<void> => {
    await using storage = await openStorage(folder.path)
    source.readsMax = source.read.length + 30
    const fetcher = fetcherOf(storage, source)
    await assert.rejects(fetcher.fetch(object.root, ['source']), UnreachableError)
    if (how === 'stopped') await fetcher[Symbol.asyncDispose]()
  }
  await endInMidFetch('killed')
  {
    await using storage = await openStorage(folder.path)
    const { adopted, unfinished } = await storage.objects.reconcile(wanted())
    assert.deepEqual({ adopted, unfinished }, { adopted: 0, unfinished: 1 })
    assert.equal(await storage.objects.has(object.root), false)
    for await (const _ of storage.objects.roots()) assert.fail('it is said to be here')
    source.readsMax = Number.POSITIVE_INFINITY
    const before = source.leaves(object)
    await using fetcher = fetcherOf(storage, source)
    await fetcher.fetch(object.root, ['source'])
    const after = source.leaves(object)
    assert.ok(before + after <= 61 + 4, `${before} and ${after} leaves were read for the 61 there are`)
    await assertWhole(storage, object)
    await storage.objects.dropUnfinished()
    await assertWhole(storage, object)
    assert.equal(await storage.objects.remove(object.root), true)
  }
  // Not for ever, and not at all when nobody wants it.
  await endInMidFetch('stopped')
  {
    await using storage = await openStorage(folder.path)
    await storage.objects.reconcile(wanted())
    assert.ok((await storage.blocks.usage()).blocks > 10)
    const clock = new VirtualClock()
    await using fetcher = fetcherOf(storage, source, clock)
    fetcher.start()
    await clock.advance(defaults.fetchResumeMs)
    while ((await storage.blocks.usage()).blocks > 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await endInMidFetch('killed')
  {
    await using storage = await openStorage(folder.path)
    await storage.objects.reconcile((async function* () {})())
    assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
  }
})
