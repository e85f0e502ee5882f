// The operator's own deny list: every name of the object, and its undo.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ContentName,
  DeniedError,
  parseContentName,
  rawCidOf,
  systemClock,
  toHex
} from '@commonhold/core'
import * as dagPb from '@ipld/dag-pb'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { LocalDenyList } from '../src/deny-list.ts'
import { text } from './block-store-contract.ts'
import { bytesOf, openStorage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

const large = 1024 * 1024 + 1

test('a denial by any name holds for every name, and its undo by any name for all', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
  const { root, digest } = await storage.add(bytesOf(large, 1))
  const names: ContentName[] = [
    { kind: 'cid', cid: root },
    { kind: 'cid', cid: CID.createV1(0x70, root.multihash).toV0() },
    { kind: 'cid', cid: CID.createV1(0x55, root.multihash) },
    { kind: 'cid', cid: rawCidOf(digest) },
    { kind: 'cid', cid: CID.createV1(dagPb.code, rawCidOf(digest).multihash) },
    { kind: 'digest', digest },
    parseContentName(`${toHex(digest).toUpperCase()}.jpg`),
    parseContentName(root.toString(base58btc))
  ]
  const other = await storage.add(text('another'))
  for (const denied of names) {
    await list.deny(denied, 'not here')
    for (const asked of names) {
      const subject = asked.kind === 'cid' ? { root: asked.cid } : { digest: asked.digest }
      const { verdict, reasons } = await list.decide(subject)
      assert.equal(verdict, 'deny')
      assert.match(reasons.join(), /not here/)
    }
    assert.equal((await list.decide({ root: other.root, digest: other.digest })).verdict, 'allow')
    const undone = names[(names.indexOf(denied) + 3) % names.length] ?? assert.fail()
    assert.equal(await list.undo(undone), true)
    assert.equal((await list.decide({ root, digest })).verdict, 'allow')
    assert.deepEqual(await list.list(), [])
    assert.equal(await list.undo(denied), false)
  }
})

test('a denial holds for both names after the object is gone', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
  const { root, digest } = await storage.add(bytesOf(large, 2))
  await list.deny({ kind: 'cid', cid: root }, 'gone but not forgotten')
  await storage.objects.remove(root)
  assert.equal((await list.decide({ digest })).verdict, 'deny')
})

test('a denial outlives a restart, and says who, why and when', async () => {
  await using folder = await temporaryFolder()
  const name = parseContentName(toHex(new Uint8Array(32).fill(9)))
  {
    await using storage = await openStorage(folder.path)
    await using list = await LocalDenyList.open({ ...storage, clock: { wallMs: () => 1_700_000_000_000 } })
    await list.deny(name, 'first reason')
    await list.deny(name, 'second reason')
  }
  await using storage = await openStorage(folder.path)
  await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
  assert.deepEqual(
    (await list.list()).map((each) => ({ ...each })),
    [{ subject: '09'.repeat(32), reason: 'second reason', deniedAtMs: 1_700_000_000_000, eraseAtOnce: false }]
  )
})

test('a denied file is refused at the door, and taken after the undo', async () => {
  await using folder = await temporaryFolder()
  await using first = await openStorage(folder.path)
  await using list = await LocalDenyList.open({ ...first, clock: systemClock })
  const { root } = await first.add(bytesOf(large, 3))
  await list.deny({ kind: 'cid', cid: root }, 'no')
  await first.objects.remove(root)
  await list[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  const policy = { decide: (subject: Parameters<LocalDenyList['decide']>[0]) => second.decide(subject) }
  await using storage = await openStorage(folder.path, { policy })
  await using second = await LocalDenyList.open({ ...storage, clock: systemClock })
  await assert.rejects(storage.add(bytesOf(large, 3)), DeniedError)
  assert.deepEqual(await storage.blocks.usage(), { blocks: 0, bytes: 0 })
  assert.equal(await second.undo({ kind: 'cid', cid: root }), true)
  await storage.add(bytesOf(large, 3))
})

test('tells whoever listens, and stops when asked', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
  const heard: string[] = []
  const stop = list.onChange(async (_, verdict) => {
    heard.push(verdict)
  })
  const name = parseContentName('0'.repeat(64))
  await list.deny(name, 'x')
  await list.undo(name)
  stop()
  await list.deny(name, 'x')
  assert.deepEqual(heard, ['deny', 'allow'])
})

test('an index that is lost, older or torn from the log denies what was denied, by every name, and nothing else', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const { root, digest } = await storage.add(bytesOf(large, 4))
  const undone = parseContentName('1'.repeat(64))
  {
    await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
    await list.deny({ kind: 'cid', cid: root }, 'first')
    await list.deny(undone, 'in error')
    await list.deny({ kind: 'cid', cid: root }, 'by court order', true)
    await list.undo(undone)
  }
  const restored = async (): Promise<void> => {
    await using list = await LocalDenyList.open({ ...storage, clock: systemClock })
    const { verdict, reasons, eraseAtOnce } = await list.decide({ digest })
    assert.deepEqual([verdict, eraseAtOnce], ['deny', true])
    assert.match(reasons.join(), /by court order/)
    assert.deepEqual(
      (await list.list()).map(({ subject }) => subject),
      [root.toString()]
    )
  }
  const lose = (): Promise<unknown> => storage.database.deleteFrom('denials').execute()
  await lose()
  // The object is unknown as well: only the log knows both of its names.
  await storage.objects.remove(root)
  await restored()
  await lose()
  await storage.database
    .insertInto('denials')
    .values({ subject: '1'.repeat(64), reason: 'in error', deniedAtMs: 1, eraseAtOnce: 0 })
    .execute()
  await restored()
})
