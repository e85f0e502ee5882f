// Which pool this node is in. Each membership has a folder of its own for journals, roster and what is
// derived from them; one small file names the current one. Moving to another pool makes the new
// membership complete, wishes and all, before that file is replaced: a crash at any instant leaves the
// node in the old pool or in the new, never between them and never without its wishes.

import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AbortOptions,
  ConflictError,
  type ContentName,
  digestOf,
  type Log,
  type NodeId,
  toHex
} from '@commonhold/core'
import {
  FileRecordLogs,
  type FileSystem,
  type IndexDatabase,
  migrateIndex,
  openIndexDatabase
} from '@commonhold/node'
import {
  type KeeperTerms,
  type PinningComponents,
  type PinningTables,
  Pool,
  type PoolFounding,
  type PoolOptions,
  pinningMigrations,
  type WantedObject,
  type Wish
} from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'

export interface MembershipComponents {
  /** What every pool of this node is given; logs and index are its own. */
  readonly pinning: Omit<PinningComponents, 'database' | 'logs'>
  readonly operatorId: string
  readonly storeEpoch: Uint8Array
  readonly fileSystem: FileSystem
  readonly log: Log
}

interface Place {
  /** Name of the folder under `logs/`. */
  readonly name: string
  readonly index: IndexDatabase
  readonly components: PinningComponents
}

interface Current {
  readonly place: Place
  readonly pool: Pool
}

const currentName = 'current-pool'
const nameForm = /^[0-9a-f]{16}$/

export class Membership implements AsyncDisposable {
  readonly #components: MembershipComponents
  readonly #logsPath: string
  readonly #options: PoolOptions
  #current: Current | undefined
  #moving = false

  constructor(components: MembershipComponents, logsPath: string, options: PoolOptions) {
    this.#components = components
    this.#logsPath = logsPath
    this.#options = options
  }

