// What takes a disk of its own, or a large file: a disk that is really full, and memory.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { NoSpaceError, seededRandom, silentLog } from '@commonhold/core'
import { openDataFolder } from '../src/data-folder.ts'
import { FileBlockStore } from '../src/file-block-store.ts'
import { nodeFileSystem } from '../src/file-system.ts'
import { FileRecordLogs } from '../src/record-log.ts'
import { blockOf } from './block-store-contract.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MiB = 1024 * 1024

async function withSmallDisk(run: (path: string) => Promise<void>): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'commonhold-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', path])
  try {
    await run(path)
  } finally {
    execFileSync('umount', [path])
    await rm(path, { recursive: true })
  }
}

async function withoutMount(): Promise<string | false> {
  try {
    await withSmallDisk(async () => {})
    return false
  } catch {
    return 'a tmpfs cannot be mounted here (root is needed)'
  }
}

const skip = await withoutMount()

test('a disk that is full: typed errors, nothing torn, and it goes on when there is room', {
  skip
}, async (t) => {
  await withSmallDisk(async (path) => {
    await using folder = await openDataFolder(join(path, 'data'), nodeFileSystem)
    const init = { path: folder.blocksPath, fileSystem: nodeFileSystem, log: silentLog }
    const store = await FileBlockStore.open(init)
    await using log = await new FileRecordLogs(folder.logsPath, nodeFileSystem).open('journal')
    const random = seededRandom(7)
    const blocks = Array.from({ length: 200 }, () => blockOf(random.bytes(100_000)))
    const kept = new Set<number>()
    let refused = 0
    const put = async (number: number): Promise<void> => {
      const block = blocks[number] ?? assert.fail()
      try {
        await store.put(block.cid, block.bytes)
        kept.add(number)
      } catch (err) {
        assert.ok(err instanceof NoSpaceError, String(err))
        refused++
      }
    }
    for (let i = 0; i < blocks.length; i += 8) {
      await Promise.all(Array.from({ length: 8 }, (_, j) => put(i + j)))
    }
    assert.ok(kept.size > 40 && refused > 40, `${kept.size} kept, ${refused} refused`)
    let records = 0
    await assert.rejects(async () => {
      for (;;) {
        await log.append([random.bytes(10_000)])
        records++
      }
    }, NoSpaceError)
    // Everything acknowledged is whole, and there is nothing else.
    for (const number of kept) assert.ok(await store.get((blocks[number] ?? assert.fail()).cid))
    const names = await readdir(folder.blocksPath, { recursive: true })
    assert.deepEqual(
      names.filter((name) => name.includes('tmp-') || name.endsWith('.bad')),
      []
    )
    assert.equal((await store.usage()).blocks, kept.size)
    // Room again.
    for (const number of [...kept].slice(0, 20)) await store.delete((blocks[number] ?? assert.fail()).cid)
    for (const number of blocks.keys()) {
      if (kept.has(number)) continue
      await put(number)
      assert.ok(kept.has(number))
      break
    }
    await log.append([random.bytes(10_000)])
    let shown = 0
    for await (const _ of log.records()) shown++
    assert.equal(shown, records + 1)
    t.diagnostic(`${kept.size} blocks kept, ${refused} refused, ${records} records`)
  })
})

test('memory while a file of 5 GB is ingested and read', async (t) => {
  // On the disk of the checkout, because the temporary one may be memory.
  await using folder = await temporaryFolder(import.meta.dirname)
  const program = `
    import { openStorage } from ${JSON.stringify(new URL('objects-under-test.ts', import.meta.url).href)}
    import { readFileSync } from 'node:fs'
    import { seededRandom } from '@commonhold/core'
    const noise = seededRandom(1).bytes(${MiB})
    async function* large() {
      for (let i = 0; i < 5000; i++) {
        const piece = Buffer.from(noise)
        piece.writeUInt32BE(i, 0)
        yield piece
      }
    }
    await using storage = await openStorage(${JSON.stringify(folder.path)})
    const { root, size } = await storage.add(large())
    let read = 0
    for await (const { bytes } of storage.objects.read(root)) read += bytes.length
    const peak = /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    console.log(JSON.stringify({ size, read, peakMiB: Number(peak) / 1024 }))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=source', '--input-type=module', '--eval', program],
    { cwd: new URL('../../..', import.meta.url) }
  )
  const { size, read, peakMiB } = JSON.parse(stdout)
  assert.equal(size, 5000 * MiB)
  assert.equal(read, size)
  t.diagnostic(`VmHWM ${Math.round(peakMiB)} MiB`)
  assert.ok(peakMiB <= 300, `${peakMiB} MiB`)
})
