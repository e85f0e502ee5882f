// Power loss and kill -9 at every single call to the disk, under data folder, block store and record log:
// what was acknowledged is there, nothing is torn, no temporary file stays.
// And the proof that this test can fail: every kind of fsync there is is taken away in turn, and each
// time the same search must find a loss.

import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { seededRandom, silentLog, toHex } from '@commonhold/core'
import { openDataFolder } from '../src/data-folder.ts'
import { FileBlockStore } from '../src/file-block-store.ts'
import { type FileSystem, nodeFileSystem } from '../src/file-system.ts'
import { FileRecordLogs } from '../src/record-log.ts'
import { blockOf, text } from './block-store-contract.ts'
import { CrashDisk, type CrashMode, type Sync } from './crash-disk.ts'
import { temporaryFolder } from './temporary-folder.ts'

const seed = Number(process.env['CRASH_SEED'] ?? 20_261_124)
/** How often a moment is tried with a random outcome; more in the long tier. */
const randomRuns = Number(process.env['CRASH_RANDOM_RUNS'] ?? 1)
const modes: readonly CrashMode[] = ['synced', 'entries', ...new Array<CrashMode>(randomRuns).fill('random')]
const blocks = ['one', 'two', 'three', 'four', 'five'].map((each) => blockOf(text(each)))
const records = ['first', 'second', 'third', 'fourth']

/** What somebody was told. */
interface Acknowledged {
  epoch: string | undefined
  readonly blocks: Set<number>
  records: number
}

/**
 * A life of a node: makes its folder, stores, appends. Adds to `told` what it would tell.
 * @param together whether some puts are concurrent; one by one, the n-th call is always the same call.
 */
async function work(
  fileSystem: FileSystem,
  path: string,
  told: Acknowledged,
  together: boolean
): Promise<void> {
  await using folder = await openDataFolder(join(path, 'home', 'data'), fileSystem)
  told.epoch = toHex(folder.storeEpoch)
  const store = await FileBlockStore.open({ path: folder.blocksPath, fileSystem, log: silentLog })
  const put = async (number: number): Promise<void> => {
    const block = blocks[number] ?? assert.fail()
    await store.put(block.cid, block.bytes)
    told.blocks.add(number)
  }
  await put(0)
  if (together) {
    const ends = await Promise.allSettled([put(1), put(2), put(3)])
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  } else for (const number of [1, 2, 3]) await put(number)
  await using log = await new FileRecordLogs(folder.logsPath, fileSystem).open('journal')
  for (const record of records.slice(0, 3)) {
    await log.append([text(record)])
    told.records++
  }
  await put(4)
}

/** The next life, after a kill: finds what is there, and tells of it. */
async function workAgain(fileSystem: FileSystem, path: string, told: Acknowledged): Promise<void> {
  await using folder = await openDataFolder(join(path, 'home', 'data'), fileSystem)
  if (told.epoch !== undefined) assert.equal(toHex(folder.storeEpoch), told.epoch)
  told.epoch = toHex(folder.storeEpoch)
  const store = await FileBlockStore.open({ path: folder.blocksPath, fileSystem, log: silentLog })
  for (const [number, block] of blocks.entries()) {
    await store.put(block.cid, block.bytes)
    told.blocks.add(number)
  }
  await using log = await new FileRecordLogs(folder.logsPath, fileSystem).open('journal')
  let shown = 0
  for await (const record of log.records()) assert.equal(Buffer.from(record).toString(), records[shown++])
  assert.ok(shown >= told.records, 'a kill alone lost a record')
  told.records = shown
  // Only then: the fsync of an append would make up for one missing when the log was opened.
  if (shown > 0) return
  await log.append([text(records[0] ?? assert.fail())])
  told.records = 1
}

/** Looks at what the crash left, with a disk that works. */
async function verify(path: string, told: Acknowledged): Promise<void> {
  const data = join(path, 'home', 'data')
  await using folder = await openDataFolder(data, nodeFileSystem)
  if (told.epoch !== undefined) assert.equal(toHex(folder.storeEpoch), told.epoch, 'epoch lost')
  const store = await FileBlockStore.open({
    path: folder.blocksPath,
    fileSystem: nodeFileSystem,
    log: silentLog
  })
  for (const number of told.blocks)
    assert.ok(await store.get((blocks[number] ?? assert.fail()).cid), 'block lost')
  for await (const cid of store.list()) assert.ok(await store.get(cid), 'torn block')
  await using log = await new FileRecordLogs(folder.logsPath, nodeFileSystem).open('journal')
  let shown = 0
  for await (const record of log.records()) assert.equal(Buffer.from(record).toString(), records[shown++])
  assert.ok(shown >= told.records, 'record lost')
  const left = await readdir(folder.blocksPath, { recursive: true })
  assert.deepEqual(
    left.filter((name) => basename(name).startsWith('tmp-') && dirname(name) !== '.'),
    []
  )
}

