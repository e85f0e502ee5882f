// Paths through folders, shards and documents, kept here and passing through from another node, as a browser and as IPFS
// clients ask for them. Seen to fail with the policy not asked along the way, with shards looked up by the wrong bits, with
// names not escaped, with parts served that no pool wants, and with blocks of the way left out of a CAR.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { BridgeServer } from '@commonhold/http-bridge'
import { importCar, Retrieval } from '@commonhold/node'
import { CarReader } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import { type LibraryComponents, type NamedBlock, NodeLibrary } from '../../packages/cli/src/library.ts'
import { InMemoryPool } from '../../packages/http-bridge/test/in-memory-pool.ts'
import { clientOf, serverOver } from '../../packages/node/test/exchange-loopback.ts'
import { openStorage, type Storage } from '../../packages/node/test/objects-under-test.ts'
import { carOf, cborBlock, type SampleDag, sampleFolder } from '../../packages/node/test/sample-dags.ts'

const picture = Buffer.concat([Buffer.from('GIF89a'), randomBytes(3000)])
const film = randomBytes(25_000)
const odd = `a "b" <c> & 'd' %2C é?#.txt`
const files: Record<string, Buffer> = {
  'readme.txt': Buffer.from('Plain words.\n'),
  'pictures/one.gif': picture,
  'pictures/more/film.bin': film,
  [`pictures/${odd}`]: Buffer.from('odd'),
  'site/index.html': Buffer.from('<!doctype html><script>alert(1)</script>'),
  'site/other.txt': Buffer.from('other')
}

