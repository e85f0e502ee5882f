// SIGKILL of a real process that ingests and appends, at the n-th call of each kind that matters: strace kills it as
// the call begins. All it had acknowledged is there afterwards, nothing is torn, nothing is left over.
// That the process was at work is shown by the kill itself: the call it died in is one of the put's.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseCid } from '@commonhold/core'
import { nodeFileSystem } from '../src/file-system.ts'
import { FileRecordLogs } from '../src/record-log.ts'
import { collect, openStorage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

const killsPerPoint = Number(process.env['KILLS_PER_POINT'] ?? 26)

/** Dying before a call is dying after the one before it: of a block, write, fdatasync, rename, fsync of the folder. */
const points = [
  { name: 'before a write of a block, a log or the index', call: 'pwrite64', first: 30 },
  { name: 'before the fsync of a block, a log or the index', call: 'fdatasync', first: 5 },
  { name: 'before the rename of a block', call: 'rename', first: 3 },
  { name: 'before the fsync of a shard folder', call: 'fsync', first: 5 }
] as const

function program(path: string): string {
  const source = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href)
  return `
    import { writeSync } from 'node:fs'
    import { FileRecordLogs } from ${source('../src/record-log.ts')}
    import { nodeFileSystem } from ${source('../src/file-system.ts')}
    import { openStorage } from ${source('objects-under-test.ts')}
    const storage = await openStorage(${JSON.stringify(path)})
    const log = await new FileRecordLogs(${JSON.stringify(join(path, 'data', 'logs'))}, nodeFileSystem).open('journal')
    writeSync(1, 'ready\\n')
    const worker = async (number) => {
      for (let i = 0; ; i++) {
        const { root } = await storage.add(new TextEncoder().encode(\`worker \${number}, file \${i}, \${'x'.repeat(3000)}\`))
        await log.append([new TextEncoder().encode(root.toString())])
        writeSync(1, root.toString() + '\\n')
      }
    }
    await Promise.all([0, 1, 2, 3].map(worker))`
}

function withoutStrace(): string | false {
  return spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
    ? false
    : 'strace is not installed or may not trace here'
}

for (const { name, call, first } of points) {
  test(`kill ${name}: ${killsPerPoint} times`, { skip: withoutStrace(), timeout: 15 * 60_000 }, async (t) => {
    let atWork = 0
    let acknowledged = 0
    for (let kill = 0; kill < killsPerPoint; kill++) {
      await using folder = await temporaryFolder()
      const trace = join(folder.path, 'trace')
      // The folder is made first, so that every counted call is one of the work.
      await (await openStorage(folder.path))[Symbol.asyncDispose]()
      const when = first + kill * 5
      const child = spawn(
        'strace',
        [
          '-f',
          '-o',
          trace,
          '-e',
          `trace=${call}`,
          '-e',
          `inject=${call}:signal=SIGKILL:when=${when}`,
          process.execPath
        ].concat(['--conditions=source', '--input-type=module', '--eval', program(folder.path)]),
        { cwd: new URL('../../..', import.meta.url), stdio: ['ignore', 'pipe', 'inherit'] }
      )
      const said = (await collect(child.stdout)).toString().split('\n').slice(0, -1)
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      assert.match(await readFile(trace, 'latin1'), /killed by SIGKILL/)
      if (said[0] === 'ready') atWork++
      const roots = said.slice(1)
      acknowledged += roots.length
      await using storage = await openStorage(folder.path)
      for (const root of roots) {
        assert.ok((await collect(storage.objects.read(parseCid(root)))).length > 3000, `${root} of ${when}`)
      }
      await using log = await new FileRecordLogs(join(folder.path, 'data', 'logs'), nodeFileSystem).open(
        'journal'
      )
      const records = new Set((await collectRecords(log)).map((each) => each.toString()))
      for (const root of roots) assert.ok(records.has(root), `record of ${root}`)
      const wanted = async function* (): AsyncGenerator<{
        root: ReturnType<typeof parseCid>
        origin: 'upload'
      }> {
        for (const root of records) yield { root: parseCid(root), origin: 'upload' }
      }
      await storage.objects.reconcile(wanted())
      for await (const cid of storage.blocks.list()) assert.ok(await storage.blocks.get(cid))
      const left = await readdir(join(folder.path, 'data', 'blocks'), { recursive: true })
      assert.deepEqual(
        left.filter((each) => each.includes('tmp-') || each.endsWith('.bad')),
        []
      )
    }
    t.diagnostic(`${atWork} of ${killsPerPoint} hit the work, ${acknowledged} files acknowledged`)
    assert.ok(atWork >= killsPerPoint * 0.9, `${atWork} of ${killsPerPoint} kills hit the work`)
  })
}

async function collectRecords(log: { records(): AsyncIterable<Uint8Array> }): Promise<Buffer[]> {
  const records: Buffer[] = []
  for await (const record of log.records()) records.push(Buffer.from(record))
  return records
}
