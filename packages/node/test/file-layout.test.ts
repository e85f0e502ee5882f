// The tree over a file's leaves: its bytes against the specification, whatever the sizes, and its roots
// against Kubo for files too large to hash here. Seen to fail with ipfs-unixfs's own writer in its place.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHex } from '@commonhold/core'
import { decode } from '@ipld/dag-pb'
import fc from 'fast-check'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { balancedFile, encodeFileData } from '../src/file-layout.ts'
import { readObjectNode } from '../src/object-dag.ts'
import { innerBlock, rawBlock } from './sample-objects.ts'
import { fileVectors } from './vectors/file-vectors.ts'
import { vectorBytes } from './vectors/vector-bytes.ts'

const MiB = 1024 * 1024
const GiB = 1024 * MiB

interface Block {
  readonly cid: CID
  readonly bytes: Uint8Array
}

async function leafOf(length: number): Promise<CID> {
  for await (const bytes of vectorBytes(length)) return rawBlock(bytes).cid
  return assert.fail('a leaf has bytes')
}

const fullLeaf = await leafOf(MiB)

/** The content of the vectors repeats after one leaf: however long the file, two leaves are hashed. */
async function* leavesOf(size: number) {
  for (let at = 0; at < size; at += MiB) {
    const length = Math.min(MiB, size - at)
    yield { cid: length === MiB ? fullLeaf : await leafOf(length), size: BigInt(length) }
  }
}

async function treeOver(size: number): Promise<{ readonly root: CID; readonly blocks: readonly Block[] }> {
  const blocks: Block[] = []
  const store = {
    put: async (cid: CID, bytes: unknown) => {
      assert.ok(bytes instanceof Uint8Array)
      blocks.push({ cid, bytes })
      return cid
    }
  }
  const layout = balancedFile(store)
  const { cid } = await layout(leavesOf(size), () => assert.fail('the importer must not encode nodes'))
  return { root: cid, blocks }
}

for (const { size, cid } of fileVectors.filter((each) => each.size > MiB)) {
  test(`unixfs-v1-2025: the tree over ${size} bytes has the root of the vector`, async () => {
    const { root, blocks } = await treeOver(size)
    assert.equal(root.toString(), cid)
    const top = blocks.at(-1)
    assert.ok(top !== undefined && top.cid.equals(root))
    assert.equal(fileBytesOf(root, top.bytes), size)
  })
}

test('building a tree twice gives one root, and every node of it reads back, up to 5 GiB', async () => {
  for (const size of [2 * GiB - 1, 2 * GiB + 1, 4 * GiB - 1, 5 * GiB + 1]) {
    const { root, blocks } = await treeOver(size)
    assert.ok(root.equals((await treeOver(size)).root))
    const sizes = blocks.map(({ cid, bytes }) => fileBytesOf(cid, bytes))
    assert.equal(sizes.pop(), size)
    assert.equal(
      sizes.reduce((sum, each) => sum + each, 0),
      size
    )
  }
})

/** Base 128, least significant group first: https://protobuf.dev/programming-guides/encoding/#varints */
function specVarint(value: bigint): number[] {
  return value < 128n ? [Number(value)] : [Number(value % 128n) | 0x80, ...specVarint(value / 128n)]
}

/** Every magnitude as likely as any other, and the edges of each: `maxSafeNat` alone is nearly always above 2^45. */
const sizeAnywhere = fc
  .integer({ min: 0, max: 52 })
  .chain((exponent) => {
    const low = 2 ** exponent
    return fc.oneof(
      fc.constantFrom(low - 1, low, low + 1),
      fc.maxSafeNat().map((n) => low + (n % low))
    )
  })
  .filter(Number.isSafeInteger)

test('sizes are encoded as the specification says and read back, over all safe integers', () => {
  const sizes = fc
    .array(sizeAnywhere, { minLength: 1, maxLength: 5 })
    .filter((each) => Number.isSafeInteger(each.reduce((sum, size) => sum + size, 0)))
  fc.assert(
    fc.property(sizes, (blockSizes) => {
      const values = blockSizes.map(BigInt)
      const fileSize = values.reduce((sum, size) => sum + size, 0n)
      const data = encodeFileData(blockSizes)
      const fields = [
        8,
        2,
        0x18,
        ...specVarint(fileSize),
        ...values.flatMap((size) => [0x20, ...specVarint(size)])
      ]
      assert.deepEqual([...data], fields)
      const read = UnixFS.unmarshal(data)
      assert.deepEqual(read.blockSizes, values)
      assert.equal(read.fileSize(), fileSize)
    }),
    { numRuns: 5000 }
  )
})

test('sizes of links survive a whole node as well, Tsize included', () => {
  const leaf = rawBlock(fromHex('00')).cid
  fc.assert(
    fc.property(
      sizeAnywhere.filter((size) => size >= 1 && size <= 1024 * GiB),
      (size) => {
        const { cid, bytes } = innerBlock([{ cid: leaf, size }])
        assert.equal(fileBytesOf(cid, bytes), size)
        assert.equal(decode(bytes).Links[0]?.Tsize, size)
      }
    ),
    { numRuns: 2000 }
  )
})

test('ipfs-unixfs still writes 2 GiB wrong: once this fails, its writer can take the place of ours', () => {
  const written = (size: number) => new UnixFS({ type: 'file', blockSizes: [BigInt(size)] }).marshal()
  assert.deepEqual([...written(2 * GiB - 1)], [...encodeFileData([2 * GiB - 1])])
  assert.notDeepEqual([...written(2 * GiB)], [...encodeFileData([2 * GiB])])
  assert.deepEqual([...written(4 * GiB)], [...encodeFileData([4 * GiB])])
})

function fileBytesOf(cid: CID, bytes: Uint8Array): number {
  const node = readObjectNode(cid, bytes)
  assert.ok(node.kind !== 'dag')
  return node.size
}
