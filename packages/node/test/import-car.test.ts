// What others have built comes in whole or not at all, and goes from node to node like a file. Seen to fail with links of
// dag-cbor not read (the document is complete without its parts), with bad archives keeping what came before the fault
// (blocks left behind), with the rest of a folder asked for from its beginning (bytes come twice), and with `contains` not
// asked (a block of another object is served).

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import {
  allowEverything,
  type ContentPolicy,
  CorruptBlockError,
  DeniedError,
  InvalidInputError,
  MalformedRecordError,
  NotAFileError,
  NotFoundError,
  silentLog,
  systemClock,
  UnreachableError
} from '@commonhold/core'
import { CarWriter } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import type { Exchange } from '../src/exchange/client.ts'
import { ObjectFetcher } from '../src/fetch-object.ts'
import { importCar } from '../src/import-car.ts'
import { ObjectWalk, rootOnly, wholeObject } from '../src/object-walk.ts'
import { defaults } from '../src/options.ts'
import { Retrieval } from '../src/retrieve.ts'
import { clientOf, serverOver } from './exchange-loopback.ts'
import { collect, openStorage, type Storage } from './objects-under-test.ts'
import { type Block, carOf, cborBlock, type SampleDag, sampleFolder, secondVersionOf } from './sample-dags.ts'
import { rawBlock, sampleObject } from './sample-objects.ts'

/** In pieces of a size that falls into the middle of everything. */
async function* cut(bytes: Uint8Array, pieceBytes = 777): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

