// Reading: the own disk first, then the keepers; a copy that breaks in mid-read is replaced at the exact
// byte; and a name leads to its object whichever way it is spelt.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  CorruptBlockError,
  type NodeId,
  parseContentName,
  rawCidOf,
  toHex,
  UnreachableError
} from '@commonhold/core'
import type { WantedObject } from '@commonhold/pinning'
import { type ByteRange, type Chunk, type LibraryComponents, NodeLibrary } from '../src/library.ts'

const bytes = new Uint8Array(randomBytes(1000))
const digest = new Uint8Array(randomBytes(32))
const root = rawCidOf(digest)
const wish: WantedObject = {
  root,
  digest,
  size: bytes.length,
  copiesMin: 3,
  visibility: 'members',
  group: 0,
  authors: []
}

async function* chunksOf(range: ByteRange, breaksAt = Number.POSITIVE_INFINITY): AsyncGenerator<Chunk> {
  for (let offset = range.from; offset < range.to; offset += 100) {
    if (offset >= breaksAt) throw new CorruptBlockError(root.toString(), 'on disk')
    yield { offset, bytes: bytes.subarray(offset, Math.min(range.to, offset + 100)) }
  }
}

/** Blocks are tested on real files, in test/gateway. */
const noBlocks = {
  contains: async () => false,
  named: (): never => {
    throw new Error('no blocks here')
  },
  ownersOf: async () => [],
  block: async () => undefined
}

interface Given {
  readonly local?: boolean
  readonly breaksAt?: number
  readonly wanted?: boolean
}

/** What was asked of the network is kept for the test to see. */
function libraryWith({ local = false, breaksAt, wanted = true }: Given) {
  const asked: { range: ByteRange; hints: readonly NodeId[] }[] = []
  const pool = {
    wanted: async (cid: { equals(other: unknown): boolean }) =>
      wanted && cid.equals(root) ? wish : undefined,
    wantedByDigest: async (name: Uint8Array) => (wanted && toHex(name) === toHex(digest) ? wish : undefined),
    holdersOf: async () => ['keeper']
  }
  const components: LibraryComponents = {
    membership: { pool: pool as unknown as LibraryComponents['membership']['pool'] },
    objects: {
      get: async () => (local ? { size: bytes.length } : undefined),
      byDigest: async () => (local ? { root } : undefined),
      read: (_, range) => chunksOf(range, breaksAt),
      ...noBlocks
    },
    retrieval: {
      blocks: noBlocks.named,
      read: (_, range, { hints }) => {
        asked.push({ range, hints })
        return chunksOf(range)
      },
      stat: async () => {
        throw new UnreachableError('nobody')
      }
    }
  }
  return { library: new NodeLibrary(components), asked }
}

async function read(library: NodeLibrary, range: ByteRange): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let at = range.from
  for await (const chunk of library.read(root, range)) {
    assert.equal(chunk.offset, at, 'no gap and no byte twice')
    at += chunk.bytes.length
    parts.push(chunk.bytes)
  }
  return new Uint8Array(Buffer.concat(parts))
}

test('what is on the own disk is read there, and nobody is asked', async () => {
  const { library, asked } = libraryWith({ local: true })
  assert.deepEqual(await read(library, { from: 50, to: 950 }), bytes.subarray(50, 950))
  assert.deepEqual(asked, [])
  assert.deepEqual(await library.stat(root), { size: 1000, local: true })
})

test('what is not comes from the keepers that placement names', async () => {
  const { library, asked } = libraryWith({})
  assert.deepEqual(await read(library, { from: 0, to: 1000 }), bytes)
  assert.deepEqual(asked, [{ range: { from: 0, to: 1000 }, hints: ['keeper'] }])
  assert.deepEqual(await library.stat(root), { size: 1000, local: false }, 'the wish knows the size')
})

for (const breaksAt of [0, 300, 900]) {
  test(`a local copy found damaged at byte ${breaksAt} is replaced there`, async () => {
    const { library, asked } = libraryWith({ local: true, breaksAt })
    assert.deepEqual(await read(library, { from: 0, to: 1000 }), bytes)
    assert.deepEqual(
      asked.map(({ range }) => range),
      [{ from: breaksAt, to: 1000 }]
    )
  })
}

test('an error of another kind is not covered up by asking others', async () => {
  const broken = new NodeLibrary(componentsThatThrow(Object.assign(new Error('I/O'), { code: 'EIO' })))
  await assert.rejects(read(broken, { from: 0, to: 10 }), { code: 'EIO' })
})

test('a name is resolved by either spelling, and says whether it is wanted and by whom it may be read', async () => {
  const { library } = libraryWith({})
  for (const text of [root.toString(), toHex(digest), `${toHex(digest)}.jpg`]) {
    const resolved = await library.resolve(parseContentName(text))
    assert.equal(resolved?.root.toString(), root.toString())
    assert.equal(resolved?.wanted, true)
    assert.equal(resolved?.visibility, 'members')
  }
  const { library: unwanted } = libraryWith({ wanted: false })
  assert.equal((await unwanted.resolve(parseContentName(toHex(digest))))?.wanted, false)
})

function componentsThatThrow(err: Error): LibraryComponents {
  return {
    membership: { pool: {} as LibraryComponents['membership']['pool'] },
    objects: {
      get: async () => ({ size: 10 }),
      byDigest: async () => undefined,
      read: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(err) }) }),
      ...noBlocks
    },
    retrieval: {
      blocks: noBlocks.named,
      read: () => {
        throw new Error('nobody should be asked')
      },
      stat: async () => ({ size: 10, kind: 'file' })
    }
  }
}
