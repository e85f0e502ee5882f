// `npm run bench startup`: what a node with many small blocks does before it serves anybody: the block
// store opens (every file looked at), and index and blocks are compared (every block looked up). Against
// `find`, which looks at the same files and knows nothing. The files are in the kernel's cache: on a disk
// just mounted both take longer.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { rawCidOf, silentLog } from '@commonhold/core'
import {
  DiskSpace,
  FileBlockStore,
  migrateIndex,
  type NodeTables,
  nodeFileSystem,
  nodeMigrations,
  Objects,
  openDataFolder,
  openIndexDatabase
} from '@commonhold/node'
import { NextToLast } from 'blockstore-fs/sharding'
import { median, reportBench } from './report.ts'

const blockCount = 200_000
const rounds = 3
const rowsPerInsert = 500

const work = await mkdtemp(join(import.meta.dirname, '.startup-'))
try {
  await using folder = await openDataFolder(join(work, 'data'), nodeFileSystem)
  const init = { storeEpoch: folder.storeEpoch, fileSystem: nodeFileSystem, log: silentLog }
  await using index = await openIndexDatabase({ ...init, path: folder.indexPath })
  const database = index.tables<NodeTables>()
  await migrateIndex(database, 'node', nodeMigrations)
  await fill(folder.blocksPath)
  const found: number[] = []
  const opened: number[] = []
  const reconciled: number[] = []
  for (let round = 0; round < rounds; round++) {
    found.push(await msOf(() => execFileSync('find', [folder.blocksPath, '-type', 'f', '-size', '-1'])))
    let blocks: FileBlockStore | undefined
    opened.push(
      await msOf(async () => {
        blocks = await FileBlockStore.open({ ...init, path: folder.blocksPath })
      })
    )
    if (blocks === undefined || (await blocks.usage()).blocks !== blockCount)
      throw new Error('not all blocks were found')
    const space = new DiskSpace({ blocks, fileSystem: nodeFileSystem, path: folder.blocksPath })
    const objects = new Objects({ ...init, blocks, database, space })
    reconciled.push(
      await msOf(async () => {
        const { adopted, orphans } = await objects.reconcile(nothing())
        if (adopted + orphans > 0) throw new Error('index and blocks disagree')
      })
    )
  }
  const against = { what: '`find -size` over the same files', value: median(found) }
  await reportBench('Startup with 200,000 blocks', [
    { what: 'open the block store', value: median(opened), unit: 'ms', against },
    { what: 'compare index and blocks', value: median(reconciled), unit: 'ms', against }
  ])

  /** As many puts would leave it, without their fsyncs. */
  async function fill(path: string): Promise<void> {
    const shards = new NextToLast()
    const made = new Set<string>()
    await database.transaction().execute(async (transaction) => {
      for (let from = 1; from <= blockCount; from += rowsPerInsert) {
        const rows = Array.from({ length: rowsPerInsert }, (_, i) => {
          const bytes = Buffer.from(`block ${from + i}`)
          const digest = new Uint8Array(createHash('sha256').update(bytes).digest())
          const root = rawCidOf(digest)
          const { dir, file } = shards.encode(root)
          if (!made.has(dir)) mkdirSync(join(path, dir), { recursive: true })
          made.add(dir)
          writeFileSync(join(path, dir, file), bytes)
          return { id: from + i, root: root.bytes, digest, size: bytes.length }
        })
        const common = { origin: 'upload', state: 'complete' } as const
        await transaction
          .insertInto('objects')
          .values(rows.map((row) => ({ ...row, ...common, rootDigest: row.digest })))
          .execute()
        await transaction
          .insertInto('object_blocks')
          .values(rows.map(({ id, digest }) => ({ object: id, block: digest })))
          .execute()
      }
    })
  }
} finally {
  await rm(work, { recursive: true, force: true })
}

async function* nothing(): AsyncGenerator<never> {}

async function msOf(work: () => unknown): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}
