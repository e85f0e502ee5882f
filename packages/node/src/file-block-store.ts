// Blocks as files: blockstore-fs gives the layout (shard folders by the next to last two characters),
// this class makes it durable, verified and safe for concurrent writers and readers of one block.
// A final name only ever appears by rename of a whole, fsynced file, so it can never be torn.
// Never retries an fsync: after a failed one the kernel may have dropped the pages and call it clean.

import { hash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { AbortOptions, Log } from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { assertHoldable, type BlockStore, type BlockUsage, blockKey, verifyBlock } from './block-store.ts'
import { type FileSystem, hasCode, storageError } from './file-system.ts'
import { FolderSync } from './folder-sync.ts'
import { KeyedLock } from './keyed-lock.ts'
import { defaults } from './options.ts'

export interface FileBlockStoreInit {
  /** An existing folder, whose own entry its maker has made durable. */
  readonly path: string
  readonly fileSystem: FileSystem
  readonly log: Log
  /** @default defaults.quarantineBlocksMax */
  readonly quarantineBlocksMax?: number
}

const temporaryPrefix = 'tmp-'
const quarantineFolder = 'quarantine'
const quarantineSuffix = '.bad'
const shards = new NextToLast()

export class FileBlockStore implements BlockStore {
  readonly #path: string
  readonly #fileSystem: FileSystem
  readonly #log: Log
  readonly #quarantineBlocksMax: number
  readonly #folders: FolderSync
  readonly #names = new KeyedLock()
  readonly #shardsDurable = new Set<string>()
  #blocks = 0
  #bytes = 0

  private constructor(init: FileBlockStoreInit) {
    this.#path = init.path
    this.#fileSystem = init.fileSystem
    this.#log = init.log
    this.#quarantineBlocksMax = init.quarantineBlocksMax ?? defaults.quarantineBlocksMax
    this.#folders = new FolderSync(init.fileSystem)
  }

  /** Sweeps the temporary files a crash left and counts what is there: one `stat` per block. */
  static async open(init: FileBlockStoreInit): Promise<FileBlockStore> {
    const store = new FileBlockStore(init)
    await store.#sweep()
    return store
  }

  async put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    verifyBlock(cid, bytes, 'to be stored')
    await this.#names.run(blockKey(cid), async () => {
      try {
        await this.#write(cid, bytes)
      } catch (err) {
        throw storageError(err, `Block ${cid}`)
      }
    })
  }

  async get(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    options?.signal?.throwIfAborted()
    assertHoldable(cid)
    const bytes = await this.#readIfThere(this.#place(cid).file)
    if (bytes !== undefined) verifyBlock(cid, bytes, 'on disk')
    return bytes
  }

  async has(cid: CID, options?: AbortOptions): Promise<boolean> {
    options?.signal?.throwIfAborted()
    assertHoldable(cid)
    return (await this.#fileSystem.stat(this.#place(cid).file)) !== undefined
  }

  async delete(cid: CID, options?: AbortOptions): Promise<boolean> {
    options?.signal?.throwIfAborted()
    assertHoldable(cid)
    return this.#names.run(blockKey(cid), async () => {
      const { file } = this.#place(cid)
      const there = await this.#fileSystem.stat(file)
      if (there === undefined) return false
      // Not fsynced: a deletion undone by a power loss leaves a whole block, which the next sweep finds.
      await this.#fileSystem.remove(file)
      this.#count(-1, -there.bytes)
      return true
    })
  }

  async *list(options?: AbortOptions): AsyncGenerator<CID> {
    for await (const folder of this.#shards()) {
      for (const name of await this.#fileSystem.names(folder)) {
        options?.signal?.throwIfAborted()
        if (name.endsWith(shards.extension)) yield CID.createV1(rawCode, shards.decode(name).multihash)
      }
    }
  }

  async quarantine(cid: CID, options?: AbortOptions): Promise<boolean> {
    options?.signal?.throwIfAborted()
    assertHoldable(cid)
    // Under the name's lock, so that a good block put meanwhile is never the one moved aside.
    return this.#names.run(blockKey(cid), async () => {
      const { file, name } = this.#place(cid)
      const bytes = await this.#readIfThere(file)
      if (bytes === undefined || isBlock(cid, bytes)) return false
      const folder = join(this.#path, quarantineFolder)
      await this.#fileSystem.makeFolder(folder)
      await this.#fileSystem.rename(file, join(folder, `${name}${quarantineSuffix}`))
      this.#count(-1, -bytes.length)
      this.#log.error('damaged block moved aside', { cid: cid.toString(), folder })
      await this.#boundQuarantine(folder)
      return true
    })
  }

  async usage(): Promise<BlockUsage> {
    return { blocks: this.#blocks, bytes: this.#bytes }
  }

  async #write(cid: CID, bytes: Uint8Array): Promise<void> {
    const { folder, file } = this.#place(cid)
    await this.#makeShard(folder)
    const before = await this.#readIfThere(file)
    let written = false
    if (before === undefined || Buffer.compare(before, bytes) !== 0) {
      const temporary = join(folder, `${temporaryPrefix}${randomBytes(12).toString('hex')}`)
      try {
        await this.#writeTemporary(temporary, bytes)
        await this.#fileSystem.rename(temporary, file)
      } catch (err) {
        await this.#dropTemporary(temporary)
        throw err
      }
      written = true
    }
    try {
      // Last, and also for a block that was there: the process that renamed it may have died before this.
      await this.#folders.sync(folder)
    } finally {
      // In the breath in which what was set aside for it is given back: never counted twice, never not at all.
      if (written) this.#count(before === undefined ? 1 : 0, bytes.length - (before?.length ?? 0))
    }
  }

  async #writeTemporary(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#fileSystem.open(path, 'create')
    try {
      await file.write(bytes, 0)
      // Before the rename: otherwise a power loss can leave the final name with other bytes behind it.
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #dropTemporary(path: string): Promise<void> {
    try {
      await this.#fileSystem.remove(path)
    } catch (err) {
      // Never made, or to be swept at the next start; the error that led here matters more.
      if (!hasCode(err, 'ENOENT')) this.#log.warn('temporary file left behind', { path, err })
    }
  }

  /** Makes a shard folder and its entry durable, once per process: its maker may have died between. */
  async #makeShard(folder: string): Promise<void> {
    if (this.#shardsDurable.has(folder)) return
    await this.#fileSystem.makeFolder(folder)
    await this.#folders.sync(this.#path)
    this.#shardsDurable.add(folder)
  }

  async #sweep(): Promise<void> {
    for await (const folder of this.#shards()) {
      // A shard's files at once, which takes a third of the time: 8,000 of them in a store of a million.
      const names = await this.#fileSystem.names(folder)
      await Promise.all(names.map((name) => this.#sweepFile(join(folder, name), name)))
    }
  }

  async *#shards(): AsyncGenerator<string> {
    for (const shard of await this.#fileSystem.names(this.#path)) {
      const folder = join(this.#path, shard)
      if (shard !== quarantineFolder && (await this.#fileSystem.stat(folder))?.kind === 'folder') yield folder
    }
  }

  async #sweepFile(file: string, name: string): Promise<void> {
    if (name.startsWith(temporaryPrefix)) {
      await this.#fileSystem.remove(file)
      this.#log.info('temporary file of an unfinished put removed', { file })
    } else if (name.endsWith(shards.extension)) {
      this.#count(1, (await this.#fileSystem.stat(file))?.bytes ?? 0)
    }
  }

  /** Keeps the newest, because they tell most about a disk that is failing now. */
  async #boundQuarantine(folder: string): Promise<void> {
    const names = await this.#fileSystem.names(folder)
    if (names.length <= this.#quarantineBlocksMax) return
    const aged = await Promise.all(
      names.map(async (name) => ({
        name,
        modifiedMs: (await this.#fileSystem.stat(join(folder, name)))?.modifiedMs ?? 0
      }))
    )
    aged.sort((a, b) => a.modifiedMs - b.modifiedMs)
    for (const { name } of aged.slice(0, names.length - this.#quarantineBlocksMax)) {
      await this.#fileSystem.remove(join(folder, name))
    }
  }

  async #readIfThere(file: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#fileSystem.read(file)
    } catch (err) {
      if (hasCode(err, 'ENOENT')) return undefined
      throw err
    }
  }

  #place(cid: CID): { readonly folder: string; readonly file: string; readonly name: string } {
    const { dir, file } = shards.encode(cid)
    const folder = join(this.#path, dir)
    return { folder, file: join(folder, file), name: file }
  }

  #count(blocks: number, bytes: number): void {
    this.#blocks += blocks
    this.#bytes += bytes
  }
}

function isBlock(cid: CID, bytes: Uint8Array): boolean {
  return hash('sha256', bytes, 'buffer').equals(cid.multihash.digest)
}
