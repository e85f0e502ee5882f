// Objects that share blocks, against a model of twenty lines: whatever is added, broken off, fetched,
// damaged, sealed, erased, removed or lost with the index, every complete object is whole, no sealed one is
// shown, and no block is left over. Seen to fail with the blocks of sealed objects shown, and with a sealed object
// removed.
// Reachability by counting loses data in five operations; this finds it in one second.

import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { encode as encodeDagPb, prepare } from '@ipld/dag-pb'
import { NextToLast } from 'blockstore-fs/sharding'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { nodeFileSystem } from '../src/file-system.ts'
import type { WantedName } from '../src/objects.ts'
import { blockOf, text } from './block-store-contract.ts'
import { collect, openStorage, type Storage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

interface SmallObject {
  readonly root: CID
  readonly file: string
  /** Depth first, each once. */
  readonly blocks: readonly Block[]
}

/** A file of these leaves, of a few bytes each: the shape of large objects without their size. */
function objectOf(leaves: readonly string[]): SmallObject {
  const file = leaves.join('')
  const parts = leaves.map((each) => blockOf(text(each)))
  const only = parts[0]
  if (parts.length === 1 && only !== undefined) return { root: only.cid, file, blocks: [only] }
  const unixfs = new UnixFS({ type: 'file', blockSizes: leaves.map((each) => BigInt(each.length)) })
  const links = parts.map((each, i) => ({ Name: '', Tsize: leaves[i]?.length ?? 0, Hash: each.cid }))
  const bytes = encodeDagPb(prepare({ Data: unixfs.marshal(), Links: links }))
  const root = CID.createV1(0x70, blockOf(bytes).cid.multihash)
  const once = new Map(parts.map((each) => [each.cid.toString(), each]))
  return { root, file, blocks: [{ cid: root, bytes }, ...once.values()] }
}

const leaf = fc.constantFrom('a', 'bb', 'ccc', 'dddd', 'eeeee')
const object = fc.array(leaf, { minLength: 1, maxLength: 4 }).map(objectOf)

const pick = fc.option(fc.nat(100), { freq: 5 })

type Step =
  | {
      readonly kind: 'add' | 'break off' | 'remove' | 'damage'
      readonly object: SmallObject
    }
  | {
      readonly kind: 'seal' | 'unseal' | 'erase'
      readonly object: SmallObject
      /** Mostly one that is here instead. */
      readonly pick: number | null
    }
  | {
      readonly kind: 'at once'
      readonly objects: readonly SmallObject[]
      readonly removed: readonly SmallObject[]
    }
  | { readonly kind: 'restart' | 'lose the index' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: object.map((each) => ({ kind: 'add', object: each }) as const) },
  { weight: 2, arbitrary: object.map((each) => ({ kind: 'break off', object: each }) as const) },
  { weight: 4, arbitrary: object.map((each) => ({ kind: 'remove', object: each }) as const) },
  { weight: 2, arbitrary: object.map((each) => ({ kind: 'damage', object: each }) as const) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('seal' as const), object, pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unseal' as const), object, pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), object, pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('at once' as const),
      objects: fc.array(object, { minLength: 2, maxLength: 4 }),
      removed: fc.array(object, { maxLength: 3 })
    })
  },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'restart' } as const, { kind: 'lose the index' } as const) }
)

/** What must be there: by root, the objects added and not removed. */
type Model = Map<string, SmallObject>
/** Of these, by root, what nobody is shown. */
type Sealed = Set<string>

async function bring(storage: Storage, { root, file, blocks }: SmallObject, whole: boolean): Promise<void> {
  await using intake = await storage.objects.begin({ origin: 'repair', root })
  const brought = whole ? blocks : blocks.slice(0, -1)
  for (const block of brought) {
    if ((await intake.keep(block.cid)) === undefined) await intake.put(block.cid, block.bytes)
  }
  if (whole) await intake.complete({ root, size: file.length })
}

async function damage(path: string, storage: Storage, block: Block): Promise<boolean> {
  if (!(await storage.blocks.has(block.cid))) return false
  const { dir, file } = new NextToLast().encode(block.cid)
  await writeFile(join(path, 'data', 'blocks', dir, file), 'damaged, and of another length')
  return true
}

async function check(storage: Storage, model: Model, sealed: Sealed): Promise<void> {
  const roots: string[] = []
  for await (const { root } of storage.objects.roots()) roots.push(root.toString())
  const shown = [...model.values()].filter(({ root }) => !sealed.has(root.toString()))
  assert.deepEqual(roots.sort(), shown.map(({ root }) => root.toString()).sort())
  const hidden: string[] = []
  for await (const { root } of storage.objects.sealed()) hidden.push(root.toString())
  assert.deepEqual(hidden.sort(), [...sealed].sort())
  const open = new Set(shown.flatMap(({ blocks }) => blocks.map(({ cid }) => cid.toString())))
  const needed = new Set<string>()
  for (const { root, file, blocks } of model.values()) {
    if (sealed.has(root.toString()))
      await assert.rejects(collect(storage.objects.read(root)), { name: 'NotFoundError' })
    else assert.equal((await collect(storage.objects.read(root))).toString(), file)
    for (const block of blocks) {
      needed.add(blockOf(block.bytes).cid.toString())
      const given = await storage.objects.block(block.cid)
      assert.equal(given !== undefined, open.has(block.cid.toString()))
    }
  }
  const stored: string[] = []
  for await (const cid of storage.blocks.list()) stored.push(cid.toString())
  assert.deepEqual(stored.sort(), [...needed].sort())
}

