// A node's storage, whole and real, in a folder of its own.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { allowEverything, type ContentPolicy, silentLog } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { BlockStore } from '../src/block-store.ts'
import { openDataFolder } from '../src/data-folder.ts'
import { DiskSpace } from '../src/disk-space.ts'
import { FileBlockStore } from '../src/file-block-store.ts'
import { type FileSystem, nodeFileSystem } from '../src/file-system.ts'
import { migrateIndex, openIndexDatabase } from '../src/index-database.ts'
import { type Ingested, type IngestOptions, ingest } from '../src/ingest.ts'
import { type NodeTables, nodeMigrations } from '../src/node-tables.ts'
import { Objects } from '../src/objects.ts'
import { FileRecordLogs } from '../src/record-log.ts'

export interface Storage extends AsyncDisposable {
  readonly objects: Objects
  readonly blocks: BlockStore
  readonly database: Kysely<NodeTables>
  readonly logs: FileRecordLogs
  /** Whether the index was begun anew. */
  readonly fresh: boolean
  add(bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: IngestOptions): Promise<Ingested>
}

export interface StorageOptions {
  readonly fileSystem?: FileSystem
  readonly policy?: ContentPolicy
  readonly capacityBytes?: number
  readonly stageBytes?: number
}

export async function openStorage(path: string, options: StorageOptions = {}): Promise<Storage> {
  const { fileSystem = nodeFileSystem, policy = allowEverything, capacityBytes, stageBytes } = options
  await mkdir(path, { recursive: true })
  const folder = await openDataFolder(join(path, 'data'), fileSystem)
  const index = await openIndexDatabase({
    path: folder.indexPath,
    storeEpoch: folder.storeEpoch,
    fileSystem,
    log: silentLog
  })
  const database = index.tables<NodeTables>()
  await migrateIndex(database, 'node', nodeMigrations)
  const blocks = await FileBlockStore.open({ path: folder.blocksPath, fileSystem, log: silentLog })
  const space = new DiskSpace({
    blocks,
    fileSystem,
    path: folder.blocksPath,
    ...(capacityBytes === undefined ? {} : { capacityBytes }),
    ...(stageBytes === undefined ? {} : { stageBytes })
  })
  const objects = new Objects({ storeEpoch: folder.storeEpoch, blocks, database, space, log: silentLog })
  return {
    objects,
    blocks,
    database,
    logs: new FileRecordLogs(folder.logsPath, fileSystem),
    fresh: index.fresh,
    add: (bytes, addOptions) =>
      ingest(bytes instanceof Uint8Array ? once(bytes) : bytes, { objects, policy }, addOptions),
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    }
  }
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** `length` bytes that depend on `seed`, in pieces of 100,000: no file of it is ever whole in memory. */
export async function* bytesOf(length: number, seed: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length; ) {
    const piece = new Uint8Array(Math.min(100_000, length - at))
    let state = (seed ^ at) >>> 0
    for (let i = 0; i < piece.length; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      piece[i] = state >>> 24
    }
    at += piece.length
    yield piece
  }
}

export async function collect(
  chunks: AsyncIterable<Uint8Array | { readonly bytes: Uint8Array }>
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk instanceof Uint8Array ? chunk : chunk.bytes)
  return Buffer.concat(parts)
}
