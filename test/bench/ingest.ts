// `npm run bench ingest`: files into the store, durable, against a plain loop that writes, fsyncs, renames
// and fsyncs the folder for the same bytes, knowing nothing of blocks, hashes or an index.

import { mkdtemp, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { allowEverything, seededRandom, silentLog } from '@commonhold/core'
import {
  DiskSpace,
  FileBlockStore,
  ingest,
  migrateIndex,
  type NodeTables,
  nodeFileSystem,
  nodeMigrations,
  Objects,
  openDataFolder,
  openIndexDatabase
} from '@commonhold/node'
import { median, reportBench } from './report.ts'

const KiB = 1024
const MiB = 1024 * KiB
const rounds = 3

interface Load {
  readonly what: string
  readonly bytes: number
  readonly count: number
  readonly parallel: number
  readonly unit: 'objects/s' | 'MiB/s'
}

const loads: readonly Load[] = [
  { what: '100 KiB files, one at a time', bytes: 100 * KiB, count: 100, parallel: 1, unit: 'objects/s' },
  { what: '100 KiB files, 16 at a time', bytes: 100 * KiB, count: 300, parallel: 16, unit: 'objects/s' },
  { what: '256 MiB file', bytes: 256 * MiB, count: 1, parallel: 1, unit: 'MiB/s' }
]

const noise = seededRandom(1).bytes(MiB)

// On the disk of the checkout: a temporary folder in memory would have free fsyncs.
const work = await mkdtemp(join(import.meta.dirname, '.ingest-'))
try {
  const rows = []
  for (const load of loads) {
    const ours: number[] = []
    const plain: number[] = []
    for (let round = 0; round < rounds; round++) {
      // In turns, so that a busy neighbour slows both.
      plain.push(await figure(load, round * 2, await plainLoop()))
      ours.push(await figure(load, round * 2 + 1, await store()))
    }
    rows.push({
      what: `ingest ${load.what}`,
      value: median(ours),
      unit: load.unit,
      against: { what: 'write + fsync + rename + folder fsync', value: median(plain) }
    })
  }
  await reportBench('Ingest', rows)
} finally {
  await rm(work, { recursive: true, force: true })
}

interface Target extends AsyncDisposable {
  put(bytes: AsyncIterable<Uint8Array>): Promise<void>
}

async function figure(load: Load, seed: number, target: Target): Promise<number> {
  await using _closed = target
  const files = Array.from({ length: load.count }, (_, i) => i)
  const next = files.values()
  const startMs = performance.now()
  const worker = async (): Promise<void> => {
    for (const i of next) await target.put(bytesOf(load.bytes, seed * 1000 + i))
  }
  await Promise.all(Array.from({ length: load.parallel }, worker))
  const seconds = (performance.now() - startMs) / 1000
  return load.unit === 'objects/s' ? load.count / seconds : (load.count * load.bytes) / MiB / seconds
}

/** Cheap bytes, no two MiB of them equal. */
async function* bytesOf(length: number, seed: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; at += MiB) {
    const piece = Buffer.from(noise.subarray(0, Math.min(MiB, length - at)))
    piece.writeUInt32BE(seed, 0)
    piece.writeUInt32BE(at / MiB, 4)
    yield piece
  }
}

async function store(): Promise<Target> {
  const folder = await openDataFolder(await mkdtemp(join(work, 'store-')), nodeFileSystem)
  const init = { storeEpoch: folder.storeEpoch, fileSystem: nodeFileSystem, log: silentLog }
  const index = await openIndexDatabase({ ...init, path: folder.indexPath })
  const database = index.tables<NodeTables>()
  await migrateIndex(database, 'node', nodeMigrations)
  const blocks = await FileBlockStore.open({ ...init, path: folder.blocksPath })
  const space = new DiskSpace({ blocks, fileSystem: nodeFileSystem, path: folder.blocksPath })
  const objects = new Objects({ ...init, blocks, database, space })
  return {
    put: async (bytes) => {
      await ingest(bytes, { objects, policy: allowEverything })
    },
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    }
  }
}

async function plainLoop(): Promise<Target> {
  const folder = await mkdtemp(join(work, 'plain-'))
  let count = 0
  return {
    put: async (bytes) => {
      const path = join(folder, `${count++}`)
      const file = await open(`${path}.tmp`, 'wx')
      for await (const piece of bytes) await file.write(piece)
      await file.datasync()
      await file.close()
      await rename(`${path}.tmp`, path)
      const entries = await open(folder)
      await entries.sync()
      await entries.close()
    },
    [Symbol.asyncDispose]: async () => {}
  }
}
