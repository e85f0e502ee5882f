// Whole objects on disk: in, out, shared blocks, removal, damage, space, and what a restart makes of
// interrupted work.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  CorruptBlockError,
  DeniedError,
  MalformedRecordError,
  NoSpaceError,
  NotFoundError,
  rawCidOf,
  TooLargeError
} from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import { CID } from 'multiformats/cid'
import { nodeFileSystem } from '../src/file-system.ts'
import { ObjectIndex } from '../src/object-index.ts'
import type { WantedName } from '../src/objects.ts'
import { defaults } from '../src/options.ts'
import { blockOf, text } from './block-store-contract.ts'
import { bytesOf, collect, once, openStorage, type Storage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MiB = 1024 * 1024
const sizes = [0, 1, MiB, MiB + 1, 3 * MiB + 17]

for (const size of sizes) {
  test(`a file of ${size} bytes comes back whole, and in ranges`, async () => {
    await using folder = await temporaryFolder()
    await using storage = await openStorage(folder.path)
    const { objects } = storage
    const file = await collect(bytesOf(size, 1))
    const added = await storage.add(bytesOf(size, 1))
    assert.equal(added.size, size)
    assert.deepEqual(Buffer.from(added.digest), createHash('sha256').update(file).digest())
    assert.equal(await objects.has(added.root), true)
    assert.equal((await objects.byDigest(added.digest))?.root.toString(), added.root.toString())
    assert.equal(Buffer.compare(await collect(objects.read(added.root)), file), 0)
    for (const [from, to] of [
      [0, 1],
      [MiB - 1, MiB + 1],
      [size - 1, size + 10],
      [5, 5],
      [size, size + 1]
    ] as const) {
      const got = await collect(objects.read(added.root, { from: Math.max(0, from), to }))
      assert.equal(Buffer.compare(got, file.subarray(Math.max(0, from), Math.max(0, to))), 0, `${from}-${to}`)
    }
    if (size <= MiB) assert.equal(added.root.toString(), rawCidOf(added.digest).toString())
  })
}

test('the first bytes come before the last block is read', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root } = await storage.add(bytesOf(3 * MiB, 2))
  const leaves = await leavesOf(storage, root)
  await storage.blocks.delete(leaves.at(-1) ?? assert.fail())
  const reader = storage.objects.read(root)
  const first = await reader.next()
  assert.equal(first.done, false)
  assert.equal(first.value?.offset, 0)
  await reader.next()
  await assert.rejects(reader.next(), NotFoundError)
  assert.equal(await storage.objects.has(root), false)
})

test('two objects share blocks: removing one keeps the other whole', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const shared = await collect(bytesOf(MiB, 3))
  const a = await storage.add(once(Buffer.concat([shared, text('a')])))
  const b = await storage.add(once(Buffer.concat([shared, text('b')])))
  const leaf = await storage.add(once(shared))
  assert.equal((await storage.blocks.usage()).blocks, 5)
  assert.equal(await storage.objects.remove(a.root), true)
  assert.equal(await storage.objects.has(a.root), false)
  assert.equal((await collect(storage.objects.read(b.root))).length, MiB + 1)
  assert.equal(await storage.objects.remove(b.root), true)
  assert.equal(Buffer.compare(await collect(storage.objects.read(leaf.root)), shared), 0)
  assert.equal(await storage.objects.remove(leaf.root), true)
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
})

test('lists objects in byte order of the digest of their root', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  for (let i = 0; i < 600; i++) await addSmall(storage, `file ${i}`)
  const digests: string[] = []
  for await (const { root } of storage.objects.roots()) {
    digests.push(Buffer.from(root.multihash.digest).toString('hex'))
  }
  assert.equal(digests.length, 600)
  assert.deepEqual(digests, [...digests].sort())
})

test('rows added in the very moment another commit ends are not forgotten', { timeout: 20_000 }, async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const index = new ObjectIndex(storage.database)
  const add = (i: number): Promise<void> => {
    const { cid } = blockOf(text(`row ${i}`))
    return index.add({ root: cid, size: 1 }, 'repair', [cid.multihash.digest])
  }
  let last = Promise.resolve()
  for (let i = 0; i < 20; i++) last = last.then(() => add(i))
  await last
})

