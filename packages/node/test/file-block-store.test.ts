// The block store on files: the contract, and what only files have: temporary names, a quarantine folder,
// errors of the disk, and one disk under many hands.

import assert from 'node:assert/strict'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { NoSpaceError, silentLog } from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import type { CID } from 'multiformats/cid'
import { FileBlockStore } from '../src/file-block-store.ts'
import { type FileSystem, nodeFileSystem } from '../src/file-system.ts'
import { blockOf, testBlockStore, text } from './block-store-contract.ts'
import { FailingFileSystem } from './failing-file-system.ts'
import { temporaryFolder } from './temporary-folder.ts'

function fileOf(path: string, cid: CID): string {
  const { dir, file } = new NextToLast().encode(cid)
  return join(path, dir, file)
}

function openStore(path: string, fileSystem: FileSystem = nodeFileSystem): Promise<FileBlockStore> {
  return FileBlockStore.open({ path, fileSystem, log: silentLog })
}

testBlockStore('file block store', async () => {
  const folder = await temporaryFolder()
  return {
    store: await openStore(folder.path),
    damage: (cid) => writeFile(fileOf(folder.path, cid), 'damaged'),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]()
  }
})

test('removes the temporary files of a crash at start, and counts what is there', async () => {
  await using folder = await temporaryFolder()
  const block = blockOf(text('kept'))
  await (await openStore(folder.path)).put(block.cid, block.bytes)
  const left = join(fileOf(folder.path, block.cid), '..', 'tmp-0123')
  await writeFile(left, 'half a blo')
  const store = await openStore(folder.path)
  assert.deepEqual(await store.usage(), { blocks: 1, bytes: 4 })
  await assert.rejects(readFile(left), { code: 'ENOENT' })
})

test('keeps only the newest damaged blocks', async () => {
  await using folder = await temporaryFolder()
  const store = await FileBlockStore.open({
    path: folder.path,
    fileSystem: nodeFileSystem,
    log: silentLog,
    quarantineBlocksMax: 3
  })
  for (let i = 0; i < 10; i++) {
    const block = blockOf(text(`bad ${i}`))
    await store.put(block.cid, block.bytes)
    await writeFile(fileOf(folder.path, block.cid), 'damaged')
    assert.equal(await store.quarantine(block.cid), true)
  }
  assert.equal((await readdir(join(folder.path, 'quarantine'))).length, 3)
})

test('an error of the disk is thrown as it is, never taken for absence', async () => {
  await using folder = await temporaryFolder()
  const disk = new FailingFileSystem()
  const store = await openStore(folder.path, disk)
  const block = blockOf(text('there'))
  await store.put(block.cid, block.bytes)
  for (const code of ['EIO', 'EMFILE', 'EACCES', 'ENOTDIR', 'ELOOP']) {
    disk.fail(() => true, code)
    await assert.rejects(store.get(block.cid), { code })
    await assert.rejects(store.has(block.cid), { code })
    disk.heal()
  }
  assert.ok(await store.get(block.cid))
})

test('a full disk at any step: typed error, nothing left behind, works again when there is room', async () => {
  await using folder = await temporaryFolder()
  const disk = new FailingFileSystem()
  const store = await openStore(folder.path, disk)
  for (const code of ['ENOSPC', 'EDQUOT']) {
    for (const step of ['makeFolder', 'open', 'write', 'sync', 'rename'] as const) {
      const block = blockOf(text(`${code} at ${step}`))
      disk.fail((call) => call.step === step, code)
      await assert.rejects(store.put(block.cid, block.bytes), NoSpaceError, `${code} at ${step}`)
      disk.heal()
      assert.equal(await store.has(block.cid), false)
      assert.deepEqual(await temporaries(folder.path), [], `${code} at ${step}`)
      await store.put(block.cid, block.bytes)
      assert.ok(await store.get(block.cid))
    }
  }
})

test('a failed fsync fails the put, and is not tried again', async () => {
  await using folder = await temporaryFolder()
  const disk = new FailingFileSystem()
  const store = await openStore(folder.path, disk)
  for (const step of ['sync', 'syncFolder'] as const) {
    const block = blockOf(text(`EIO at ${step}`))
    await mkdir(join(fileOf(folder.path, block.cid), '..'), { recursive: true })
    let calls = 0
    disk.fail((call) => call.step === step && ++calls > 0, 'EIO')
    await assert.rejects(store.put(block.cid, block.bytes), { code: 'EIO' })
    assert.equal(calls, 1)
    disk.heal()
  }
})

// Seen to fail with blockstore-fs itself: 11 wrong reads in 35,590, from its one temporary name per block.
test('100,000 concurrent puts and gets of the same blocks: not one wrong read', {
  timeout: 60_000
}, async () => {
  await using folder = await temporaryFolder(await memoryDisk())
  const store = await openStore(folder.path)
  const blocks = Array.from({ length: 64 }, (_, i) => blockOf(new Uint8Array(2_000).fill(i)))
  let reads = 0
  let operations = 0
  const worker = async (number: number): Promise<void> => {
    for (let i = 0; i < 1_563; i++, operations++) {
      const block = blocks[(i * 7 + number) % blocks.length] ?? assert.fail()
      const kind = (i + number) % 8
      if (kind < 2) await store.put(block.cid, block.bytes)
      // Deleted now and then, so that puts write and do not only compare.
      else if (kind === 2 && i % 5 === 0) await store.delete(block.cid)
      else {
        const bytes = await store.get(block.cid)
        if (bytes === undefined) continue
        reads++
        assert.equal(Buffer.compare(bytes, block.bytes), 0)
      }
    }
  }
  await Promise.all(Array.from({ length: 64 }, (_, number) => worker(number)))
  assert.ok(operations >= 100_000, `${operations} operations`)
  assert.ok(reads > 30_000, `${reads} reads`)
  assert.deepEqual(await temporaries(folder.path), [])
})

async function temporaries(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true })
  return names.filter((name) => name.includes('tmp-'))
}

/** Its fsync is free, so the test spends its time on what it tests. */
async function memoryDisk(): Promise<string> {
  return (await nodeFileSystem.stat('/dev/shm')) === undefined ? tmpdir() : '/dev/shm'
}
