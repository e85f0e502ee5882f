// Power loss under SQLite, which does its own I/O: the system calls of a real process are recorded with
// strace and replayed up to every one of them; what a disk could have left at that moment is opened and
// asked for every row that had been acknowledged. With `synchronous = OFF` the same replay must find loss.

import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { type Random, seededRandom } from '@commonhold/core'
import { temporaryFolder } from './temporary-folder.ts'

const seed = Number(process.env['CRASH_SEED'] ?? 20_261_124)
const rows = 30
const sectorBytes = 512

type Call =
  | { readonly kind: 'create'; readonly name: string }
  | { readonly kind: 'write'; readonly name: string; readonly bytes: Buffer; readonly at: number }
  | { readonly kind: 'truncate'; readonly name: string; readonly length: number }
  | { readonly kind: 'sync'; readonly name: string }
  | { readonly kind: 'sync folder' }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'acknowledge' }

/** Adds rows as `Objects` does, and says so on standard output after each. */
function program(path: string, synchronous: string): string {
  const source = (file: string): string => JSON.stringify(new URL(`../src/${file}`, import.meta.url).href)
  return `
    import { writeSync } from 'node:fs'
    import { sql } from 'kysely'
    import { rawCidOf, silentLog } from '@commonhold/core'
    import { nodeFileSystem } from ${source('file-system.ts')}
    import { migrateIndex, openIndexDatabase } from ${source('index-database.ts')}
    import { nodeMigrations } from ${source('node-tables.ts')}
    import { ObjectIndex } from ${source('object-index.ts')}
    await using index = await openIndexDatabase({
      path: ${JSON.stringify(path)}, storeEpoch: new Uint8Array(16), fileSystem: nodeFileSystem, log: silentLog
    })
    const database = index.tables()
    await migrateIndex(database, 'node', nodeMigrations)
    await sql\`PRAGMA synchronous = ${synchronous}\`.execute(database)
    // Small, so that checkpoints happen among the rows.
    await sql\`PRAGMA wal_autocheckpoint = 16\`.execute(database)
    const objects = new ObjectIndex(database)
    for (let i = 0; i < ${rows}; i++) {
      const digest = new Uint8Array(32).fill(i)
      await objects.add({ root: rawCidOf(digest), size: i, digest }, 'upload', [digest])
      writeSync(1, 'ack\\n')
    }`
}

async function record(folder: string, synchronous: string): Promise<Call[]> {
  const trace = join(folder, 'trace')
  const data = join(folder, 'data')
  await mkdir(trace)
  await mkdir(data)
  const path = join(data, 'index.db')
  const traced = 'trace=openat,close,write,pwrite64,ftruncate,fsync,fdatasync,unlink,rename'
  await promisify(execFile)(
    'strace',
    // One file per thread: SQLite runs on the main one, whose calls are then in order and never interrupted.
    [
      '-ff',
      '-xx',
      '-s',
      '100000',
      '-e',
      traced,
      '-o',
      join(trace, 't'),
      process.execPath,
      '--conditions=source'
    ].concat(['--input-type=module', '--eval', program(path, synchronous)]),
    { cwd: new URL('../../..', import.meta.url), maxBuffer: 1 << 26 }
  )
  for (const name of await readdir(trace)) {
    const text = await readFile(join(trace, name), 'latin1')
    const calls = callsIn(text, data)
    if (calls.some((call) => call.kind === 'acknowledge')) return calls
  }
  return assert.fail('no thread of the traced process has acknowledged anything')
}

const quoted = String.raw`"((?:\\x[0-9a-f]{2})*)"`
const openForm = new RegExp(`^openat\\(AT_FDCWD, ${quoted}, ([A-Z_|0-9]+)(?:, 0\\d+)?\\)\\s+= (\\d+)`)
const writeForm = new RegExp(`^p?write(?:64)?\\((\\d+), ${quoted}, \\d+(?:, (\\d+))?\\)\\s+= (\\d+)`)
const syncForm = /^f(?:data)?sync\((\d+)\)\s+= 0/
const truncateForm = /^ftruncate\((\d+), (\d+)\)\s+= 0/
const closeForm = /^close\((\d+)\)/
const removeForm = new RegExp(`^unlink\\(${quoted}\\)\\s+= 0`)

function callsIn(trace: string, data: string): Call[] {
  const calls: Call[] = []
  const open = new Map<string, string>()
  const known = new Set<string>()
  for (const line of trace.split('\n')) {
    const opened = openForm.exec(line)
    if (opened !== null) {
      const path = bytesIn(opened[1] ?? '').toString()
      if (!path.startsWith(data)) continue
      open.set(opened[3] ?? '', path)
      if (opened[2]?.includes('O_CREAT') === true && !known.has(path)) {
        known.add(path)
        calls.push({ kind: 'create', name: basename(path) })
      }
      continue
    }
    const written = writeForm.exec(line)
    if (written !== null) {
      const bytes = bytesIn(written[2] ?? '')
      if (written[1] === '1' && bytes.toString() === 'ack\n') calls.push({ kind: 'acknowledge' })
      const path = open.get(written[1] ?? '')
      if (path !== undefined) {
        assert.equal(bytes.length, Number(written[4]), 'the trace has the whole write')
        calls.push({ kind: 'write', name: basename(path), bytes, at: Number(written[3]) })
      }
      continue
    }
    const synced = open.get(syncForm.exec(line)?.[1] ?? '')
    if (synced !== undefined) {
      calls.push(synced === data ? { kind: 'sync folder' } : { kind: 'sync', name: basename(synced) })
    }
    const truncated = truncateForm.exec(line)
    const shorter = open.get(truncated?.[1] ?? '')
    if (shorter !== undefined) {
      calls.push({ kind: 'truncate', name: basename(shorter), length: Number(truncated?.[2]) })
    }
    const removed = removeForm.exec(line)?.[1]
    if (removed !== undefined) {
      const path = bytesIn(removed).toString()
      known.delete(path)
      if (path.startsWith(data)) calls.push({ kind: 'remove', name: basename(path) })
    }
    open.delete(closeForm.exec(line)?.[1] ?? '')
  }
  return calls
}

