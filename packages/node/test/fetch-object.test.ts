import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ConflictError,
  NoSpaceError,
  silentLog,
  systemClock,
  TooLargeError,
  UnreachableError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { blockKey } from '../src/block-store.ts'
import { openAccess } from '../src/exchange/server.ts'
import { ObjectFetcher } from '../src/fetch-object.ts'
import type { CompletedObject, IntakeOptions, ObjectIntake } from '../src/object-intake.ts'
import { Retrieval } from '../src/retrieve.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { sampleObject } from './sample-objects.ts'

/** Objects in memory with the intake's promise: complete, or as if it had never been. */
class MemoryIntakes {
  readonly kept = new Map<string, CompletedObject>()
  readonly blocks = new Map<string, Uint8Array>()
  begun = 0
  freeBytes = Number.POSITIVE_INFINITY

  async dropUnfinished(): Promise<void> {
    // It begins with an empty disk.
  }

  async get(root: CID) {
    const object = this.kept.get(blockKey(root))
    return object === undefined ? undefined : { ...object, origin: 'repair' as const }
  }

  async begin({ sizeMax = 0 }: IntakeOptions): Promise<ObjectIntake> {
    if (sizeMax > this.freeBytes) throw new NoSpaceError('full')
    this.begun += 1
    const put = new Map<string, Uint8Array>()
    let writing = 0
    let complete = false
    return {
      put: async (cid, bytes) => {
        writing += 1
        await new Promise((resolve) => setImmediate(resolve))
        put.set(blockKey(cid), bytes)
        writing -= 1
      },
      keep: async () => undefined,
      complete: async (result) => {
        assert.equal(writing, 0, 'complete means every block is durable')
        complete = true
        for (const [key, bytes] of put) this.blocks.set(key, bytes)
        this.kept.set(blockKey(result.root), result)
      },
      [Symbol.asyncDispose]: async () => {
        assert.equal(writing, 0, 'no write outlives its intake')
        if (!complete) put.clear()
      }
    }
  }
}

function fetcherOver(servers: Parameters<typeof clientOf>[0]) {
  const intakes = new MemoryIntakes()
  const retrieval = new Retrieval({ exchange: clientOf(servers), clock: systemClock, log: silentLog })
  return {
    intakes,
    fetcher: new ObjectFetcher({ objects: intakes, retrieval, clock: systemClock, log: silentLog })
  }
}

test('an object is fetched once for all who want it, whole and with its digest', async () => {
  const object = await sampleObject(50_000, 1, { leafBytes: 1000, links: 10 })
  const objects = new MemoryObjects()
  objects.add(object.root, object.blocks)
  const { intakes, fetcher } = fetcherOver({ a: serverOver(new MemoryObjects()), b: serverOver(objects) })
  const fetches = [1, 2, 3].map(() => fetcher.fetch(object.root, ['a', 'b']))
  for (const fetched of await Promise.all(fetches)) assert.equal(fetched.size, 50_000)
  assert.equal(intakes.begun, 1)
  assert.equal(intakes.blocks.size, new Set(object.blocks.map(({ cid }) => blockKey(cid))).size)
  const { hash } = await import('node:crypto')
  const digest = intakes.kept.get(blockKey(object.root))?.digest
  assert.deepEqual(Buffer.from(digest ?? []).toString('hex'), hash('sha256', object.bytes))
  await fetcher.fetch(object.root, [])
  assert.equal(intakes.begun, 1, 'what is here is not fetched')
})

test('nothing is kept of an object too large, refused or cut off', async () => {
  const object = await sampleObject(50_000, 2, { leafBytes: 1000, links: 10 })
  const objects = new MemoryObjects()
  objects.add(object.root, object.blocks)
  let served = 0
  const broken = serverOver(objects, {
    blocks: {
      get: async (cid) => {
        if (++served > 20) throw new Error('the disk is gone')
        return await objects.get(cid)
      }
    }
  })
  const satisfied = serverOver(objects, { access: { ...openAccess, enough: async () => true } })
  const { intakes, fetcher } = fetcherOver({ whole: serverOver(objects), broken, satisfied })
  await assert.rejects(fetcher.fetch(object.root, ['whole'], { sizeMax: 49_999 }), TooLargeError)
  await assert.rejects(fetcher.fetch(object.root, ['satisfied']), ConflictError)
  await assert.rejects(fetcher.fetch(object.root, ['broken']), UnreachableError)
  intakes.freeBytes = 10
  await assert.rejects(fetcher.fetch(object.root, ['whole'], { sizeMax: 50_000 }), NoSpaceError)
  assert.equal(intakes.kept.size, 0)
  assert.equal(intakes.blocks.size, 0)
})

test('who gives up leaves the fetch to those who still wait; the last one ends it', async () => {
  const object = await sampleObject(5000, 3, { leafBytes: 1000 })
  const objects = new MemoryObjects()
  objects.add(object.root, object.blocks)
  let open: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const gated = serverOver(objects, { blocks: { get: (cid) => gate.then(() => objects.get(cid)) } })
  const { intakes, fetcher } = fetcherOver({ gated })
  const impatient = new AbortController()
  const first = fetcher.fetch(object.root, ['gated'], { signal: impatient.signal })
  const second = fetcher.fetch(object.root, ['gated'])
  impatient.abort(new Error('enough'))
  await assert.rejects(first, /enough/)
  open()
  assert.equal((await second).size, 5000)
  assert.equal(intakes.begun, 1)
})
