import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CorruptBlockError, DeniedError, NotFoundError } from '@commonhold/core'
import fc from 'fast-check'
import type { ExchangeClient } from '../src/exchange/client.ts'
import { openAccess } from '../src/exchange/server.ts'
import type { ByteRange } from '../src/object-dag.ts'
import { wholeObject } from '../src/object-walk.ts'
import { clientOf, MemoryObjects, serverOver } from './exchange-loopback.ts'
import { randomBytes, rawBlock, type SampleObject, sampleObject } from './sample-objects.ts'

async function readAll(
  client: ExchangeClient,
  object: SampleObject,
  range: ByteRange = wholeObject
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let at: number | undefined
  for await (const { piece } of client.blocks('server', object.root, range)) {
    if (piece === undefined) continue
    assert.equal(piece.offset, at ?? range.from, 'pieces follow one another without gap or overlap')
    at = piece.offset + piece.bytes.length
    parts.push(piece.bytes)
  }
  return Buffer.concat(parts)
}

function holding(...objects: SampleObject[]): MemoryObjects {
  const store = new MemoryObjects()
  for (const { root, blocks } of objects) store.add(root, blocks)
  return store
}

test('every range of objects of every shape arrives as it was', async () => {
  const shapes = [
    await sampleObject(0, 1),
    await sampleObject(1, 2),
    await sampleObject(1000, 3, { leafBytes: 1000 }),
    await sampleObject(100_000, 4, { leafBytes: 1000, links: 3 }),
    await sampleObject(100_000, 5, { leafBytes: 997, links: 7, wrappedLeaves: true })
  ]
  await using server = serverOver(holding(...shapes))
  await using client = clientOf({ server })
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...shapes), fc.nat(110_000), fc.nat(110_000), async (object, a, b) => {
      const range = { from: Math.min(a, b), to: Math.max(a, b) }
      const got = await readAll(client, object, range)
      assert.ok(got.equals(object.bytes.subarray(range.from, range.to)))
    }),
    { numRuns: 200 }
  )
  for (const object of shapes) assert.ok((await readAll(client, object)).equals(object.bytes))
})

test('an object larger than the window arrives whole, with blocks of the largest size', async () => {
  const object = await sampleObject(11 * 1024 * 1024 + 17, 6, { leafBytes: 2 * 1024 * 1024 })
  await using server = serverOver(holding(object))
  await using client = clientOf({ server })
  assert.ok((await readAll(client, object)).equals(object.bytes))
  assert.equal(server.heldBytes, 0)
})

test('what is not here, not allowed or not public is refused with its own reason', async () => {
  const [denied, secret, free] = [
    await sampleObject(10, 7),
    await sampleObject(10, 8),
    await sampleObject(10, 9)
  ]
  const objects = holding(denied, secret, free)
  await using server = serverOver(objects, {
    policy: {
      decide: async ({ root }) =>
        root?.equals(denied.root) === true
          ? { verdict: 'deny', reasons: ['x'] }
          : { verdict: 'allow', reasons: [] }
    },
    access: { ...openAccess, mayServe: async (root) => !root.equals(secret.root) }
  })
  await using client = clientOf({ server })
  await assert.rejects(readAll(client, denied), DeniedError)
  await assert.rejects(readAll(client, secret), NotFoundError)
  await assert.rejects(readAll(client, await sampleObject(10, 10)), NotFoundError)
  assert.ok((await readAll(client, free)).equals(free.bytes))
  assert.deepEqual(await client.have('server', [denied.root, secret.root, free.root]), [false, false, true])
})

test('an inner block is no way around the doors of its object', async () => {
  const object = await sampleObject(5000, 11, { leafBytes: 1000 })
  await using server = serverOver(holding(object))
  await using client = clientOf({ server })
  const leaf = object.blocks[0]
  assert.ok(leaf !== undefined)
  await assert.rejects(readAll(client, { ...object, root: leaf.cid }), NotFoundError)
})

test('a peer that sends other bytes is found out at the first wrong block', async () => {
  const object = await sampleObject(5000, 12, { leafBytes: 1000 })
  const objects = holding(object)
  const lie = rawBlock(randomBytes(1000, 99))
  // The store lies after its own check: what a hostile server does.
  let served = 0
  await using server = serverOver(objects, {
    blocks: { get: async (cid) => (++served === 4 ? lie.bytes : objects.get(cid)) }
  })
  await using client = clientOf({ server })
  let got = 0
  await assert.rejects(async () => {
    for await (const { piece } of client.blocks('server', object.root, wholeObject))
      got += piece?.bytes.length ?? 0
  }, CorruptBlockError)
  assert.equal(got, 2000, 'nothing after the last good block was handed on')
})

test('a slow reader stops only its own request and holds no more than its window', async () => {
  const film = await sampleObject(24 * 1024 * 1024, 13)
  const picture = await sampleObject(20_000, 14)
  await using server = serverOver(holding(film, picture))
  await using client = clientOf({ server })
  const reader = client.blocks('server', film.root, wholeObject)[Symbol.asyncIterator]()
  await reader.next()
  for (let i = 0; i < 50; i++) assert.ok((await readAll(client, picture)).equals(picture.bytes))
  assert.ok(server.heldBytes <= 3 * 1024 * 1024, `the server holds ${server.heldBytes} bytes`)
  await reader.return?.(undefined)
  assert.ok((await readAll(client, picture)).equals(picture.bytes))
  assert.equal(server.heldBytes, 0, 'a cancelled request gives back what it held')
})