function bytesIn(escaped: string): Buffer {
  return Buffer.from(escaped.replaceAll('\\x', ''), 'hex')
}

interface DiskFile {
  durable: Buffer
  now: Buffer
}

/** The disk as the calls leave it. */
class Replay {
  readonly now = new Map<string, DiskFile>()
  durable = new Map<string, DiskFile>()
  acknowledged = 0

  apply(call: Call): void {
    if (call.kind === 'acknowledge') this.acknowledged++
    else if (call.kind === 'sync folder') this.durable = new Map(this.now)
    else if (call.kind === 'create')
      this.now.set(call.name, { durable: Buffer.alloc(0), now: Buffer.alloc(0) })
    else if (call.kind === 'remove') this.now.delete(call.name)
    else {
      const file = this.now.get(call.name) ?? assert.fail(`${call.name} was never made`)
      if (call.kind === 'sync') file.durable = file.now
      else {
        const length =
          call.kind === 'write' ? Math.max(file.now.length, call.at + call.bytes.length) : call.length
        const now = Buffer.alloc(length)
        file.now.copy(now)
        if (call.kind === 'write') now.set(call.bytes, call.at)
        file.now = now
      }
    }
  }

  /** @param random absent: only what was fsynced; else any mixture of old and new sectors and entries */
  left(random?: Random): Map<string, Buffer> {
    const left = new Map<string, Buffer>()
    for (const name of new Set([...this.durable.keys(), ...this.now.keys()])) {
      const file = (random === undefined || random.unit() < 0.5 ? this.durable : this.now).get(name)
      if (file !== undefined) left.set(name, random === undefined ? file.durable : mixed(file, random))
    }
    return left
  }
}

function mixed({ durable, now }: DiskFile, random: Random): Buffer {
  const bytes = Buffer.alloc(random.unit() < 0.5 ? durable.length : now.length)
  for (let at = 0; at < bytes.length; at += sectorBytes) {
    const from = random.unit() < 0.5 ? durable : now
    bytes.set(from.subarray(at, Math.min(at + sectorBytes, bytes.length)), at)
  }
  return bytes
}

/** Opens what is left as the next process would. @throws when it is damaged or lacks an acknowledged row */
async function verify(folder: string, left: Map<string, Buffer>, acknowledged: number): Promise<void> {
  // Before the first acknowledgement a damaged index is begun anew, like a fresh one.
  if (acknowledged === 0) return
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  for (const [name, bytes] of left) await writeFile(join(folder, name), bytes)
  const database = new DatabaseSync(join(folder, 'index.db'))
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get()?.['integrity_check'], 'ok')
    const found = database.prepare('SELECT count(*) AS n FROM objects WHERE size < ?').get(acknowledged)?.[
      'n'
    ]
    assert.equal(found, acknowledged, 'an acknowledged row is gone')
  } finally {
    database.close()
  }
}

async function search(folder: string, calls: readonly Call[]): Promise<number> {
  const replay = new Replay()
  const random = seededRandom(seed)
  let states = 0
  for (const [number, call] of calls.entries()) {
    replay.apply(call)
    for (const way of [undefined, random, random]) {
      try {
        await verify(join(folder, 'left'), replay.left(way), replay.acknowledged)
      } catch (err) {
        throw new Error(`after call ${number} (${call.kind}), seed ${seed}`, { cause: err })
      }
      states++
    }
  }
  return states
}

function withoutStrace(): string | false {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return 'strace is not installed or may not trace here'
  }
}

test('power loss at any system call of the index: no acknowledged row lost', {
  skip: withoutStrace()
}, async (t) => {
  await using folder = await temporaryFolder()
  const calls = await record(folder.path, 'FULL')
  assert.equal(calls.filter((call) => call.kind === 'acknowledge').length, rows)
  assert.ok(
    calls.some((call) => call.kind === 'write' && call.name === 'index.db'),
    'no checkpoint was recorded'
  )
  const states = await search(folder.path, calls)
  t.diagnostic(`${calls.length} calls, ${states} crash states`)
})

test('the same without fsync is noticed', { skip: withoutStrace() }, async () => {
  await using folder = await temporaryFolder()
  const calls = await record(folder.path, 'OFF')
  await assert.rejects(search(folder.path, calls), /after call/)
})