test('an object being read is not removed', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root } = await storage.add(bytesOf(2 * MiB, 4))
  const reader = storage.objects.read(root)
  await reader.next()
  assert.equal(await storage.objects.remove(root), false)
  await reader.return(undefined)
  assert.equal(await storage.objects.remove(root), true)
})

test('an object being brought in is not removed, and what a pin may stand on stays while it is held', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  let held: boolean | undefined
  const { root } = await storage.add(text('held'), {
    whileHeld: async (ingested) => {
      held = !(await storage.objects.remove(ingested.root))
    }
  })
  assert.equal(held, true)
  assert.equal(await storage.objects.has(root), true)
})

const failures = [
  ['a source that breaks', brokenAfter(3 * MiB), {}, /source broke/],
  ['a file above the limit', bytesOf(3 * MiB, 5), { bytesMax: 2 * MiB }, TooLargeError],
  ['a file longer than it was said to be', bytesOf(3 * MiB, 5), { sizeMax: 2 * MiB }, TooLargeError]
] as const
for (const [what, source, options, error] of failures) {
  test(`nothing is kept of ${what}`, async () => {
    await using folder = await temporaryFolder()
    await using storage = await openStorage(folder.path)
    const before = await storage.objects.space()
    await assert.rejects(storage.add(source, options), error)
    assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
    assert.ok((await storage.objects.space()).freeBytes > before.freeBytes - 64 * MiB)
  })
}

test('nothing is kept of an upload that is called off while its source says nothing', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const abort = new AbortController()
  const hanging = async function* (): AsyncGenerator<Uint8Array> {
    yield* bytesOf(2 * MiB, 6)
    abort.abort(new Error('called off'))
    await new Promise(() => {})
  }
  await assert.rejects(storage.add(hanging(), { signal: abort.signal }), /called off/)
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
})

test('nothing is kept of a denied file', async () => {
  await using folder = await temporaryFolder()
  const policy = { decide: async () => ({ verdict: 'deny', reasons: ['no'] }) as const }
  await using storage = await openStorage(folder.path, { policy })
  await assert.rejects(storage.add(text('denied')), DeniedError)
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
})

test('the capacity granted is never exceeded, by many at once either', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path, { capacityBytes: 5 * MiB })
  await assert.rejects(storage.add(bytesOf(6 * MiB, 7), { sizeMax: 6 * MiB }), NoSpaceError)
  const all = await Promise.allSettled([1, 2, 3, 4].map((seed) => storage.add(bytesOf(2 * MiB, seed))))
  const kept = all.filter((each) => each.status === 'fulfilled').length
  assert.ok(kept <= 2)
  for (const each of all) if (each.status === 'rejected') assert.equal(each.reason.name, 'NoSpaceError')
  assert.ok((await storage.blocks.usage()).bytes <= 5 * MiB)
  const { usedBytes, freeBytes, capacityBytes } = await storage.objects.space()
  assert.equal(freeBytes, capacityBytes - usedBytes, 'everything set aside was given back')
  const oneMore = storage.add(bytesOf(2 * MiB, 9))
  if (kept < 2) await oneMore
  else await assert.rejects(oneMore, NoSpaceError)
})

// Seen to fail with one bound for both purposes, and with nothing set aside before the first byte.
test('the stage is for uploads alone, and what is stored and set aside never passes it', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path, { capacityBytes: 2 * MiB, stageBytes: 4 * MiB })
  const { objects } = storage
  const rooms = async () => {
    const { freeBytes, uploads } = await objects.space()
    return [freeBytes, uploads.freeBytes]
  }
  assert.deepEqual(await rooms(), [2 * MiB, 6 * MiB])
  await assert.rejects(objects.begin({ origin: 'repair', sizeMax: 2 * MiB + 1 }), NoSpaceError)
  const copy = await objects.begin({ origin: 'repair', sizeMax: 2 * MiB })
  await assert.rejects(objects.begin({ origin: 'repair', sizeMax: 1 }), NoSpaceError)
  const begun = await Promise.allSettled(
    [1, 2, 3, 4, 5, 6].map(() => objects.begin({ origin: 'upload', sizeMax: MiB }))
  )
  const uploads = begun.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  assert.equal(uploads.length, 4)
  assert.deepEqual(await rooms(), [0, 0])
  for (const intake of [copy, ...uploads]) await intake[Symbol.asyncDispose]()
  assert.deepEqual(await rooms(), [2 * MiB, 6 * MiB])
  await storage.add(bytesOf(5 * MiB, 10), { sizeMax: 5 * MiB })
  const { usedBytes, capacityBytes } = await objects.space()
  assert.equal(capacityBytes, 2 * MiB)
  assert.deepEqual(await rooms(), [0, 6 * MiB - usedBytes], 'staged uploads leave copies no room')
})