describe('a CAR', () => {
  let folder: string
  let count = 0
  const open: Storage[] = []
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'commonhold-import-'))
  })
  after(async () => {
    for (const storage of open) await storage[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })
  const storage = async (): Promise<Storage> => {
    const opened = await openStorage(join(folder, String(count++)))
    open.push(opened)
    return opened
  }
  const importInto = (to: Storage, car: Uint8Array, policy: ContentPolicy = allowEverything) =>
    importCar(cut(car), { objects: to.objects, policy })

  const files = {
    'a.txt': Buffer.from('first'),
    'deep/er/film.bin': randomBytes(25_000),
    'deep/er/empty': Buffer.alloc(0),
    'deep/twice.bin': Buffer.from('the same'),
    'twice.bin': Buffer.from('the same')
  }
  const shapes: Record<string, () => Promise<SampleDag>> = {
    'a folder': () => sampleFolder(files),
    'a folder with leaves of dag-pb': () => sampleFolder(files, { rawLeaves: false }),
    'a sharded folder': () =>
      sampleFolder(
        Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`${i}.txt`, Buffer.from(`file ${i}`)])),
        { sharded: true }
      ),
    'a document': async () => {
      const inside = await sampleFolder(files)
      const leaf = rawBlock(Buffer.from('a picture'))
      const document = cborBlock({
        title: 'x',
        pictures: [leaf.cid, inside.root],
        10: { a: leaf.cid },
        9: null
      })
      return { root: document.cid, blocks: [document, leaf, ...inside.blocks], cids: inside.cids }
    },
    'one file': async () => {
      const { root, blocks } = await sampleObject(30_000, 3, { leafBytes: 1000, links: 5 })
      return { root, blocks, cids: new Map() }
    }
  }

  for (const [what, make] of Object.entries(shapes)) {
    it(`of ${what} becomes an object, which another node fetches, reads and gives on`, async () => {
      const { root, blocks } = await make()
      const first = await storage()
      const [imported] = await importInto(first, carOf([root], blocks))
      assert.ok(imported !== undefined && imported.root.equals(root))
      assert.equal(await first.objects.has(root), true)
      const all = await collect(first.objects.blocks(root))
      if (imported.kind === 'dag') assert.equal(imported.size, all.length)

      const second = await storage()
      const retrieval = new Retrieval({
        exchange: clientOf({ first: serverOver(first.objects) }),
        clock: systemClock,
        log: silentLog
      })
      await using fetcher = new ObjectFetcher({
        objects: second.objects,
        retrieval,
        clock: systemClock,
        log: silentLog
      })
      const fetched = await fetcher.fetch(root, ['first'], { sizeMax: imported.size })
      assert.equal(fetched.size, imported.size)
      assert.deepEqual(await collect(second.objects.blocks(root)), all)
      assert.deepEqual((await second.objects.get(root))?.digest, imported.digest)

      // What nobody needs any more goes, all of it.
      assert.equal(await second.objects.remove(root), true)
      assert.equal((await second.blocks.usage()).blocks, 0)
    })
  }

  it('of version 2, and one written by others, are read as well', async () => {
    const { root, blocks } = await sampleFolder(files)
    const second = await importInto(await storage(), secondVersionOf(carOf([root], blocks)))
    assert.equal(second.length, 1)
    const { writer, out } = CarWriter.create([root])
    const written = collect(out)
    for (const block of blocks) await writer.put(block)
    await writer.close()
    assert.equal((await importInto(await storage(), await written)).length, 1)
  })

  it('with several roots becomes as many objects, and blocks of none go', async () => {
    const folders = [await sampleFolder(files), await sampleFolder({ 'b.txt': Buffer.from('b') })]
    const stray = rawBlock(Buffer.from('nobody links here'))
    const to = await storage()
    const roots = folders.map(({ root }) => root)
    const imported = await importInto(
      to,
      carOf([...roots, ...roots], [...folders.flatMap(({ blocks }) => blocks), stray])
    )
    assert.deepEqual(
      imported.map(({ root }) => root.toString()),
      roots.map(String)
    )
    assert.equal(await to.blocks.has(stray.cid), false)
  })

  it('may leave out what is here already', async () => {
    const { root, blocks, cids } = await sampleFolder(files)
    const to = await storage()
    const film = cids.get('deep/er/film.bin')
    assert.ok(film !== undefined)
    await importInto(to, carOf([film], blocks))
    const left = blocks.filter(({ cid }) => cid.toString() !== film.toString())
    await importInto(to, carOf([root], left))
    assert.equal(await to.objects.has(root), true)
  })

  describe('that is bad leaves nothing behind:', () => {
    const bad: Record<string, { error: Function; says: RegExp; make(): Promise<Uint8Array> }> = {
      'no CAR at all': {
        error: InvalidInputError,
        says: /no CAR/,
        make: async () => Buffer.from('\x89PNG and so on')
      },
      nothing: { error: InvalidInputError, says: /no CAR/, make: async () => new Uint8Array(0) },
      'no root': {
        error: InvalidInputError,
        says: /names no root/,
        make: async () => carOf([], [rawBlock(Buffer.from('x'))])
      },
      'a version to come': {
        error: MalformedRecordError,
        says: /version 3/,
        make: async () => Buffer.concat([Buffer.from('0aa16776657273696f6e03', 'hex'), Buffer.alloc(100)])
      },
      'a block that is missing': {
        error: MalformedRecordError,
        says: /lacks block/,
        make: async () => {
          const { root, blocks } = await sampleFolder(files)
          return carOf([root], blocks.slice(1))
        }
      },
      'a block that is not what its name says': {
        error: CorruptBlockError,
        says: /do not match its hash/,
        make: async () => {
          const { root, blocks } = await sampleFolder(files)
          const [last = blocks[0], ...others] = blocks.toReversed()
          return carOf([root], [...others, { ...(last as Block), bytes: Buffer.from('something else') }])
        }
      },
      'an end in the middle of a block': {
        error: MalformedRecordError,
        says: /ends in the middle of the block at byte/,
        make: async () => {
          const { root, blocks } = await sampleFolder(files)
          return carOf([root], blocks).subarray(0, -3)
        }
      },
      'a length beyond any block': {
        error: MalformedRecordError,
        says: /a block of \d+ bytes at byte/,
        make: async () => {
          const { root, blocks } = await sampleFolder(files)
          return Buffer.concat([carOf([root], blocks), Buffer.from('ffffffffff0f', 'hex')])
        }
      },
      'a codec nobody here knows': {
        error: MalformedRecordError,
        says: /codec 0x129/,
        make: async () => {
          const block = rawBlock(Buffer.from('{}'))
          const { CID } = await import('multiformats/cid')
          const cid = CID.createV1(0x129, block.cid.multihash)
          return carOf([cid], [{ cid, bytes: block.bytes }])
        }
      },
      'a document that is none': {
        error: MalformedRecordError,
        says: /is not dag-cbor/,
        make: async () => {
          const block = rawBlock(Buffer.from('not cbor'))
          const { CID } = await import('multiformats/cid')
          const cid = CID.createV1(0x71, block.cid.multihash)
          return carOf([cid], [{ cid, bytes: block.bytes }])
        }
      },
      'links that multiply': {
        error: InvalidInputError,
        says: /over and over/,
        make: async () => {
          const blocks = [rawBlock(Buffer.from('bomb'))]
          for (let i = 0; i < 40; i++) blocks.push(cborBlock([blocks[i]?.cid, blocks[i]?.cid]))
          return carOf([blocks.at(-1)?.cid as CID], blocks)
        }
      },
      'a chain without end in sight': {
        error: MalformedRecordError,
        says: /more than 256 levels/,
        make: async () => {
          const blocks = [rawBlock(Buffer.from('last'))]
          for (let i = 0; i < defaults.dagLevelsMax + 1; i++) blocks.push(cborBlock([blocks[i]?.cid]))
          return carOf([blocks.at(-1)?.cid as CID], blocks)
        }
      }
    }
    for (const [what, { error, says, make }] of Object.entries(bad)) {
      it(what, async () => {
        const to = await storage()
        const before = await to.add(Buffer.from('what was here'))
        await assert.rejects(importInto(to, await make()), (err: Error) => {
          assert.ok(err instanceof error, `${err.name}: ${err.message}`)
          assert.match(err.message, says)
          return true
        })
        assert.equal((await to.blocks.usage()).blocks, 1)
        assert.equal(await to.objects.has(before.root), true)
      })
    }

    it('a denied picture in a folder', async () => {
      const { root, blocks, cids } = await sampleFolder(files)
      const denied = cids.get('a.txt')
      const to = await storage()
      const policy: ContentPolicy = {
        decide: async (subject) =>
          subject.root?.equals(denied) === true
            ? { verdict: 'deny', reasons: ['on a list'] }
            : { verdict: 'allow', reasons: [] }
      }
      await assert.rejects(importInto(to, carOf([root], blocks), policy), DeniedError)
      assert.equal((await to.blocks.usage()).blocks, 0)
    })
  })

  describe('once it is an object', () => {
    let holder: Storage
    let dag: SampleDag
    let order: string[]
    const cidAt = (path: string): CID => dag.cids.get(path) as CID
    before(async () => {
      holder = await storage()
      dag = await sampleFolder(files)
      await importInto(holder, carOf([dag.root], dag.blocks))
      await holder.add(Buffer.from('another object'))
      order = []
      for await (const { cid } of holder.objects.named(dag.root, wholeObject)) order.push(cid.toString())
    })
    const retrievalFrom = (exchange: Exchange): Retrieval =>
      new Retrieval({ exchange, clock: systemClock, log: silentLog })

    it('is not a file, and a file in it is', async () => {
      const exchange = clientOf({ holder: serverOver(holder.objects) })
      const hints = ['holder']
      const retrieval = retrievalFrom(exchange)
      await assert.rejects(collect(holder.objects.read(dag.root)), NotAFileError)
      await assert.rejects(collect(retrieval.read(dag.root, wholeObject, { hints })), NotAFileError)
      await assert.rejects(collect(retrieval.read(dag.root, { from: 5, to: 9 }, { hints })), NotAFileError)
      const within = dag.root
      const film = cidAt('deep/er/film.bin')
      const range = { from: 2_500, to: 9_999 }
      assert.deepEqual(
        await collect(retrieval.read(film, range, { hints, within })),
        files['deep/er/film.bin'].subarray(range.from, range.to)
      )
      assert.deepEqual(
        await collect(holder.objects.read(film, range, { within })),
        files['deep/er/film.bin'].subarray(range.from, range.to)
      )
    })

    it('gives its parts to who names it, and nothing of other objects', async () => {
      const exchange = clientOf({ holder: serverOver(holder.objects) })
      const other = rawBlock(Buffer.from('another object')).cid
      const ask = (root: CID, within?: CID) =>
        collect(exchange.blocks('holder', root, rootOnly, within === undefined ? {} : { within }))
      assert.equal((await ask(cidAt('deep/er'), dag.root)).length > 0, true)
      await assert.rejects(ask(other, dag.root), NotFoundError)
      await assert.rejects(ask(cidAt('deep/er')), NotFoundError, 'a part alone is no object')
    })

    it('does not give a denied part of an allowed folder', async () => {
      const denied = cidAt('twice.bin')
      const policy: ContentPolicy = {
        decide: async ({ root }) =>
          root?.equals(denied) === true
            ? { verdict: 'deny', reasons: ['on a list'] }
            : { verdict: 'allow', reasons: [] }
      }
      const exchange = clientOf({ holder: serverOver(holder.objects, { policy }) })
      await assert.rejects(
        collect(exchange.blocks('holder', denied, rootOnly, { within: dag.root })),
        DeniedError
      )
    })

    it('is gone on with from another source at the very block', async () => {
      for (let breaksAfter = 0; breaksAfter < order.length; breaksAfter++) {
        const real = clientOf({ first: serverOver(holder.objects), second: serverOver(holder.objects) })
        let sent = 0
        const exchange: Exchange = {
          have: (...asked) => real.have(...asked),
          async *blocks(peer, root, range, options) {
            for await (const block of real.blocks(peer, root, range, options)) {
              if (peer === 'first' && sent === breaksAfter) throw new UnreachableError('The line broke.')
              sent += 1
              yield block
            }
          }
        }
        const got: string[] = []
        const blocks = retrievalFrom(exchange).blocks(dag.root, wholeObject, { hints: ['first', 'second'] })
        for await (const { cid } of blocks) got.push(cid.toString())
        assert.deepEqual(got, order, `broken after ${breaksAfter}`)
        assert.equal(sent, order.length, 'nothing is sent twice')
      }
    })

    it('is completed from what is here of it', async () => {
      for (const missing of [0, 3, order.length - 1]) {
        const to = await storage()
        const name = order[missing]
        const kept = dag.blocks.filter(({ cid }) => cid.toString() !== name)
        await using before = await to.objects.begin({ origin: 'upload' })
        for (const { cid, bytes } of kept) await before.put(cid, bytes)
        const retrieval = retrievalFrom(clientOf({ holder: serverOver(holder.objects) }))
        await using fetcher = new ObjectFetcher({
          objects: to.objects,
          retrieval,
          clock: systemClock,
          log: silentLog
        })
        await fetcher.fetch(dag.root, ['holder'])
        assert.deepEqual(
          await collect(to.objects.blocks(dag.root)),
          await collect(holder.objects.blocks(dag.root)),
          `without block ${missing}`
        )
        assert.equal((await to.objects.get(dag.root))?.size, (await holder.objects.get(dag.root))?.size)
      }
    })

    it('is read where it is asked for and nowhere else', async () => {
      const to = await storage()
      await importInto(to, carOf([dag.root], dag.blocks))
      const film = cidAt('deep/er/film.bin')
      const leaves: CID[] = []
      for await (const { cid } of to.objects.named(film, wholeObject, { within: dag.root })) leaves.push(cid)
      for (const gone of [leaves[1], leaves[9], leaves.at(-1)])
        if (gone !== undefined) await to.blocks.delete(gone)
      const range = { from: 1_000, to: 8_000 }
      const exchange = clientOf({ holder: serverOver(to.objects) })
      const options = { within: dag.root, hints: ['holder'] }
      const expected = files['deep/er/film.bin'].subarray(range.from, range.to)
      assert.deepEqual(await collect(to.objects.read(film, range, options)), expected)
      assert.deepEqual(await collect(retrievalFrom(exchange).read(film, range, options)), expected)
      await assert.rejects(collect(to.objects.read(film, { from: 0, to: 1_000 }, options)), NotFoundError)
    })

    it('gets its row back when the index is lost', async () => {
      const to = await storage()
      const intake = await to.objects.begin({ origin: 'upload' })
      for (const { cid, bytes } of dag.blocks) await intake.put(cid, bytes)
      const wanted = async function* () {
        yield { root: dag.root, origin: 'upload' as const }
      }
      const { adopted } = await to.objects.reconcile(wanted())
      assert.equal(adopted, 1)
      assert.equal((await to.objects.get(dag.root))?.size, (await holder.objects.get(dag.root))?.size)
    })
  })

  it('is walked in the order of its encoding, whatever its keys look like', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) => rawBlock(Buffer.from(text)))
    const document = cborBlock({ z: a?.cid, 10: b?.cid, 9: c?.cid })
    const walk = new ObjectWalk(document.cid)
    walk.accept(document.bytes)
    const met: string[] = []
    for (let step = walk.next; step !== undefined; step = walk.next) {
      met.push(step.cid.toString())
      walk.accept([a, b, c].find((each) => each?.cid.equals(step.cid))?.bytes ?? new Uint8Array(0))
    }
    // dag-cbor: shorter keys first, then by bytes: "9", "z", "10".
    assert.deepEqual(
      met,
      [c, a, b].map((each) => each?.cid.toString())
    )
  })
})
