// Whole objects on this node's disk: brought in through an intake, read, listed, removed. A row says an
// object is complete and comes after its last block; a removal takes the row first and then the blocks
// nobody else needs. What can be told from blocks and journals is here only as a copy (object-index.ts).
// Never speaks to the network: fetching puts what it fetched through `begin`.

import {
  type AbortOptions,
  CorruptBlockError,
  DeniedError,
  type Log,
  NotAFileError,
  NotFoundError,
  rawCidOf
} from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { CID } from 'multiformats/cid'
import { BlockClaims } from './block-claims.ts'
import { type BlockStore, blockKey } from './block-store.ts'
import type { DiskSpace, SpaceReport } from './disk-space.ts'
import { KeyedLock } from './keyed-lock.ts'
import type { NodeTables } from './node-tables.ts'
import type { ByteRange } from './object-dag.ts'
import { ObjectIndex, type StoredObject } from './object-index.ts'
import { type IntakeOptions, LocalIntake, type ObjectIntake } from './object-intake.ts'
import { ObjectWalk, wholeObject } from './object-walk.ts'
import { defaults } from './options.ts'
import { blocksHere } from './unfinished.ts'

export interface ObjectsInit {
  readonly storeEpoch: Uint8Array
  readonly blocks: BlockStore
  /** With `nodeMigrations` applied. */
  readonly database: Kysely<NodeTables>
  readonly space: DiskSpace
  readonly log: Log
}

/** A name somebody wants kept, for `reconcile`: what journals know and a lost index does not. */
export interface WantedName {
  readonly root: CID
  readonly digest?: Uint8Array
  readonly origin: 'upload' | 'repair'
}

export interface Reconciled {
  /** Complete objects whose rows were missing. */
  readonly adopted: number
  /** Blocks deleted because no object needs them. */
  readonly orphans: number
  /** Wanted objects of which a part is here, left for a fetch to go on with until `dropUnfinished`. */
  readonly unfinished: number
}

export interface ReadOptions extends AbortOptions {
  /** The object that the root to read from is a part of. Absent: the root is an object itself. */
  readonly within?: CID | undefined
}

/** One who reads an object. */
interface Reader {
  /** Sealed meanwhile: not one more byte. */
  cut: boolean
}

/** Everything `Objects` offers, for those who wrap or stand in for it. */
export type LocalObjects = Pick<Objects, keyof Objects>

export class Objects {
  readonly storeEpoch: Uint8Array
  readonly #blocks: BlockStore
  readonly #space: DiskSpace
  readonly #log: Log
  readonly #index: ObjectIndex
  readonly #claims: BlockClaims
  readonly #roots = new KeyedLock()
  /** Roots being read or brought in, and how often. */
  readonly #open = new Map<string, number>()
  /** Digests of blocks that a fetch cut short by the last end of the process had brought. */
  #unfinished: readonly Uint8Array[] = []
  readonly #listeners: ((damaged: readonly CID[]) => void)[] = []
  /** By root, to be cut off when it is sealed. */
  readonly #readers = new Map<string, Set<Reader>>()

  constructor(init: ObjectsInit) {
    this.storeEpoch = init.storeEpoch
    this.#blocks = init.blocks
    this.#space = init.space
    this.#log = init.log
    this.#index = new ObjectIndex(init.database)
    this.#claims = new BlockClaims(init.blocks, this.#index)
  }