// Seen to fail with the quota taken for what the disk has.
test('a disk that other programs filled is full, whatever the quota says', async () => {
  await using folder = await temporaryFolder()
  let onDisk = 40 * MiB
  const fileSystem = {
    ...nodeFileSystem,
    disk: async () => ({ freeBytes: onDisk + defaults.diskReserveBytes })
  }
  await using storage = await openStorage(folder.path, { fileSystem, capacityBytes: 100 * MiB })
  const { objects } = storage
  assert.equal((await objects.space()).capacityBytes, 40 * MiB)
  await using intake = await objects.begin({ origin: 'repair', sizeMax: 39 * MiB })
  const { freeBytes, reservedBytes } = await objects.space()
  assert.deepEqual([freeBytes, reservedBytes], [MiB, 39 * MiB])
  onDisk = 0
  assert.equal((await objects.space()).freeBytes, 0)
  await assert.rejects(objects.begin({ origin: 'repair', sizeMax: 1 }), NoSpaceError)
  void intake
})

// Seen to fail with what is stored read before the disk is asked.
test('what is stored while the disk is asked for its free space is not granted twice', async () => {
  await using folder = await temporaryFolder()
  let asked = (): void => {}
  let answer: Promise<void> = Promise.resolve()
  const disk = async () => {
    asked()
    await answer
    return { freeBytes: 2 ** 40 }
  }
  await using storage = await openStorage(folder.path, {
    fileSystem: { ...nodeFileSystem, disk },
    capacityBytes: 4 * MiB
  })
  const { objects } = storage
  await using first = await objects.begin({ origin: 'repair', sizeMax: 2 * MiB })
  // More than is known to be free: the disk is asked again.
  const gate = Promise.withResolvers<void>()
  const asking = new Promise<void>((resolve) => {
    asked = resolve
  })
  answer = gate.promise
  const second = objects.begin({ origin: 'repair', sizeMax: 3 * MiB })
  second.catch(() => {})
  await asking
  for (const seed of [1, 2]) {
    const bytes = await collect(bytesOf(MiB, seed))
    const block = blockOf(bytes)
    await first.put(block.cid, block.bytes)
  }
  gate.resolve()
  await assert.rejects(second, NoSpaceError)
})

test('a damaged block: the reader is told, its objects are gone, the next put heals them', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root } = await storage.add(bytesOf(2 * MiB, 8))
  const leaf = (await leavesOf(storage, root))[1] ?? assert.fail()
  await damage(folder.path, leaf)
  await assert.rejects(collect(storage.objects.read(root)), CorruptBlockError)
  assert.equal(await storage.objects.has(root), false)
  assert.equal(await storage.blocks.has(leaf), false)
  await storage.add(bytesOf(2 * MiB, 8))
  assert.equal((await collect(storage.objects.read(root))).length, 2 * MiB)
})

test('an intake takes no object whose blocks were not all brought', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root, size } = await storage.add(bytesOf(2 * MiB, 9))
  const rootBlock = (await storage.blocks.get(root)) ?? assert.fail()
  await storage.objects.remove(root)
  {
    await using intake = await storage.objects.begin({ origin: 'repair', root })
    await intake.put(root, rootBlock)
    await assert.rejects(intake.complete({ root, size }), MalformedRecordError)
  }
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
})

test('concurrent uploads of the same bytes, some broken off: whoever succeeded keeps all of it', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  for (let round = 0; round < 10; round++) {
    const size = MiB + round
    const all = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) =>
        storage.add(i % 2 === 0 ? bytesOf(size, 10) : brokenAfter(size, 10))
      )
    )
    const root = all.map((each) => (each.status === 'fulfilled' ? each.value.root : undefined)).find(Boolean)
    assert.ok(root)
    assert.equal((await collect(storage.objects.read(root))).length, size)
    await storage.objects.remove(root)
    assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
  }
})

