// Blocks and CARs over HTTP, of real files of many blocks: from this node's disk and passing through from another's. Read
// with a CAR reader of other authors. Seen to fail with the last byte of entity-bytes left out, with repetitions not
// dropped, with inner blocks of a source taken over sent twice, and with a block's owners not asked about.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type AbortOptions, CorruptBlockError } from '@commonhold/core'
import { BridgeServer } from '@commonhold/http-bridge'
import { type Ingested, Retrieval } from '@commonhold/node'
import { CarReader } from '@ipld/car'
import type { CID } from 'multiformats/cid'
import { type LibraryComponents, type NamedBlock, NodeLibrary } from '../../packages/cli/src/library.ts'
import { InMemoryPool } from '../../packages/http-bridge/test/in-memory-pool.ts'
import { clientOf, serverOver } from '../../packages/node/test/exchange-loopback.ts'
import { openStorage, type Storage } from '../../packages/node/test/objects-under-test.ts'

const MiB = 1024 * 1024
type Range = { from: number; to: number }

describe('the trustless gateway', () => {
  let folder: string
  let near: Storage
  let far: Storage
  let pool: InMemoryPool
  let server: BridgeServer
  let origin: string
  /** Kept here; passing through from the other node; and one whose leaves repeat. */
  let kept: Ingested
  let passing: Ingested
  let repeating: Ingested
  let members: Ingested
  const files = new Map<string, Buffer>()
  /** A local copy breaks after so many blocks. */
  let breaksAfter = Number.POSITIVE_INFINITY

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'commonhold-trustless-'))
    near = await openStorage(join(folder, 'near'))
    far = await openStorage(join(folder, 'far'))
    const add = async (to: Storage, bytes: Buffer): Promise<Ingested> => {
      const ingested = await to.add(bytes)
      files.set(ingested.root.toString(), bytes)
      return ingested
    }
    kept = await add(near, randomBytes(3 * MiB + 1000))
    await far.add(files.get(kept.root.toString()) ?? Buffer.alloc(0))
    passing = await add(far, randomBytes(2 * MiB + 5))
    repeating = await add(near, Buffer.alloc(4 * MiB))
    members = await add(near, randomBytes(MiB + 1))
    pool = new InMemoryPool()
    const all = [kept, passing, repeating, members]
    const wanted = async (root: CID) => {
      const object = all.find((each) => each.root.equals(root))
      return (
        object && { ...object, visibility: object === members ? ('members' as const) : ('public' as const) }
      )
    }
    const components: LibraryComponents = {
      membership: {
        pool: {
          wanted,
          wantedByDigest: async (digest: Uint8Array) =>
            all.find((each) => Buffer.compare(each.digest, digest) === 0),
          holdersOf: async () => ['far']
        } as unknown as LibraryComponents['membership']['pool']
      },
      objects: Object.assign(Object.create(near.objects) as typeof near.objects, {
        get: (root: CID) => near.objects.get(root),
        contains: (root: CID, block: CID) => near.objects.contains(root, block),
        byDigest: (digest: Uint8Array) => near.objects.byDigest(digest),
        read: (root: CID, range: Range, options?: AbortOptions) => near.objects.read(root, range, options),
        ownersOf: (cid: CID, limit: number) => near.objects.ownersOf(cid, limit),
        block: (cid: CID, options?: AbortOptions) => near.objects.block(cid, options),
        named: async function* (root: CID, range: Range, options?: AbortOptions): AsyncGenerator<NamedBlock> {
          let sent = 0
          for await (const block of near.objects.named(root, range, options)) {
            if (sent++ === breaksAfter) throw new CorruptBlockError(block.cid.toString(), 'on disk')
            yield block
          }
        }
      }),
      retrieval: new Retrieval({
        exchange: clientOf({ far: serverOver(far.objects) }),
        clock: pool.components().clock,
        log: pool.components().log
      })
    }
    server = new BridgeServer({ ...pool.components(), library: new NodeLibrary(components) })
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
    fetch(`${origin}${path}`, { headers, method })

  async function carOf(path: string, headers: Record<string, string> = {}) {
    const answer = await ask(path, headers)
    assert.equal(answer.status, 200, `${path}: ${answer.status === 200 ? '' : await answer.text()}`)
    const reader = await CarReader.fromBytes(new Uint8Array(await answer.arrayBuffer()))
    const blocks: NamedBlock[] = []
    for await (const { cid, bytes } of reader.blocks()) {
      // What the client of a trustless gateway does.
      assert.deepEqual(createHash('sha256').update(bytes).digest(), Buffer.from(cid.multihash.digest))
      blocks.push({ cid, bytes })
    }
    return {
      answer,
      roots: (await reader.getRoots()).map(String),
      blocks,
      cids: blocks.map(({ cid }) => cid.toString())
    }
  }

  /** Leaves of a file of ours are raw: together in order they are the file. */
  const bytesOf = (blocks: readonly NamedBlock[]): Buffer =>
    Buffer.concat(blocks.filter(({ cid }) => cid.code === 0x55).map(({ bytes }) => bytes))

  it('gives one block, root or leaf, as it is', async () => {
    for (const { root } of [kept, passing]) {
      const answer = await ask(`/ipfs/${root}?format=raw`)
      assert.equal(answer.status, 200)
      const bytes = Buffer.from(await answer.arrayBuffer())
      assert.deepEqual(createHash('sha256').update(bytes).digest(), Buffer.from(root.multihash.digest))
      assert.equal(answer.headers.get('content-type'), 'application/vnd.ipld.raw')
      assert.equal(answer.headers.get('content-length'), String(bytes.length))
      assert.equal(answer.headers.get('content-disposition'), `attachment; filename=${root}.bin`)
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      assert.equal(answer.headers.get('etag'), `"${root}.raw"`)
      assert.equal(answer.headers.get('x-ipfs-path'), `/ipfs/${root}`)
      assert.equal(answer.headers.get('x-ipfs-roots'), `${root}`)
      assert.equal(answer.headers.get('cache-control'), 'public, max-age=29030400, immutable')
      const same = await ask(`/ipfs/${root}`, { accept: 'application/vnd.ipld.raw' })
      assert.deepEqual(Buffer.from(await same.arrayBuffer()), bytes)
      assert.match(String(same.headers.get('vary')), /Accept/)
      const again = await ask(`/ipfs/${root}?format=raw`, { 'if-none-match': `W/"x", "${root}.raw"` })
      assert.equal(again.status, 304)
      const head = await ask(`/ipfs/${root}?format=raw`, {}, 'HEAD')
      assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(bytes.length)])
      const part = await ask(`/ipfs/${root}?format=raw&filename=x.dat`, { range: 'bytes=2-4' })
      assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 2-4/${bytes.length}`])
      assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(2, 5))
      assert.equal(part.headers.get('content-disposition'), 'attachment; filename=x.dat')
    }
    const { cids } = await carOf(`/ipfs/${kept.root}?format=car`)
    const leaf = await ask(`/ipfs/${cids[2]}?format=raw`)
    assert.deepEqual(
      Buffer.from(await leaf.arrayBuffer()),
      files.get(kept.root.toString())?.subarray(MiB, 2 * MiB)
    )
    assert.equal(leaf.headers.get('cache-status'), 'Commonhold; fwd=bypass; detail=kept-here')
  })

  it('gives the blocks of a file in the order of a walk, and says how', async () => {
    for (const [object, path] of [
      [kept, '?format=car'],
      [passing, '?format=car&dag-scope=entity'],
      [passing, '?format=car&dag-scope=all&car-version=1&car-order=dfs']
    ] as const) {
      const { answer, roots, blocks, cids } = await carOf(`/ipfs/${object.root}${path}`)
      assert.deepEqual(roots, [object.root.toString()])
      assert.equal(cids[0], object.root.toString())
      assert.deepEqual(bytesOf(blocks), files.get(object.root.toString()))
      assert.equal(
        answer.headers.get('content-type'),
        'application/vnd.ipld.car; version=1; order=dfs; dups=n'
      )
      assert.equal(answer.headers.get('accept-ranges'), 'none')
      assert.match(String(answer.headers.get('content-disposition')), /^attachment; filename=.*\.car$/)
      assert.match(String(answer.headers.get('etag')), /^W\//)
    }
    const { cids } = await carOf(`/ipfs/${kept.root}?format=car&dag-scope=block`)
    assert.deepEqual(cids, [kept.root.toString()])
    const byAccept = await carOf(`/ipfs/${kept.root}`, {
      accept: 'application/vnd.ipld.car; version=1; dups=y'
    })
    assert.match(String(byAccept.answer.headers.get('content-type')), /dups=y/)
  })

  it('leads to a range of bytes with no block more than it needs', async () => {
    const size = kept.size
    const cases: readonly (readonly [range: string, leaves: readonly number[]])[] = [
      ['0:0', [0]],
      ['0:1048575', [0]],
      ['0:1048576', [0, 1]],
      ['1048576:1048576', [1]],
      ['2097152:*', [2, 3]],
      ['-1000:*', [3]],
      ['-1001:-1001', [2]],
      [`${size - 1}:999999999999`, [3]],
      ['0:-1001', [0, 1, 2]],
      [`${size}:*`, []],
      ['5:4', []]
    ]
    const whole = await carOf(`/ipfs/${kept.root}?format=car`)
    const tags = new Set<string | null>()
    for (const [range, leaves] of cases) {
      const { cids, answer } = await carOf(`/ipfs/${kept.root}?format=car&entity-bytes=${range}`)
      assert.deepEqual(cids, [kept.root.toString(), ...leaves.map((i) => whole.cids[i + 1])], range)
      tags.add(answer.headers.get('etag'))
    }
    assert.equal(tags.size, cases.length, 'every part has a tag of its own')
  })

  it('leaves repetitions out unless they are asked for', async () => {
    const once = await carOf(`/ipfs/${repeating.root}?format=car`)
    assert.equal(once.cids.length, 2)
    const all = await carOf(`/ipfs/${repeating.root}?format=car&car-dups=y`)
    assert.equal(all.cids.length, 5)
    assert.deepEqual(bytesOf(all.blocks), files.get(repeating.root.toString()))
  })

  it('goes on elsewhere when the own copy breaks, with nothing twice and nothing missing', async () => {
    for (breaksAfter of [0, 1, 3]) {
      for (const dups of ['y', 'n']) {
        const { cids, blocks } = await carOf(`/ipfs/${kept.root}?format=car&car-dups=${dups}`)
        assert.equal(new Set(cids).size, cids.length, `after ${breaksAfter}`)
        assert.deepEqual(bytesOf(blocks), files.get(kept.root.toString()))
      }
    }
    breaksAfter = Number.POSITIVE_INFINITY
  })

  it('has the doors of files: denied, for members, unknown, not a block', async () => {
    const leaves = (await carOf(`/ipfs/${members.root}?format=car`, { authorization: 'Bearer reader' })).cids
    for (const query of ['?format=raw', '?format=car']) {
      assert.equal((await ask(`/ipfs/${members.root}${query}`)).status, 401, query)
    }
    assert.equal((await ask(`/ipfs/${leaves[1]}?format=raw`)).status, 404, 'a leaf gives nothing away')
    const shown = await ask(`/ipfs/${leaves[1]}?format=raw`, { authorization: 'Bearer reader' })
    assert.deepEqual([shown.status, shown.headers.get('cache-control')?.split(',')[0]], [200, 'private'])

    const keptLeaves = (await carOf(`/ipfs/${kept.root}?format=car`)).cids
    pool.denied.set(Buffer.from(kept.digest).toString('hex'), { verdict: 'deny', reasons: ['a test'] })
    for (const path of [`/ipfs/${kept.root}?format=raw`, `/ipfs/${kept.root}?format=car`]) {
      assert.equal((await ask(path)).status, 410, path)
    }
    assert.equal((await ask(`/ipfs/${keptLeaves[1]}?format=raw`)).status, 404)
    pool.denied.clear()

    const unknown = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
    for (const query of ['?format=raw', '?format=car']) {
      assert.equal((await ask(`/ipfs/${unknown}${query}`)).status, 404, query)
    }
    // The digest of the whole file in a raw CID: a second name of the file, and no block of anybody.
    const { rawCidOf } = await import('@commonhold/core')
    const alias = await ask(`/ipfs/${rawCidOf(kept.digest)}?format=raw`)
    assert.equal(alias.status, 404)
    assert.match(await alias.text(), new RegExp(kept.root.toString()))
    assert.equal((await ask(`/ipfs/${rawCidOf(kept.digest)}`)).status, 200)
  })

  it('says what it cannot give, and what means nothing', async () => {
    for (const [path, accept, status] of [
      ['?format=dag-json', undefined, 406],
      ['?format=tar', undefined, 406],
      ['?format=ipns-record', undefined, 406],
      ['', 'application/vnd.ipfs.ipns-record', 406],
      ['?format=nonsense', undefined, 400],
      ['?format=car&dag-scope=some', undefined, 400],
      ['?format=car&entity-bytes=a:b', undefined, 400],
      ['?format=car&entity-bytes=1', undefined, 400],
      ['?format=car&car-version=2', undefined, 400],
      ['', 'application/vnd.ipld.car; version=2', 400],
      ['', 'application/vnd.ipld.car; order=bfs', 400],
      ['', 'text/html,application/json;q=0.5,*/*', 200],
      ['?format=raw', 'application/vnd.ipld.car', 200]
    ] as const) {
      const answer = await ask(`/ipfs/${kept.root}${path}`, accept === undefined ? {} : { accept })
      assert.equal(
        answer.status,
        status,
        `${path} ${accept}: ${await answer.text().then((text) => text.slice(0, 200))}`
      )
    }
    const probe = await ask('/ipfs/bafkqaaa', { accept: 'application/vnd.ipld.raw' })
    assert.deepEqual([probe.status, await probe.text()], [200, ''])
  })
})