  /** The pool this node is in. During a move it is the old one until the new one stands. */
  get pool(): Pool {
    if (this.#current === undefined) throw new Error('The membership was not started.')
    return this.#current.pool
  }

  /** Opens the pool this node is in, or founds one of its own. Constructed, not yet running. */
  async open(founding: PoolFounding, options?: AbortOptions): Promise<{ founded: boolean }> {
    const name = await this.#readCurrent()
    if (name !== undefined) {
      this.#current = await this.#opened(name, options)
      return { founded: false }
    }
    const place = await this.#newPlace()
    const { pool } = await this.#orDiscard(place, () =>
      Pool.create(place.components, founding, this.#with(options))
    )
    this.#current = { place, pool }
    await this.#writeCurrent(place.name)
    return { founded: true }
  }

  async start(): Promise<void> {
    await this.pool.start()
  }

  /** The config may have changed since this node joined, and placement goes by what the roster says. */
  async pledge(terms: KeeperTerms): Promise<void> {
    const { log } = this.#components
    try {
      if (await this.pool.pledge(terms)) log.info('the pool is told what this node offers now', { ...terms })
    } catch (err) {
      // On a full disk it cannot be written; the next start says it.
      log.warn('the pool could not be told what this node offers now', { err })
    }
  }

  /** Everything the pool wants, for making index and blocks agree. Only what this node wished came by upload. */
  async *wantedNames(): AsyncGenerator<{
    root: Wish['root']
    digest?: Uint8Array
    origin: 'upload' | 'repair'
  }> {
    for await (const { root, digest, authors } of this.#wanted(this.pool)) {
      const origin = authors.includes(this.#components.operatorId) ? 'upload' : 'repair'
      yield { root, origin, ...(digest === undefined ? {} : { digest }) }
    }
  }

  /** Founds another pool and moves into it. The recovery seed is shown once and kept nowhere. */
  async found(
    founding: PoolFounding,
    options?: AbortOptions
  ): Promise<{ recoverySeed: Uint8Array; wishes: number }> {
    let recoverySeed = new Uint8Array()
    const wishes = await this.#move(async (place) => {
      const founded = await Pool.create(place.components, founding, this.#with(options))
      recoverySeed = new Uint8Array(founded.recoverySeed)
      return founded.pool
    }, options)
    return { recoverySeed, wishes }
  }

  /** Moves into the pool of a node whose addresses the network knows. @returns how many wishes came along */
  async join(peer: NodeId, terms: KeeperTerms, options?: AbortOptions): Promise<number> {
    return this.#move((place) => Pool.join(place.components, peer, terms, this.#with(options)), options)
  }

  /** Ends the pool's work but leaves it to be asked: the first half of stopping. */
  async fallSilent(): Promise<void> {
    await this.#current?.pool.stop()
  }

  /** The policy changed its mind about a name; the pool seals or keeps every object of that name accordingly. */
  async reconsider(
    name: ContentName,
    library: { resolve(name: ContentName): Promise<{ root: CID } | undefined> },
    objects: { allNamed(digest: Uint8Array): Promise<readonly { root: CID }[]> }
  ): Promise<void> {
    try {
      const resolved = await library.resolve(name)
      const here = await objects.allNamed(digestOf(name))
      const all = [...here.map(({ root }) => root), ...(resolved === undefined ? [] : [resolved.root])]
      const once = new Map(all.map((root) => [root.toString(), root]))
      await this.pool.reconsider([...once.values()])
    } catch (err) {
      // The doors ask the policy anyway; the keeping loop meets the object again in its next round.
      this.#components.log.warn('a changed decision could not be carried out at once', { err })
    }
  }

  async stop(): Promise<void> {
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return
    try {
      await current.pool.stop()
    } finally {
      await current.place.index[Symbol.asyncDispose]()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #move(enter: (place: Place) => Promise<Pool>, options?: AbortOptions): Promise<number> {
    if (this.#moving) throw new ConflictError('This node is moving to another pool already.')
    const old = this.#current
    if (old === undefined) throw new Error('The membership was not started.')
    this.#moving = true
    try {
      const wishes = await this.#ownWishes(old.pool)
      // One pool at a time answers on the network: the old one falls silent before the new one speaks.
      await old.pool.stop()
      const place = await this.#newPlace()
      let pool: Pool | undefined
      try {
        pool = await enter(place)
        this.#current = { place, pool }
        await pool.start()
        for (const wish of wishes) await pool.want(wish, options)
        // Everything the new membership needs is durable: from here on a restart opens it.
        await this.#writeCurrent(place.name)
      } catch (err) {
        await pool?.stop()
        await this.#discard(place)
        await this.#return(old)
        throw err
      }
      await old.place.index[Symbol.asyncDispose]()
      // What stays behind here after a crash is never opened again.
      await rm(join(this.#logsPath, old.place.name), { recursive: true, force: true })
      return wishes.length
    } finally {
      this.#moving = false
    }
  }

  /** Back into the pool we came from, exactly as a restart would find it. */
  async #return(old: Current): Promise<void> {
    await old.place.index[Symbol.asyncDispose]()
    this.#current = await this.#opened(old.place.name)
    await this.#current.pool.start()
  }

  async #ownWishes(pool: Pool): Promise<Wish[]> {
    const wishes: Wish[] = []
    for await (const { root, digest, size, copiesMin, visibility, authors } of this.#wanted(pool)) {
      if (!authors.includes(this.#components.operatorId)) continue
      wishes.push({ root, size, copiesMin, visibility, ...(digest === undefined ? {} : { digest }) })
    }
    return wishes
  }

  async *#wanted(pool: Pool): AsyncGenerator<WantedObject> {
    let after: Wish['root'] | undefined
    for (;;) {
      const page = await pool.list(after, wishesPerPage)
      yield* page
      after = page.at(-1)?.root
      if (page.length < wishesPerPage) return
    }
  }

  async #opened(name: string, options?: AbortOptions): Promise<Current> {
    const place = await this.#place(name)
    const pool = await this.#orDispose(place, () => Pool.open(place.components, this.#with(options)))
    if (pool === undefined) {
      await place.index[Symbol.asyncDispose]()
      throw new ConflictError(
        `The pool of this node is gone from ${join(this.#logsPath, name)}. Restore the folder, or remove ` +
          `${join(this.#logsPath, currentName)} to begin with a pool of its own and join again.`
      )
    }
    return { place, pool }
  }

  async #newPlace(): Promise<Place> {
    const name = toHex(randomBytes(8))
    const { fileSystem } = this.#components
    await fileSystem.makeFolder(join(this.#logsPath, name))
    await fileSystem.syncFolder(this.#logsPath)
    return this.#place(name)
  }

  async #place(name: string): Promise<Place> {
    const { pinning, storeEpoch, fileSystem, log } = this.#components
    const folder = join(this.#logsPath, name)
    const index = await openIndexDatabase({ path: join(folder, 'index.db'), storeEpoch, fileSystem, log })
    try {
      const database = index.tables<PinningTables>()
      await migrateIndex(database, 'pinning', migrationsByName)
      return {
        name,
        index,
        components: { ...pinning, database, logs: new FileRecordLogs(folder, fileSystem) }
      }
    } catch (err) {
      await index[Symbol.asyncDispose]()
      throw err
    }
  }

  async #orDiscard<T>(place: Place, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (err) {
      await this.#discard(place)
      throw err
    }
  }

  async #orDispose<T>(place: Place, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (err) {
      await place.index[Symbol.asyncDispose]()
      throw err
    }
  }

  async #discard(place: Place): Promise<void> {
    await place.index[Symbol.asyncDispose]()
    await rm(join(this.#logsPath, place.name), { recursive: true, force: true })
  }

  async #readCurrent(): Promise<string | undefined> {
    const { fileSystem } = this.#components
    const path = join(this.#logsPath, currentName)
    if ((await fileSystem.stat(path)) === undefined) return undefined
    const name = new TextDecoder().decode(await fileSystem.read(path)).trim()
    if (!nameForm.test(name))
      throw new ConflictError(`${path} does not name a pool. Restore it from a backup.`)
    return name
  }

  /** New file, fsync, rename, fsync of the folder: the name in it is the old one or the new one. */
  async #writeCurrent(name: string): Promise<void> {
    const { fileSystem } = this.#components
    const temporary = join(this.#logsPath, `tmp-${currentName}`)
    if ((await fileSystem.stat(temporary)) !== undefined) await fileSystem.remove(temporary)
    const file = await fileSystem.open(temporary, 'create')
    try {
      await file.write(new TextEncoder().encode(`${name}\n`), 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await fileSystem.rename(temporary, join(this.#logsPath, currentName))
    await fileSystem.syncFolder(this.#logsPath)
  }

  #with(options: AbortOptions | undefined): PoolOptions & AbortOptions {
    return { ...this.#options, ...options }
  }
}

const wishesPerPage = 1000

const migrationsByName = Object.fromEntries(pinningMigrations.map(({ name, up }) => [name, { up }]))
