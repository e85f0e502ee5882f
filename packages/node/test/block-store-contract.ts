// What every BlockStore must do. Run it from the tests of each implementation.

import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import { CorruptBlockError, InvalidInputError, limits, rawCidOf, TooLargeError } from '@commonhold/core'
import * as dagPb from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import type { BlockStore } from '../src/block-store.ts'

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: BlockStore
  /** Changes the stored bytes behind the store's back. */
  damage(cid: CID): Promise<void>
}

export function blockOf(bytes: Uint8Array): { readonly cid: CID; readonly bytes: Uint8Array } {
  return { cid: rawCidOf(hash('sha256', bytes, 'buffer')), bytes }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

export function testBlockStore(name: string, open: () => Promise<StoreUnderTest>): void {
  const check = (what: string, run: (under: StoreUnderTest) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      await using under = await open()
      await run(under)
    })
  }

  check('gives back what was put', async ({ store }) => {
    for (const bytes of [text(''), text('a'), new Uint8Array(limits.blockBytesMax).fill(7)]) {
      const block = blockOf(bytes)
      await store.put(block.cid, block.bytes)
      assert.deepEqual(Buffer.from((await store.get(block.cid)) ?? []), Buffer.from(bytes))
      assert.equal(await store.has(block.cid), true)
    }
  })

  check('says undefined for what is absent, and never throws for it', async ({ store }) => {
    const { cid } = blockOf(text('nobody put me'))
    assert.equal(await store.get(cid), undefined)
    assert.equal(await store.has(cid), false)
    assert.equal(await store.delete(cid), false)
    assert.equal(await store.quarantine(cid), false)
  })

  check('refuses bytes of another name, and keeps nothing of them', async ({ store }) => {
    const { cid } = blockOf(text('right'))
    await assert.rejects(store.put(cid, text('wrong')), CorruptBlockError)
    assert.equal(await store.has(cid), false)
    assert.deepEqual(await store.usage(), { blocks: 0, bytes: 0 })
  })

  check('refuses a block that is too large', async ({ store }) => {
    const block = blockOf(new Uint8Array(limits.blockBytesMax + 1))
    await assert.rejects(store.put(block.cid, block.bytes), TooLargeError)
  })

  check('refuses a hash this network does not use', async ({ store }) => {
    const cid = CID.createV1(0x55, identity.digest(text('inline')))
    await assert.rejects(store.put(cid, text('inline')), InvalidInputError)
    await assert.rejects(store.get(cid), InvalidInputError)
    await assert.rejects(store.has(cid), InvalidInputError)
  })

  check('knows a block by its hash, whatever codec and version its CID has', async ({ store }) => {
    const bytes = dagPb.encode({ Links: [], Data: text('x') })
    const { cid } = blockOf(bytes)
    await store.put(CID.createV1(dagPb.code, cid.multihash), bytes)
    assert.ok(await store.get(cid))
    assert.ok(await store.get(CID.createV1(dagPb.code, cid.multihash).toV0()))
    assert.equal(await store.delete(CID.createV1(dagPb.code, cid.multihash).toV0()), true)
    assert.equal(await store.has(cid), false)
  })

  check('takes the same block twice as one', async ({ store }) => {
    const block = blockOf(text('twice'))
    await store.put(block.cid, block.bytes)
    await store.put(block.cid, block.bytes)
    assert.deepEqual(await store.usage(), { blocks: 1, bytes: 5 })
  })

  check('counts what is there', async ({ store }) => {
    const blocks = ['a', 'bb', 'ccc'].map((each) => blockOf(text(each)))
    for (const each of blocks) await store.put(each.cid, each.bytes)
    assert.deepEqual(await store.usage(), { blocks: 3, bytes: 6 })
    assert.equal(await store.delete(blocks[1]?.cid ?? assert.fail()), true)
    assert.deepEqual(await store.usage(), { blocks: 2, bytes: 4 })
  })

  check('lists every block once, by its raw name', async ({ store }) => {
    const blocks = Array.from({ length: 300 }, (_, i) => blockOf(text(`block ${i}`)))
    await Promise.all(blocks.map((each) => store.put(each.cid, each.bytes)))
    const listed: string[] = []
    for await (const cid of store.list()) listed.push(cid.toString())
    assert.deepEqual(listed.sort(), blocks.map((each) => each.cid.toString()).sort())
  })

  check('never hands out damaged bytes', async ({ store, damage }) => {
    const block = blockOf(text('to be damaged'))
    await store.put(block.cid, block.bytes)
    await damage(block.cid)
    await assert.rejects(store.get(block.cid), CorruptBlockError)
  })

  check('heals a damaged block by a put', async ({ store, damage }) => {
    const block = blockOf(text('to be healed'))
    await store.put(block.cid, block.bytes)
    await damage(block.cid)
    await store.put(block.cid, block.bytes)
    assert.deepEqual(Buffer.from((await store.get(block.cid)) ?? []), Buffer.from(block.bytes))
  })

  check('moves aside what is damaged and nothing else', async ({ store, damage }) => {
    const bad = blockOf(text('bad'))
    const good = blockOf(text('good'))
    for (const each of [bad, good]) await store.put(each.cid, each.bytes)
    await damage(bad.cid)
    assert.equal(await store.quarantine(bad.cid), true)
    assert.equal(await store.quarantine(good.cid), false)
    assert.equal(await store.get(bad.cid), undefined)
    assert.ok(await store.get(good.cid))
    const listed: string[] = []
    for await (const cid of store.list()) listed.push(cid.toString())
    assert.deepEqual(listed, [good.cid.toString()])
  })

  check('stops when called off before it began', async ({ store }) => {
    const block = blockOf(text('never'))
    const signal = AbortSignal.abort(new Error('called off'))
    await assert.rejects(store.put(block.cid, block.bytes, { signal }), /called off/)
    assert.equal(await store.has(block.cid), false)
  })

  check('survives concurrent puts, gets and deletes of one block', async ({ store }) => {
    const block = blockOf(new Uint8Array(50_000).fill(3))
    const work = Array.from({ length: 300 }, async (_, i) => {
      if (i % 3 === 0) await store.put(block.cid, block.bytes)
      else if (i % 3 === 1) await store.get(block.cid)
      else await store.delete(block.cid)
    })
    await Promise.all(work)
    await store.put(block.cid, block.bytes)
    assert.deepEqual(Buffer.from((await store.get(block.cid)) ?? []), Buffer.from(block.bytes))
    assert.deepEqual(await store.usage(), { blocks: 1, bytes: 50_000 })
  })
}