function picked(
  step: { object: SmallObject; pick: number | null },
  from: readonly SmallObject[]
): SmallObject {
  return (step.pick === null ? undefined : from[step.pick % from.length]) ?? step.object
}

function hiddenOf(model: Model, sealed: Sealed): SmallObject[] {
  return [...model.values()].filter(({ root }) => sealed.has(root.toString()))
}

async function play(path: string, steps: readonly Step[]): Promise<void> {
  let storage = await openStorage(path)
  const model: Model = new Map()
  const sealed: Sealed = new Set()
  const wanted = async function* (): AsyncGenerator<WantedName> {
    for (const { root } of model.values()) yield { root, origin: 'repair' }
  }
  try {
    for (const now of steps) {
      if (now.kind === 'add') {
        await bring(storage, now.object, true)
        model.set(now.object.root.toString(), now.object)
      } else if (now.kind === 'break off') {
        await bring(storage, now.object, false)
      } else if (now.kind === 'remove') {
        assert.equal(await storage.objects.remove(now.object.root), true)
        if (!sealed.has(now.object.root.toString())) model.delete(now.object.root.toString())
      } else if (now.kind === 'seal') {
        const { root } = picked(now, [...model.values()])
        const name = root.toString()
        const hidden = await storage.objects.seal(root)
        assert.equal(hidden !== undefined, model.has(name) && !sealed.has(name))
        if (model.has(name)) sealed.add(name)
      } else if (now.kind === 'unseal') {
        const { root } = picked(now, hiddenOf(model, sealed))
        assert.equal((await storage.objects.unseal(root)) !== undefined, sealed.delete(root.toString()))
      } else if (now.kind === 'erase') {
        const { root } = picked(now, hiddenOf(model, sealed))
        const name = root.toString()
        assert.equal(await storage.objects.erase(root), sealed.has(name))
        if (sealed.delete(name)) model.delete(name)
      } else if (now.kind === 'damage') {
        const block = now.object.blocks.at(-1) ?? assert.fail()
        const shown = [...model.values()].some(
          (each) =>
            !sealed.has(each.root.toString()) && each.blocks.some((part) => part.cid.equals(block.cid))
        )
        // A block that only sealed objects are made of is read by nobody.
        if (shown && (await damage(path, storage, block))) {
          assert.equal(await storage.objects.block(block.cid), undefined)
          // Exactly the objects made of the block are gone; they come back by being brought in anew.
          const hit = [...model.values()].filter((each) =>
            each.blocks.some((part) => part.cid.equals(block.cid))
          )
          for (const each of hit) assert.equal(await storage.objects.has(each.root), false)
          for (const each of hit) await bring(storage, each, true)
        }
      } else if (now.kind === 'at once') {
        await Promise.all([
          ...now.objects.map((each, i) => bring(storage, each, i % 2 === 0)),
          ...now.removed.map((each) => storage.objects.remove(each.root))
        ])
        // Each may have come before or after: either is right, if it is one of the two and whole.
        for (const each of [...now.objects, ...now.removed]) {
          if (sealed.has(each.root.toString())) continue
          if (await storage.objects.has(each.root)) {
            const known =
              model.has(each.root.toString()) || now.objects.some((one) => one.root.equals(each.root))
            assert.ok(known)
            model.set(each.root.toString(), each)
          } else {
            const gone =
              !model.has(each.root.toString()) || now.removed.some((one) => one.root.equals(each.root))
            assert.ok(gone)
            model.delete(each.root.toString())
          }
        }
      } else {
        await storage[Symbol.asyncDispose]()
        if (now.kind === 'lose the index') {
          for (const name of await readdir(join(path, 'data'))) {
            if (name.startsWith('index.db')) await rm(join(path, 'data', name))
          }
          // Whoever knows of the denial seals it anew.
          sealed.clear()
        }
        storage = await openStorage(path)
        await storage.objects.reconcile(wanted())
      }
      await check(storage, model, sealed)
    }
  } finally {
    await storage[Symbol.asyncDispose]()
  }
}

test('whatever is done to objects that share blocks', { timeout: 120_000 }, async () => {
  const disk = (await nodeFileSystem.stat('/dev/shm')) === undefined ? tmpdir() : '/dev/shm'
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using folder = await temporaryFolder(disk)
      await play(folder.path, steps)
    }),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 60) }
  )
})