test('upload and removal of the same object race: afterwards it is whole or wholly gone', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root } = await storage.add(bytesOf(MiB + 5, 11))
  for (let round = 0; round < 30; round++) {
    await Promise.all([
      storage.add(bytesOf(MiB + 5, 11)),
      storage.objects.remove(root),
      storage.objects.remove(root)
    ])
    if (await storage.objects.has(root)) {
      assert.equal((await collect(storage.objects.read(root))).length, MiB + 5)
    } else assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
  }
})

test('a lost index is built anew from blocks and wishes; what nobody wants goes', async () => {
  await using folder = await temporaryFolder()
  const wanted: WantedName[] = []
  {
    await using storage = await openStorage(folder.path)
    for (const size of sizes) {
      const { root, digest } = await storage.add(bytesOf(size, 12))
      wanted.push({ root, digest, origin: 'upload' })
    }
    await storage.add(bytesOf(2 * MiB, 13))
  }
  for (const name of await readdir(join(folder.path, 'data'))) {
    if (name.startsWith('index.db')) await rm(join(folder.path, 'data', name))
  }
  await using storage = await openStorage(folder.path)
  assert.equal(storage.fresh, true)
  const before = await storage.blocks.usage()
  const absent = blockOf(text('wanted and not here')).cid
  const { adopted, orphans } = await storage.objects.reconcile(
    listed([...wanted, { root: absent, origin: 'repair' }])
  )
  assert.equal(adopted, sizes.length)
  assert.equal(orphans, 3)
  assert.equal((await storage.blocks.usage()).blocks, before.blocks - 3)
  for (const [i, { root, digest }] of wanted.entries()) {
    assert.equal((await collect(storage.objects.read(root))).length, sizes[i])
    assert.equal((await storage.objects.byDigest(digest ?? assert.fail()))?.root.toString(), root.toString())
  }
  assert.equal(await storage.objects.has(absent), false)
})

test('an error while the wishes are read ends the sweep with nothing deleted', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const orphan = blockOf(text('of an attempt cut short'))
  await storage.blocks.put(orphan.cid, orphan.bytes)
  const broken = async function* (): AsyncGenerator<WantedName> {
    yield { root: orphan.cid.toV1(), origin: 'repair' }
    throw new Error('journal unreadable')
  }
  await assert.rejects(storage.objects.reconcile(broken()), /journal unreadable/)
  assert.equal(await storage.blocks.has(orphan.cid), true)
  assert.deepEqual(await storage.objects.reconcile(listed([])), { adopted: 0, orphans: 0, unfinished: 0 })
})

test('a sweep leaves alone what is being brought in', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await using intake = await storage.objects.begin({ origin: 'repair' })
  const block = blockOf(text('coming in'))
  await intake.put(block.cid, block.bytes)
  assert.deepEqual(await storage.objects.reconcile(listed([])), { adopted: 0, orphans: 0, unfinished: 0 })
  await intake.complete({ root: block.cid, size: block.bytes.length })
  assert.equal(await storage.objects.has(block.cid), true)
})

async function* listed<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function* brokenAfter(size: number, seed = 5): AsyncGenerator<Uint8Array> {
  yield* bytesOf(size, seed)
  throw new Error('source broke')
}

async function addSmall(storage: Storage, content: string): Promise<void> {
  const block = blockOf(text(content))
  await using intake = await storage.objects.begin({ origin: 'repair' })
  await intake.put(block.cid, block.bytes)
  await intake.complete({ root: block.cid, size: block.bytes.length })
}

async function leavesOf(storage: Storage, root: CID): Promise<CID[]> {
  const leaves: CID[] = []
  for await (const bytes of storage.objects.blocks(root)) {
    const { cid } = blockOf(bytes)
    if (Buffer.compare(cid.multihash.digest, root.multihash.digest) !== 0) leaves.push(cid)
  }
  return leaves
}

function damage(path: string, cid: CID): Promise<void> {
  const { dir, file } = new NextToLast().encode(cid)
  return writeFile(join(path, 'data', 'blocks', dir, file), 'damaged')
}