for (const where of ['here', 'passing through'] as const) {
  describe(`paths, ${where}`, () => {
    let folder: string
    let near: Storage
    let far: Storage
    let pool: InMemoryPool
    let server: BridgeServer
    let origin: string
    let plain: SampleDag
    let sharded: SampleDag
    let document: { root: CID; picture: CID }
    let unwanted: SampleDag
    let forMembers: SampleDag

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'commonhold-paths-'))
      near = await openStorage(join(folder, 'near'))
      far = await openStorage(join(folder, 'far'))
      const holder = where === 'here' ? near : far
      pool = new InMemoryPool()
      plain = await sampleFolder(files)
      const many = Object.fromEntries(
        Array.from({ length: 600 }, (_, i) => [`${i}.txt`, Buffer.from(`the file ${i}`)])
      )
      sharded = await sampleFolder({ ...many, 'film.bin': film }, { sharded: true })
      unwanted = await sampleFolder({ 'secret.txt': Buffer.from('nobody here wants this') })
      forMembers = await sampleFolder({ 'ours.txt': Buffer.from('for members') })
      const page = cborBlock({
        title: 'x',
        files: [{ at: plain.cids.get('pictures/one.gif') }],
        all: plain.root
      })
      document = { root: page.cid, picture: plain.cids.get('pictures/one.gif') as CID }
      const objects = new Map<string, { root: CID; size: number; visibility: 'public' | 'members' }>()
      const keep = async (root: CID, blocks: Iterable<NamedBlock>, visibility: 'public' | 'members') => {
        const source = (async function* () {
          yield carOf([root], blocks)
        })()
        const [imported] = await importCar(source, { objects: holder.objects, policy: pool })
        objects.set(root.toString(), { root, size: imported?.size ?? 0, visibility })
      }
      await keep(plain.root, plain.blocks, 'public')
      await keep(sharded.root, sharded.blocks, 'public')
      await keep(page.cid, [page, ...plain.blocks], 'public')
      await keep(forMembers.root, forMembers.blocks, 'members')
      await keep(unwanted.root, unwanted.blocks, 'public')
      objects.delete(unwanted.root.toString())
      const components: LibraryComponents = {
        membership: {
          pool: {
            wanted: async (root: CID) => objects.get(root.toV1().toString()),
            wantedByDigest: async () => undefined,
            holdersOf: async () => ['far']
          } as unknown as LibraryComponents['membership']['pool']
        },
        objects: near.objects,
        retrieval: new Retrieval({
          exchange: clientOf({ far: serverOver(far.objects) }),
          clock: pool.components().clock,
          log: pool.components().log
        })
      }
      server = new BridgeServer(
        { ...pool.components(), library: new NodeLibrary(components) },
        { cacheBytesMax: 0, clientRequestsPerMinute: 100_000, clientBurst: 100_000 }
      )
      await server.start({ host: '127.0.0.1', port: 0 })
      origin = `http://127.0.0.1:${server.address?.port}`
    })
    after(async () => {
      await server.stop()
      await near[Symbol.asyncDispose]()
      await far[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
      fetch(`${origin}${path}`, { headers, method, redirect: 'manual' })
    const deniedName = (cid: CID): string => Buffer.from(cid.multihash.digest).toString('hex')
    const cidAt = (dag: SampleDag, path: string): string => String(dag.cids.get(path))

    async function blocksOf(path: string, accept?: string): Promise<string[]> {
      const answer = await ask(path, accept === undefined ? {} : { accept })
      assert.equal(answer.status, 200, `${path}: ${answer.status === 200 ? '' : await answer.text()}`)
      const reader = await CarReader.fromBytes(new Uint8Array(await answer.arrayBuffer()))
      const cids: string[] = []
      for await (const { cid, bytes } of reader.blocks()) {
        assert.deepEqual(createHash('sha256').update(bytes).digest(), Buffer.from(cid.multihash.digest))
        cids.push(cid.toString())
      }
      return cids
    }

    it('lead to files, with ranges, conditions and headers', async () => {
      const root = plain.root.toString()
      const whole = await ask(`/ipfs/${root}/pictures/more/film.bin`)
      assert.equal(whole.status, 200)
      assert.deepEqual(Buffer.from(await whole.arrayBuffer()), film)
      assert.equal(whole.headers.get('x-ipfs-path'), `/ipfs/${root}/pictures/more/film.bin`)
      assert.equal(
        whole.headers.get('x-ipfs-roots'),
        [root, ...['pictures', 'pictures/more', 'pictures/more/film.bin'].map((at) => cidAt(plain, at))].join(
          ','
        )
      )
      const etag = `"${cidAt(plain, 'pictures/more/film.bin')}"`
      assert.equal(whole.headers.get('etag'), etag)
      assert.equal(whole.headers.get('cache-control'), 'public, max-age=29030400, immutable')
      const part = await ask(`/ipfs/${root}/pictures/more/film.bin`, { range: 'bytes=3100-9999' })
      assert.equal(part.status, 206)
      assert.equal(part.headers.get('content-range'), `bytes 3100-9999/${film.length}`)
      assert.deepEqual(Buffer.from(await part.arrayBuffer()), film.subarray(3100, 10_000))
      const several = await ask(`/ipfs/${root}/pictures/more/film.bin`, { range: 'bytes=100-2099, -7, 9-9' })
      assert.equal(several.status, 206)
      const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(
        several.headers.get('content-type') ?? ''
      )?.[1]
      const body = Buffer.from(await several.arrayBuffer())
      assert.equal(several.headers.get('content-length'), String(body.length))
      const expected = [
        [100, 2100],
        [film.length - 7, film.length],
        [9, 10]
      ].map(([from = 0, to = 0]) =>
        Buffer.concat([
          Buffer.from(`\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n`),
          Buffer.from(`Content-Range: bytes ${from}-${to - 1}/${film.length}\r\n\r\n`),
          film.subarray(from, to)
        ])
      )
      assert.deepEqual(body, Buffer.concat([...expected, Buffer.from(`\r\n--${boundary}--\r\n`)]))
      for (const condition of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
        const known = await ask(`/ipfs/${root}/pictures/more/film.bin`, { 'if-none-match': condition })
        assert.equal(known.status, 304, condition)
      }
      const image = await ask(`/ipfs/${root}/pictures/one.gif`)
      assert.equal(image.headers.get('content-type'), 'image/gif')
      const text = await ask(`/ipfs/${root}/readme.txt`)
      assert.match(text.headers.get('content-type') ?? '', /^text\/plain/)
      const head = await ask(`/ipfs/${root}/readme.txt`, {}, 'HEAD')
      assert.equal(head.headers.get('content-length'), '13')
      const named = await ask(`/ipfs/${root}/pictures/${encodeURIComponent(odd)}`)
      assert.equal(await named.text(), 'odd')
    })

    it('that lead nowhere are 404, and broken ones 400', async () => {
      const root = plain.root.toString()
      for (const path of ['nothing', 'readme.txt/below', 'pictures/nothing', 'pictures/more/film.bin/0']) {
        for (const query of ['', '?format=raw', '?format=car']) {
          assert.equal((await ask(`/ipfs/${root}/${path}${query}`)).status, 404, path + query)
        }
      }
      assert.equal((await ask(`/ipfs/${root}/%ff`)).status, 400)
      assert.equal((await ask(`/ipfs/${root}/${'a/'.repeat(70)}`)).status, 400)
      assert.equal(
        (await ask(`/ipfs/${root}/pictures%2Fone.gif`)).status,
        404,
        'an encoded slash is no slash'
      )
      assert.equal((await ask('/ipfs/nonsense/a')).status, 400)
    })

    it('of folders are redirected, listed and confirmed', async () => {
      const root = plain.root.toString()
      const bare = await ask(`/ipfs/${root}/pictures?x=1`)
      assert.equal(bare.status, 301)
      assert.equal(bare.headers.get('location'), `/ipfs/${root}/pictures/?x=1`)
      const listing = await ask(`/ipfs/${root}/pictures/`)
      assert.equal(listing.status, 200)
      assert.match(listing.headers.get('content-type') ?? '', /^text\/html/)
      assert.match(listing.headers.get('content-security-policy') ?? '', /default-src 'none'/)
      assert.equal(listing.headers.get('x-content-type-options'), 'nosniff')
      assert.equal(
        listing.headers.get('cache-control'),
        'public, max-age=604800, stale-while-revalidate=2678400'
      )
      const etag = listing.headers.get('etag') ?? ''
      assert.match(etag, new RegExp(`^"DirIndex-.*_CID-${cidAt(plain, 'pictures')}"$`))
      const page = await listing.text()
      assert.match(page, /Index of/)
      assert.ok(page.includes(`<a href="/ipfs/${root}/pictures/one.gif">one.gif</a>`))
      assert.ok(page.includes(`<a href="/ipfs/${root}/pictures/..">..</a>`))
      assert.ok(
        page.includes('a &quot;b&quot; &lt;c&gt; &amp; &#39;d&#39; %2C é?#.txt</a>'),
        'names are text'
      )
      assert.ok(!page.includes('<c>'))
      assert.ok(!page.includes('<script'))
      for (const condition of [etag, `W/${etag}`, `W/"${cidAt(plain, 'pictures')}"`]) {
        assert.equal(
          (await ask(`/ipfs/${root}/pictures/`, { 'if-none-match': condition })).status,
          304,
          condition
        )
      }
      const top = await (await ask(`/ipfs/${root}/`)).text()
      assert.ok(!top.includes('>..<'), 'there is nothing above a root')
      assert.equal((await ask(`/ipfs/${root}`)).status, 301)
    })

    it('of a folder with a page of its own give that, as harmless as any file', async () => {
      const root = plain.root.toString()
      const answer = await ask(`/ipfs/${root}/site/`)
      assert.equal(answer.status, 200)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), files['site/index.html'])
      assert.equal(answer.headers.get('etag'), `"${cidAt(plain, 'site')}"`)
      assert.equal(answer.headers.get('content-type'), 'application/octet-stream')
      assert.match(answer.headers.get('content-disposition') ?? '', /^attachment/)
    })

    it('go through shards', async () => {
      const root = sharded.root.toString()
      for (const i of [0, 7, 123, 599]) {
        const answer = await ask(`/ipfs/${root}/${i}.txt`)
        assert.equal(await answer.text(), `the file ${i}`)
      }
      assert.equal((await ask(`/ipfs/${root}/600.txt`)).status, 404)
      const page = await (await ask(`/ipfs/${root}/`)).text()
      assert.ok(page.includes('>599.txt</a>') || page.includes('There are more'))
    })

    it('go through documents, which are themselves no pages', async () => {
      const root = document.root.toString()
      const answer = await ask(`/ipfs/${root}/files/0/at`)
      assert.deepEqual(Buffer.from(await answer.arrayBuffer()), picture)
      assert.equal((await ask(`/ipfs/${root}/all/readme.txt`)).status, 200)
      assert.equal((await ask(`/ipfs/${root}`)).status, 406)
      for (const path of ['title', 'files/1/at', 'files/00/at', 'constructor']) {
        assert.equal((await ask(`/ipfs/${root}/${path}`)).status, 404, path)
      }
    })

    it('give blocks and CARs of what they lead to', async () => {
      const root = plain.root.toString()
      const [pictures, more, filmCid] = ['pictures', 'pictures/more', 'pictures/more/film.bin'].map((at) =>
        cidAt(plain, at)
      )
      const raw = await ask(`/ipfs/${root}/pictures?format=raw`)
      assert.equal(raw.headers.get('content-type'), 'application/vnd.ipld.raw')
      assert.equal(
        createHash('sha256')
          .update(Buffer.from(await raw.arrayBuffer()))
          .digest('hex'),
        Buffer.from(plain.cids.get('pictures')?.multihash.digest ?? []).toString('hex')
      )
      const way = [root, pictures, more]
      assert.deepEqual(await blocksOf(`/ipfs/${root}/pictures/more?format=car&dag-scope=block`), way)
      assert.deepEqual(await blocksOf(`/ipfs/${root}/pictures/more?format=car&dag-scope=entity`), way)
      const all = await blocksOf(`/ipfs/${root}/pictures/more?format=car`)
      assert.deepEqual(all.slice(0, 4), [...way, filmCid])
      assert.equal(all.length, 4 + 25)
      const file = await blocksOf(`/ipfs/${root}/pictures/more/film.bin?format=car&dag-scope=entity`)
      assert.deepEqual(file, all)
      const part = await blocksOf(`/ipfs/${root}/pictures/more/film.bin?format=car&entity-bytes=2000:2999`)
      assert.deepEqual(part, [...way, filmCid, all[6]])
      const whole = await blocksOf(`/ipfs/${root}?format=car&car-dups=y`)
      assert.deepEqual(new Set(whole), new Set(plain.blocks.map(({ cid }) => cid.toString())))
      assert.deepEqual(await blocksOf(`/ipfs/${document.root}/files/0/at`, 'application/vnd.ipld.car'), [
        document.root.toString(),
        ...(await blocksOf(`/ipfs/${document.root}/files/0/at?format=car`)).slice(1)
      ])
      assert.deepEqual(await blocksOf(`/ipfs/${document.root}?format=car&dag-scope=entity`), [
        document.root.toString()
      ])
    })

    it('give all shards of a folder and nothing of what is in it, and those on the way to one entry', async () => {
      const root = sharded.root.toString()
      const shards = await blocksOf(`/ipfs/${root}?format=car&dag-scope=entity`)
      const leaves = new Set(
        [...sharded.cids.entries()].filter(([path]) => path !== '').map(([, cid]) => String(cid))
      )
      assert.ok(shards.length > 10)
      assert.ok(shards.every((cid) => !leaves.has(cid)))
      assert.equal(shards[0], root)
      const one = await blocksOf(`/ipfs/${root}/123.txt?format=car`)
      assert.equal(one[0], root)
      assert.equal(one.at(-1), cidAt(sharded, '123.txt'))
      assert.ok(one.slice(0, -1).every((cid) => shards.includes(cid)))
    })

    it('of names that hold their bytes need no block', async () => {
      assert.equal((await ask('/ipfs/bafkqaaa')).status, 200)
      const inline = 'bafkqaf3imvwgy3zaneqgc3janfxgy2lomvscay3jmqfa'
      assert.match(await (await ask(`/ipfs/${inline}`)).text(), /inlined/)
      assert.equal((await ask(`/ipfs/${inline}?format=raw`)).status, 200)
      assert.deepEqual(await blocksOf(`/ipfs/${inline}?format=car`), [])
    })

    it('asked for only if here are not fetched', async () => {
      const status = where === 'here' ? 200 : 412
      const headers = { 'cache-control': 'only-if-cached' }
      const path = `/ipfs/${plain.root}/pictures/one.gif`
      for (const method of ['GET', 'HEAD']) assert.equal((await ask(path, headers, method)).status, status)
      const absent = await ask('/ipfs/QmYzfKSE55XCjD1MW128RfciAf2DViABhEiXfgVFMabSjN', headers)
      assert.equal(absent.status, 412)
    })

    it('are stopped by a denial of the folder, and by one of what is in it', async () => {
      const root = plain.root.toString()
      const denial = { verdict: 'deny', reasons: ['on a list'] } as const
      const forms = ['', '?format=raw', '?format=car']
      for (const at of ['pictures', 'pictures/one.gif']) {
        const name = deniedName(plain.cids.get(at) as CID)
        pool.denied.set(name, denial)
        for (const form of forms) {
          assert.equal((await ask(`/ipfs/${root}/pictures/one.gif${form}`)).status, 410, `${at} ${form}`)
        }
        assert.equal((await ask(`/ipfs/${root}/readme.txt`)).status, 200)
        pool.denied.delete(name)
      }
      pool.denied.set(deniedName(plain.root), denial)
      for (const form of forms) assert.equal((await ask(`/ipfs/${root}/readme.txt${form}`)).status, 410)
      pool.denied.delete(deniedName(plain.root))
      assert.equal((await ask(`/ipfs/${root}/readme.txt`)).status, 200)
    })

    it('into what no pool wants, or is for members, are closed', async () => {
      for (const path of [`${unwanted.root}/secret.txt`, cidAt(unwanted, 'secret.txt'), `${unwanted.root}`]) {
        for (const form of ['', '?format=raw', '?format=car'])
          assert.equal((await ask(`/ipfs/${path}${form}`)).status, 404, path + form)
      }
      const path = `/ipfs/${forMembers.root}/ours.txt`
      assert.equal((await ask(path)).status, 401)
      const told = await ask(path, { authorization: 'Bearer reader' })
      assert.equal(told.status, 200)
      assert.match(told.headers.get('cache-control') ?? '', /^private/)
      assert.equal(
        (await ask(`/ipfs/${cidAt(forMembers, 'ours.txt')}`)).status,
        404,
        'by itself it is nothing'
      )
    })

    it('to a part by itself work where the whole is', async () => {
      const answer = await ask(`/ipfs/${cidAt(plain, 'pictures/more')}/film.bin`)
      assert.equal(answer.status, where === 'here' ? 200 : 404)
    })

    it('ask for no other forms', async () => {
      for (const form of ['dag-json', 'json', 'cbor', 'tar', 'ipns-record'])
        assert.equal((await ask(`/ipfs/${plain.root}/?format=${form}`)).status, 406, form)
      assert.equal((await ask(`/ipfs/${plain.root}/?format=zip`)).status, 400)
    })
  })
}
