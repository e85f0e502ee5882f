// Proofs and reports as pure functions, against the vectors of docs/protocol and against random objects.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fromHex, nodeIdOf, seededRandom, signingKeyFromSeed, toHex } from '@commonhold/core'
import { encode as encodeDagPb } from '@ipld/dag-pb'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { nothingWanted, readGroup, setHashOf, writeGroup } from '../src/census/report.ts'
import { pathTo, proofDigest, verifyPath } from '../src/proof/proof.ts'

interface Vectors {
  digests: {
    pool: string
    nonce: string
    keeperSeed: string
    root: string
    blocks: string[]
    digest: string
  }[]
  paths: { nonce: string; root: string; blocks: string[]; path: number[] }[]
  reports: {
    group: number
    wanted: { key: string; copiesMin: number }[]
    held: string[]
    report: { copiesMinFrom: number; except: string[]; plus: string[]; setHash: string }
  }[]
}

const vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/keeping.json', import.meta.url), 'utf8')
) as Vectors

async function* stream(blocks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* blocks
}

/** Reads blocks by name, like a store. */
function store(blocks: readonly Uint8Array[]): (cid: CID) => Promise<Uint8Array> {
  const byDigest = new Map(blocks.map((block) => [toHex(sha256(block)), block]))
  return async (cid) => {
    const block = byDigest.get(toHex(cid.multihash.digest))
    assert.ok(block !== undefined, `a block that is no part of the object: ${cid.toString()}`)
    return block
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

test('vectors: keyed digests', async () => {
  assert.ok(vectors.digests.length > 0)
  for (const { pool, nonce, keeperSeed, root, blocks, digest } of vectors.digests) {
    const keeper = nodeIdOf(signingKeyFromSeed(fromHex(keeperSeed)).publicKey)
    const subject = { pool: fromHex(pool), nonce: fromHex(nonce), keeper, root: CID.parse(root) }
    assert.equal(toHex(await proofDigest(subject, stream(blocks.map(fromHex)))), digest)
  }
})

test('vectors: paths', async () => {
  assert.ok(vectors.paths.length > 0)
  for (const { nonce, root, blocks, path } of vectors.paths) {
    const found = await pathTo(fromHex(nonce), CID.parse(root), store(blocks.map(fromHex)))
    assert.deepEqual(
      found.map(toHex),
      path.map((at) => blocks[at])
    )
    assert.equal(verifyPath(fromHex(nonce), CID.parse(root), found), true)
  }
})

test('vectors: reports', () => {
  assert.ok(vectors.reports.length > 0)
  for (const { group, wanted, held, report } of vectors.reports) {
    const wishes = wanted.map(({ key, copiesMin }) => ({ key: fromHex(key), copiesMin }))
    const told = writeGroup(group, wishes, held.map(fromHex))
    assert.deepEqual(
      {
        copiesMinFrom: told.copiesMinFrom,
        except: told.except.map(toHex),
        plus: told.plus.map(toHex),
        setHash: toHex(told.setHash)
      },
      report
    )
    assert.deepEqual(readGroup(told, wishes)?.map(toHex), held)
  }
})

/** A tree of that many leaves, at most `width` links per node: root and blocks depth first. */
function tree(leaves: number, width: number, seed: number): { root: CID; blocks: Uint8Array[] } {
  const random = seededRandom(seed)
  let level = Array.from({ length: leaves }, (): { cid: CID; blocks: Uint8Array[]; size: number } => {
    const bytes = random.bytes(1 + Math.floor(random.unit() * 64))
    return { cid: CID.createV1(0x55, createDigest(0x12, sha256(bytes))), blocks: [bytes], size: bytes.length }
  })
  while (level.length > 1) {
    const above: typeof level = []
    for (let i = 0; i < level.length; i += width) {
      const below = level.slice(i, i + width)
      const bytes = encodeDagPb({
        Links: below.map(({ cid, size }) => ({ Hash: cid, Tsize: size, Name: '' }))
      })
      const size = bytes.length + below.reduce((sum, one) => sum + one.size, 0)
      const cid = CID.createV1(0x70, createDigest(0x12, sha256(bytes)))
      above.push({ cid, blocks: [bytes, ...below.flatMap((one) => one.blocks)], size })
    }
    level = above
  }
  const [top] = level
  if (top === undefined) throw new Error('a tree without leaves')
  return { root: top.cid, blocks: top.blocks }
}

test('a path proves itself, and no other bytes, no other nonce and no shorter path pass for it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 2, max: 5 }),
      fc.nat(),
      async (leaves, width, seed) => {
        const { root, blocks } = tree(leaves, width, seed)
        const nonce = sha256(Uint8Array.of(seed & 255, leaves))
        const path = await pathTo(nonce, root, store(blocks))
        assert.equal(verifyPath(nonce, root, path), true)
        assert.equal(verifyPath(nonce, root, path.slice(0, -1)), false)
        assert.equal(verifyPath(nonce, root, [...path, new Uint8Array(3)]), false)
        for (const at of path.keys()) {
          const wrong = path.map((block, i) =>
            i === at ? Uint8Array.from(block, (byte, j) => (j === 0 ? byte ^ 1 : byte)) : block
          )
          assert.equal(verifyPath(nonce, root, wrong), false)
        }
      }
    ),
    { numRuns: 200 }
  )
})