  /** Begins to bring an object in. @throws NoSpaceError */
  async begin(options: IntakeOptions): Promise<ObjectIntake> {
    const { origin, root, sizeMax } = options
    const reserved = options.setAside ?? sizeMax ?? 0
    await this.#space.reserve(reserved, origin)
    const opened: CID[] = []
    const hold = (cid: CID): void => {
      opened.push(cid)
      this.#hold(cid)
    }
    if (root !== undefined) hold(root)
    return new LocalIntake(
      {
        blocks: this.#blocks,
        claims: this.#claims,
        space: this.#space,
        purpose: origin,
        onComplete: (object, blocks) =>
          this.#locked(object.root, async () => {
            hold(object.root)
            await this.#index.add(object, origin, blocks)
          }),
        onEnd: () => {
          for (const cid of opened) this.#letGo(cid)
        }
      },
      sizeMax ?? Number.POSITIVE_INFINITY,
      reserved
    )
  }

  /** Whether the object is here, complete and not sealed, as far as the index knows. */
  async has(root: CID): Promise<boolean> {
    return (await this.#index.find(root)) !== undefined
  }

  /** Those of these objects that are here and complete. */
  heldOf(roots: readonly CID[]): Promise<readonly CID[]> {
    return this.#index.findAll(roots)
  }

  get(root: CID): Promise<StoredObject | undefined> {
    return this.#index.find(root)
  }

  /** By the plain sha2-256 of the whole file. */
  byDigest(digest: Uint8Array): Promise<StoredObject | undefined> {
    return this.#index.findByDigest(digest)
  }

  /** All complete objects that are not sealed, in byte order of the digest of their root. */
  async *roots(options?: AbortOptions): AsyncGenerator<StoredObject> {
    for await (const object of this.#index.all('complete')) {
      options?.signal?.throwIfAborted()
      yield object
    }
  }

  /**
   * Every block of the object, depth first, each once per occurrence, each verified.
   * @throws NotFoundError, CorruptBlockError; the object is then marked damaged.
   */
  async *blocks(root: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    for await (const { block } of this.#walk(root, wholeObject, options)) yield block
  }

  /** The blocks that `range` needs, with their names, in the order of the walk. @throws as `blocks` */
  async *named(
    root: CID,
    range: ByteRange,
    options?: ReadOptions
  ): AsyncGenerator<{ readonly cid: CID; readonly bytes: Uint8Array }> {
    for await (const { cid, block } of this.#walk(root, range, options)) yield { cid, bytes: block }
  }

  /** Whether the block is one of this complete object. */
  contains(root: CID, block: CID): Promise<boolean> {
    return this.#index.contains(root, block)
  }

  /** Complete objects this block is part of, at most `limit` of them. */
  ownersOf(cid: CID, limit: number): Promise<StoredObject[]> {
    return this.#index.ownersOf(cid, limit)
  }

  /**
   * Verified file bytes of the range, clamped to the file, leaf by leaf as the caller asks.
   * @throws NotAFileError; NotFoundError, CorruptBlockError: the object is then marked damaged.
   */
  async *read(
    root: CID,
    range: ByteRange = wholeObject,
    options?: ReadOptions
  ): AsyncGenerator<{ readonly offset: number; readonly bytes: Uint8Array }> {
    for await (const { piece, kind } of this.#walk(root, range, options)) {
      if (kind === 'dag') throw new NotAFileError(`${root}`)
      if (piece !== undefined) yield piece
    }
  }

  /** Called with the roots of complete objects that were found damaged just now, whoever found it. */
  onDamage(listener: (damaged: readonly CID[]) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * One verified block, whichever object it belongs to; `undefined` when only sealed objects are made of it,
   * and when it is absent or damaged, and then every object made of it is marked damaged.
   */
  async block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    if (!(await this.#index.mayShow(cid.multihash.digest))) return undefined
    try {
      return await this.#mustHave(cid, options)
    } catch (err) {
      if (err instanceof CorruptBlockError || err instanceof NotFoundError) return undefined
      throw err
    }
  }

  /** Digests of the blocks of complete objects, in order: those after one, up to another. */
  blocksBetween(after: Uint8Array, upTo: Uint8Array, limit: number): Promise<readonly Uint8Array[]> {
    return this.#index.blocksBetween(after, upTo, limit)
  }

  /**
   * Drops the object: first its row, then the blocks no other object needs. A sealed one is not here and stays
   * until it is erased. `false`, and nothing done, while a reader or an intake of this root is open.
   */
  async remove(root: CID): Promise<boolean> {
    return this.#locked(root, async () => {
      if (this.#open.has(rootKey(root))) return false
      // Row first: after a crash between, there are blocks without an object, which `reconcile` deletes,
      // and never an object without its blocks.
      const blocks = await this.#index.remove(root)
      await this.#claims.deleteAllUnneeded(blocks)
      return true
    })
  }

  /**
   * From now on the object is absent for everybody, whoever is reading it included; its bytes stay, and count as
   * used. Durable when it resolves. The object, when it was shown until now.
   */
  async seal(root: CID): Promise<StoredObject | undefined> {
    return this.#locked(root, async () => {
      const sealed = await this.#index.seal(root)
      for (const reader of this.#readers.get(rootKey(root)) ?? []) reader.cut = true
      return sealed
    })
  }

  /** The undo: the object is what it was, complete or damaged. The object, when it was sealed until now. */
  async unseal(root: CID): Promise<StoredObject | undefined> {
    return this.#locked(root, () => this.#index.unseal(root))
  }

  isSealed(root: CID): Promise<boolean> {
    return this.#index.isSealed(root)
  }

  /** File bytes of all sealed objects. */
  sealedBytes(): Promise<number> {
    return this.#index.sealedBytes()
  }

  /** All sealed objects, in byte order of the digest of their root. */
  sealed(): AsyncGenerator<StoredObject> {
    return this.#index.all('sealed')
  }

  /**
   * Drops a sealed object for good, and the blocks no other object needs; whether there was one. Waits for
   * nobody: readers were cut off, and an attempt under way holds its own blocks.
   */
  async erase(root: CID): Promise<boolean> {
    return this.#locked(root, async () => {
      const blocks = await this.#index.remove(root, 1)
      await this.#claims.deleteAllUnneeded(blocks)
      return blocks.length > 0
    })
  }

  /** Every object here, sealed and damaged ones too, whose root or whole file has this sha2-256. */
  allNamed(digest: Uint8Array): Promise<readonly StoredObject[]> {
    return this.#index.findAllNamed(digest)
  }

  /** Marks the object damaged: it is not here any more until it was brought in anew. */
  async quarantine(root: CID): Promise<void> {
    await this.#locked(root, () => this.#index.markDamaged(root))
  }

  space(): Promise<SpaceReport> {
    return this.#space.report()
  }

  /**
   * Makes index and blocks agree, at start and before anything else is brought in: wanted objects whose
   * blocks are all here get their rows back (a lost or older index), damaged ones nobody wants go, and so
   * do blocks that belong to nothing. Of a wanted object cut short they stay for a while, without a row and
   * so without being a copy: the next fetch asks only for the rest. Any error ends it with nothing guessed.
   */
  async reconcile(wanted: AsyncIterable<WantedName>, options?: AbortOptions): Promise<Reconciled> {
    let orphans = await this.#orphans(options)
    const damaged = new Map<string, CID>()
    for await (const { root } of this.#index.all('damaged')) damaged.set(rootKey(root), root)
    let adopted = 0
    const unfinished: (readonly Uint8Array[])[] = []
    // Mostly there is nothing to decide about, and then a million wishes need not be read.
    const isOpen = orphans.size > 0 || damaged.size > 0
    for await (const name of isOpen ? wanted : []) {
      options?.signal?.throwIfAborted()
      damaged.delete(rootKey(name.root))
      if (!orphans.has(blockKey(name.root))) continue
      const part = await blocksHere(name.root, this.#blocks, options)
      if (part.whole) adopted += (await this.#adopt(name, options)) ? 1 : 0
      else if (unfinished.length < defaults.pausedFetchesMax) unfinished.push(part.digests)
    }
    for (const root of damaged.values()) await this.remove(root)
    if (adopted > 0) orphans = await this.#orphans(options)
    this.#unfinished = unfinished.flat().filter((digest) => orphans.delete(blockKey(rawCidOf(digest))))
    let deleted = 0
    for (const digest of orphans.values()) {
      options?.signal?.throwIfAborted()
      if (await this.#claims.deleteUnneeded(rawCidOf(digest))) deleted++
    }
    const reconciled = { adopted, orphans: deleted, unfinished: unfinished.length }
    if (adopted + deleted + unfinished.length > 0) {
      this.#log.info('index and blocks reconciled', reconciled)
    }
    return reconciled
  }

  /** Deletes what `reconcile` left of fetches cut short, unless it was gone on with. */
  async dropUnfinished(): Promise<void> {
    const digests = this.#unfinished
    this.#unfinished = []
    await this.#claims.deleteAllUnneeded(digests)
  }

  /** Blocks no object is made of, by key. About 150 bytes each in memory. */
  async #orphans(options?: AbortOptions): Promise<Map<string, Uint8Array>> {
    const orphans = new Map<string, Uint8Array>()
    let page: Uint8Array[] = []
    const lookUp = async (): Promise<void> => {
      options?.signal?.throwIfAborted()
      for (const digest of await this.#index.unneeded(page)) orphans.set(blockKey(rawCidOf(digest)), digest)
      page = []
    }
    for await (const cid of this.#blocks.list(options)) {
      page.push(cid.multihash.digest)
      if (page.length === orphansPerLookUp) await lookUp()
    }
    await lookUp()
    return orphans
  }

  /** Gives the object its row back if every block of it is here and sound. */
  async #adopt(name: WantedName, options?: AbortOptions): Promise<boolean> {
    await using intake = await this.begin({ origin: name.origin, root: name.root })
    const walk = new ObjectWalk(name.root)
    for (let step = walk.next; step !== undefined; step = walk.next) {
      const bytes = await intake.keep(step.cid, options)
      if (bytes === undefined) return false
      walk.accept(bytes)
    }
    await intake.complete({
      root: name.root,
      size: walk.size ?? 0,
      ...(name.digest === undefined ? {} : { digest: name.digest })
    })
    return true
  }

  async *#walk(
    root: CID,
    range: ByteRange,
    options: ReadOptions = {}
  ): AsyncGenerator<{
    readonly cid: CID
    readonly block: Uint8Array
    readonly kind: ObjectWalk['kind']
    readonly piece: { offset: number; bytes: Uint8Array } | undefined
  }> {
    // Under the lock, so that a removal has either seen this reader or is over.
    const { within: object = root } = options
    const reader = await this.#locked(object, async () => {
      if ((await this.#index.find(object)) === undefined) return undefined
      if (object !== root && !(await this.#index.contains(object, root))) return undefined
      this.#hold(object)
      return this.#readerOf(object)
    })
    if (reader === undefined) throw new NotFoundError(`The object ${object} is not on this node.`)
    try {
      const walk = new ObjectWalk(root, range)
      for (let step = walk.next; step !== undefined; step = walk.next) {
        const block = await this.#mustHave(step.cid, options)
        // Not "not found": whoever reads must not go on with the bytes of others.
        if (reader.cut) throw new DeniedError(`The object ${object}`, ['it was sealed while it was read'])
        const piece = walk.accept(block)
        yield { cid: step.cid, block, kind: walk.kind, piece }
      }
    } finally {
      this.#letGo(object)
      const readers = this.#readers.get(rootKey(object))
      readers?.delete(reader)
      if (readers?.size === 0) this.#readers.delete(rootKey(object))
    }
  }

  async #mustHave(cid: CID, options?: AbortOptions): Promise<Uint8Array> {
    let bytes: Uint8Array | undefined
    try {
      bytes = await this.#blocks.get(cid, options)
    } catch (err) {
      if (err instanceof CorruptBlockError) await this.#damaged(cid, err)
      throw err
    }
    if (bytes !== undefined) return bytes
    const err = new NotFoundError(`Block ${cid} is missing on disk.`)
    await this.#damaged(cid, err)
    throw err
  }

  async #damaged(cid: CID, err: unknown): Promise<void> {
    // Looked at again: whoever put the block anew meanwhile has healed every object that needs it.
    if (!(await this.#blocks.quarantine(cid)) && (await this.#blocks.has(cid))) return
    const damaged = await this.#index.markDamagedBy(cid)
    // Nobody's block, or known already: who looks again has nothing to tell.
    if (damaged.length === 0) return
    this.#log.error('a stored block is damaged; its objects are to be fetched anew', {
      cid: cid.toString(),
      objects: damaged.map((root) => root.toString()),
      err
    })
    for (const listener of this.#listeners) listener(damaged)
  }

  #locked<T>(root: CID, work: () => Promise<T>): Promise<T> {
    return this.#roots.run(rootKey(root), work)
  }

  #readerOf(root: CID): Reader {
    const reader: Reader = { cut: false }
    const readers = this.#readers.get(rootKey(root)) ?? new Set()
    this.#readers.set(rootKey(root), readers.add(reader))
    return reader
  }

  #hold(root: CID): void {
    const key = rootKey(root)
    this.#open.set(key, (this.#open.get(key) ?? 0) + 1)
  }

  #letGo(root: CID): void {
    const key = rootKey(root)
    const left = (this.#open.get(key) ?? 1) - 1
    if (left === 0) this.#open.delete(key)
    else this.#open.set(key, left)
  }
}

/** Far fewer than SQLite binds, and enough that the statement costs more than its call. */
const orphansPerLookUp = 256

/** Two spellings of a root are one object. */
function rootKey(root: CID): string {
  return Buffer.from(root.toV1().bytes).toString('latin1')
}
