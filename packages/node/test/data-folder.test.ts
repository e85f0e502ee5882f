// The data folder: made once, ours or refused, one process at a time.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { ConflictError, StoreMismatchError, silentLog, toHex } from '@commonhold/core'
import { openDataFolder } from '../src/data-folder.ts'
import { nodeFileSystem } from '../src/file-system.ts'
import { openIndexDatabase } from '../src/index-database.ts'
import { temporaryFolder } from './temporary-folder.ts'

async function epochOf(path: string): Promise<string> {
  await using folder = await openDataFolder(path, nodeFileSystem)
  return toHex(folder.storeEpoch)
}

test('is made with a random epoch, which it keeps', async () => {
  await using folder = await temporaryFolder()
  const first = await epochOf(join(folder.path, 'a', 'b', 'data'))
  assert.equal(first.length, 32)
  assert.equal(await epochOf(join(folder.path, 'a', 'b', 'data')), first)
  assert.notEqual(await epochOf(join(folder.path, 'other')), first)
})

test('a folder of somebody else is refused and left as it was', async () => {
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'thesis.tex'), 'years of work')
  await assert.rejects(openDataFolder(folder.path, nodeFileSystem), StoreMismatchError)
  assert.deepEqual(await readdir(folder.path), ['thesis.tex'])
})

const losses: readonly (readonly [string, (data: string) => Promise<void>])[] = [
  [
    'the marker is gone but blocks are there',
    async (data) => {
      await mkdir(join(data, 'blocks', 'AA'))
      await rm(join(data, 'store-epoch'))
    }
  ],
  [
    'the marker is gone but the index is there',
    async (data) => {
      await writeFile(join(data, 'index.db'), '')
      await rm(join(data, 'store-epoch'))
    }
  ],
  [
    'the marker is gone but logs are there',
    async (data) => {
      await writeFile(join(data, 'logs', 'journal.log'), '')
      await rm(join(data, 'store-epoch'))
    }
  ],
  [
    'the disk of the blocks is not mounted',
    async (data) => {
      await rename(join(data, 'blocks'), join(data, '..', 'unmounted'))
      await mkdir(join(data, 'blocks'))
    }
  ],
  [
    'the disk of the blocks is another one',
    async (data) => {
      await epochOf(join(data, '..', 'other'))
      await rm(join(data, 'blocks'), { recursive: true })
      await rename(join(data, '..', 'other', 'blocks'), join(data, 'blocks'))
    }
  ]
]
for (const [what, lose] of losses) {
  test(`refused when ${what}`, async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await epochOf(data)
    await lose(data)
    await assert.rejects(openDataFolder(data, nodeFileSystem), StoreMismatchError)
  })
}

const badMarkers: readonly (readonly [string, string | Uint8Array])[] = [
  ['empty', ''],
  ['truncated', 'commonhold store 1 00112233'],
  ['oversized', `commonhold store 1 ${'0'.repeat(1_000_000)}\n`],
  ['wrong type', '{"epoch": 1}'],
  ['wrong version', `commonhold store 2 ${'0'.repeat(32)}\n`],
  ['garbage', new Uint8Array(51).fill(0xff)]
]
for (const [what, bytes] of badMarkers) {
  test(`bad input, marker × ${what}: refused, and not replaced`, async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await epochOf(data)
    for (const marker of [join(data, 'store-epoch'), join(data, 'blocks', 'store-epoch')]) {
      const good = await readFile(marker)
      await writeFile(marker, bytes)
      await assert.rejects(openDataFolder(data, nodeFileSystem), StoreMismatchError)
      assert.deepEqual(await readFile(marker), Buffer.from(bytes))
      await writeFile(marker, good)
    }
    await epochOf(data)
  })
}

test('an index made with another folder is refused', async () => {
  await using folder = await temporaryFolder()
  for (const name of ['a', 'b']) {
    await using data = await openDataFolder(join(folder.path, name), nodeFileSystem)
    await using _index = await openIndexDatabase({
      path: data.indexPath,
      storeEpoch: data.storeEpoch,
      fileSystem: nodeFileSystem,
      log: silentLog
    })
  }
  await rename(join(folder.path, 'a', 'index.db'), join(folder.path, 'b', 'index.db'))
  await using data = await openDataFolder(join(folder.path, 'b'), nodeFileSystem)
  const opening = openIndexDatabase({
    path: data.indexPath,
    storeEpoch: data.storeEpoch,
    fileSystem: nodeFileSystem,
    log: silentLog
  })
  await assert.rejects(opening, StoreMismatchError)
})

test('a second opener in one process is refused at once', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'data')
  {
    await using _held = await openDataFolder(data, nodeFileSystem)
    await assert.rejects(openDataFolder(data, nodeFileSystem), ConflictError)
  }
  await epochOf(data)
})

test('a second process is refused and told the first one’s number; SIGKILL frees the folder', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.path, 'data')
  const holder = await holderOf(data)
  try {
    await assert.rejects(openDataFolder(data, nodeFileSystem), (err: unknown) => {
      assert.ok(err instanceof ConflictError)
      assert.match(err.message, new RegExp(`\\b${holder.pid}\\b`))
      return true
    })
  } finally {
    holder.kill('SIGKILL')
    await once(holder, 'exit')
  }
  await epochOf(data)
})

/** A process that has opened the folder and waits. */
async function holderOf(data: string): Promise<ChildProcess> {
  const program = `
    import { openDataFolder } from ${JSON.stringify(new URL('../src/data-folder.ts', import.meta.url).href)}
    import { nodeFileSystem } from ${JSON.stringify(new URL('../src/file-system.ts', import.meta.url).href)}
    await openDataFolder(${JSON.stringify(data)}, nodeFileSystem)
    console.log('held')
    setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface({ input: child.stdout })
  const [line] = await once(lines, 'line')
  assert.equal(line, 'held')
  return child
}