test('over many nonces every leaf is asked for', async () => {
  const { root, blocks } = tree(12, 3, 7)
  const seen = new Set<string>()
  for (let i = 0; i < 400; i++) {
    const path = await pathTo(sha256(Uint8Array.of(i & 255, i >> 8)), root, store(blocks))
    seen.add(toHex(path.at(-1) ?? new Uint8Array()))
  }
  assert.equal(seen.size, 12)
})

test('random leaves: a keeper without a share p of them is found by the 1/p-th question on average', async (t) => {
  const leaves = 200
  const keepers = 60
  for (const share of [1, 0.1, 0.01]) {
    const { root, blocks } = tree(leaves, 20, 11)
    const isLeaf = (block: Uint8Array): boolean => block.length <= 64
    const whole = store(blocks)
    const random = seededRandom(share * 1000)
    const asked: number[] = []
    for (let keeper = 0; keeper < keepers; keeper++) {
      const here = blocks.filter(isLeaf).map((block) => ({ name: toHex(sha256(block)), dice: random.unit() }))
      const missing = new Set(
        here
          .sort((a, b) => a.dice - b.dice)
          .slice(0, leaves * share)
          .map(({ name }) => name)
      )
      const read = async (cid: CID): Promise<Uint8Array> => {
        const block = await whole(cid)
        return missing.has(toHex(cid.multihash.digest)) ? new Uint8Array(block.length) : block
      }
      let questions = 0
      for (let found = false; !found; questions++) {
        const nonce = random.bytes(32)
        found = !verifyPath(nonce, root, await pathTo(nonce, root, read))
      }
      asked.push(questions)
    }
    const mean = asked.reduce((sum, n) => sum + n, 0) / keepers
    // Geometric; leaves are of different sizes and drawn by their bytes, which widens it a little.
    const bandShare = 3 * (Math.sqrt(1 - share) / Math.sqrt(keepers) + 0.02)
    t.diagnostic(
      `${share * 100} % missing: found by question ${mean.toFixed(2)}; formula ${(1 / share).toFixed(0)} ± ${((100 * bandShare) / 1).toFixed(0)} %, 99 % by ${share === 1 ? 1 : Math.ceil(Math.log(0.01) / Math.log(1 - share))}`
    )
    assert.ok(Math.abs(mean * share - 1) <= bandShare, `${mean} questions for ${share}`)
  }
})

test('a digest depends on every byte, the nonce, the keeper, the pool and the root', async () => {
  const keeper = (seed: number): string =>
    nodeIdOf(signingKeyFromSeed(new Uint8Array(32).fill(seed)).publicKey)
  const { root, blocks } = tree(3, 4, 1)
  const subject = { pool: sha256(Uint8Array.of(1)), nonce: sha256(Uint8Array.of(2)), keeper: keeper(3), root }
  const digests = await Promise.all([
    proofDigest(subject, stream(blocks)),
    proofDigest({ ...subject, pool: subject.nonce }, stream(blocks)),
    proofDigest({ ...subject, nonce: subject.pool }, stream(blocks)),
    proofDigest({ ...subject, keeper: keeper(4) }, stream(blocks)),
    proofDigest({ ...subject, root: tree(3, 4, 2).root }, stream(blocks)),
    proofDigest(subject, stream(blocks.slice(0, -1))),
    ...blocks.map((_, at) =>
      proofDigest(
        subject,
        stream(blocks.map((block, i) => (i === at ? Uint8Array.from(block, (byte) => byte ^ 1) : block)))
      )
    )
  ])
  assert.equal(new Set(digests.map(toHex)).size, digests.length)
})

const keyArb = fc.uint8Array({ minLength: 33, maxLength: 33 })

test('what a report says is what is held, for whoever has the same pin set, and never anything else', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(keyArb, { maxLength: 30, selector: toHex }),
      fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.integer({ min: 1, max: 5 }), fc.boolean()), {
        minLength: 30,
        maxLength: 30
      }),
      (keys, facts) => {
        const sorted = keys.sort((a, b) => Buffer.compare(a, b))
        const fact = (i: number): [boolean, boolean, number, boolean] => facts[i] ?? [false, false, 1, false]
        const wanted = sorted.flatMap((key, i) => (fact(i)[0] ? [{ key, copiesMin: fact(i)[2] }] : []))
        const held = sorted.filter((_, i) => fact(i)[1])
        const told = writeGroup(1, wanted, held)
        assert.deepEqual(readGroup(told, wanted), held)
        assert.ok(told.except.length + told.plus.length <= held.length, 'never longer than the plain list')
        // A reader that knows other wishes notices, or comes to the same.
        const other = sorted.flatMap((key, i) => (fact(i)[3] ? [{ key, copiesMin: fact(i)[2] }] : []))
        const read = readGroup(told, other)
        if (read !== undefined) assert.deepEqual(read, held)
        const plain = {
          group: 1,
          copiesMinFrom: nothingWanted,
          except: [],
          plus: held,
          setHash: setHashOf(held)
        }
        assert.deepEqual(readGroup(plain, other), held)
      }
    ),
    { numRuns: 1000 }
  )
})