interface Way {
  /** Killed, and another life before the power loss. */
  readonly again: boolean
  readonly mode: CrashMode
  readonly together: boolean
  /** Makes one random outcome differ from another. */
  readonly number: number
}

interface Run {
  readonly syncs: readonly Sync[]
  /** Whether the first life came to its own end, so that later moments need not be tried. */
  readonly whole: boolean
}

/** One life ended at its `at`-th call, perhaps another; then power loss. */
async function run(
  at: number,
  { again, mode, together, number }: Way,
  ignore?: (sync: Sync) => boolean
): Promise<Run> {
  await using folder = await temporaryFolder(await memoryDisk())
  const disk = new CrashDisk(folder.path, ignore)
  const told: Acknowledged = { epoch: undefined, blocks: new Set(), records: 0 }
  let whole = true
  await work(disk.start(at), folder.path, told, together).catch((err: unknown) => {
    if (!disk.ended) throw err
    whole = false
  })
  if (again) await workAgain(disk.start(), folder.path, told)
  await disk.crash(mode, seededRandom(seed + at * 101 + number))
  await verify(folder.path, told)
  return { syncs: disk.syncs, whole }
}

/** Every moment × the ways given. @throws at the first loss */
async function search(ways: readonly Way[], ignore?: (sync: Sync) => boolean): Promise<number> {
  let runs = 0
  for (let at = 1; ; at++) {
    let whole = true
    for (const way of ways) {
      try {
        if (!(await run(at, way, ignore)).whole) whole = false
      } catch (err) {
        throw new Error(`call ${at}, ${JSON.stringify(way)}, seed ${seed}`, { cause: err })
      }
      runs++
    }
    if (whole) return runs
  }
}

/** Which fsync it is: what for, in which life, and whether it was the first of that path there. */
function nameOf(sync: Sync): string {
  const life = sync.process === 1 ? 'first life' : 'life after a kill'
  const [, , where, shard] = sync.path.split('/')
  const file = basename(sync.path)
  let what: string
  if (sync.path === '') what = 'folder above the data folder’s parent'
  else if (sync.path === 'home') what = 'parent of the data folder'
  else if (where === undefined) what = 'data folder'
  else if (file === 'tmp-store-epoch')
    what = `marker of ${shard === undefined ? 'the data folder' : 'the blocks'}`
  else if (sync.kind === 'file') what = where === 'logs' ? 'log' : 'block'
  else if (where === 'logs') what = 'folder of the logs'
  else what = shard === undefined ? 'folder of the blocks' : 'shard folder'
  let order = ''
  if (what === 'log') order = sync.again ? ' at append' : ' at open'
  if (what === 'data folder') order = sync.again ? ' again' : ''
  return `${what}${order}, ${life}`
}

test('kill or power loss at any call: nothing acknowledged is lost, nothing torn', {
  timeout: 120_000
}, async (t) => {
  const ways = modes.flatMap((mode, number) => [
    { again: false, mode, together: true, number },
    { again: true, mode, together: false, number: number + 50 }
  ])
  const runs = await search(ways)
  t.diagnostic(`${runs} crashes, seed ${seed}`)
  assert.ok(runs > 400, `${runs} crashes`)
})

test('taking away any one fsync is noticed', { timeout: 120_000 }, async (t) => {
  const all = await kinds()
  t.diagnostic([...all].join('; '))
  assert.ok(all.size >= 20, `${all.size} kinds of fsync`)
  for (const kind of all) {
    const ignore = (sync: Sync): boolean => nameOf(sync) === kind
    const again = kind.endsWith('after a kill')
    // Which of two unsynced entries of one folder stays is up to chance, so that kind gets more of it.
    const chances = new Array<CrashMode>(kind.startsWith('data folder,') ? 6 : 0).fill('random')
    const ways = [...modes, ...chances].map((mode, number) => ({ again, mode, together: false, number }))
    const found = async (): Promise<void> => {
      // Most are missed at the end of a life already.
      const lastWords: Way = { again, mode: 'synced', together: false, number: 0 }
      if (!again) await run(Number.POSITIVE_INFINITY, lastWords, ignore)
      await search(ways, ignore)
    }
    await assert.rejects(found, `nobody noticed that this fsync was missing: ${kind}`)
  }
})

/** Every kind of fsync there is in either life. */
async function kinds(): Promise<Set<string>> {
  const found = new Set<string>()
  for (let at = 1; ; at++) {
    const done = await run(at, { again: true, mode: 'synced', together: false, number: 0 })
    for (const sync of done.syncs) found.add(nameOf(sync))
    if (done.whole) return found
  }
}

async function memoryDisk(): Promise<string> {
  return (await nodeFileSystem.stat('/dev/shm')) === undefined ? tmpdir() : '/dev/shm'
}
