// Real pools, many in one process: virtual clock, seeded dice, faults on command. Everything a test
// needs to kill, stop, cut off, restart and inspect nodes, and the watch over the invariants that no
// node can keep over itself. A failure prints the seed; the seed repeats the run.

import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import {
  type Clock,
  type ContentPolicy,
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  type Random,
  type SigningKey,
  seededRandom,
  signingKeyFromSeed,
  silentLog,
  VirtualClock
} from '@commonhold/core'
import { Kysely, SqliteDialect, type SqliteStatement } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { KeeperTerms } from '../../src/commons.ts'
import type { PinningComponents } from '../../src/components.ts'
import { type PinningTables, pinningMigrations } from '../../src/database.ts'
import type { Wish } from '../../src/journal/wish.ts'
import type { KeepingOptions } from '../../src/keep/keeping-options.ts'
import type { WantResult } from '../../src/keep/wishes.ts'
import type { SyncOptions } from '../../src/options.ts'
import { Pool } from '../../src/pool.ts'
import { MemoryLogs } from '../commons/memory-logs.ts'
import { Disk, DiskStore, nameOf } from './disk.ts'
import { Wires } from './wires.ts'

export const server: KeeperTerms = { class: 'server', capacityBytes: 2 ** 40 }
export const home: KeeperTerms = { class: 'home', capacityBytes: 2 ** 40 }

export interface VillageOptions {
  readonly keeping?: Partial<KeepingOptions>
  readonly sync?: Partial<SyncOptions>
  readonly copiesMin?: number
}

export class Village {
  readonly seed: number
  readonly clock: VirtualClock = new VirtualClock()
  readonly random: Random
  readonly wires: Wires
  readonly options: VillageOptions
  readonly nodes: House[] = []
  /** Broken invariants, as sentences; `check` throws them with the seed. */
  readonly violations: string[] = []
  readonly roots: CID[] = []
  /** Whether whoever has it may drop it, whatever the others have: what nobody wants any more. */
  mayDrop: (root: CID) => boolean = () => false

  constructor(seed: number, options: VillageOptions = {}) {
    this.seed = seed
    this.random = seededRandom(seed)
    this.wires = new Wires(this.clock, this.random)
    this.options = options
  }

  /** A pool of that many operators, one node each, all acquainted. */
  static async of(
    count: number,
    seed: number,
    options: VillageOptions = {},
    terms: KeeperTerms = server
  ): Promise<Village> {
    const village = new Village(seed, options)
    for (let i = 0; i < count; i++) await village.add(terms)
    await village.run(90_000)
    return village
  }

  async add(terms: KeeperTerms = server, operator: SigningKey = this.key()): Promise<House> {
    const house = new House(this, this.nodes.length, this.key(), operator)
    this.nodes.push(house)
    const first = this.nodes[0]
    if (first === undefined || first === house) await house.found(terms)
    else await this.during(house.join(first, terms))
    await this.during(house.begin())
    return house
  }

  key(): SigningKey {
    return signingKeyFromSeed(this.random.bytes(32))
  }

  house(index: number): House {
    const house = this.nodes[index]
    if (house === undefined) throw new Error(`no node ${index}`)
    return house
  }

  houseOf(id: NodeId): House {
    const house = this.nodes.find((other) => other.id === id)
    if (house === undefined) throw new Error(`no node ${id}`)
    return house
  }

  /** Lets that much time pass. */
  async run(ms: number): Promise<void> {
    await this.clock.advance(ms)
    this.check()
  }

  /** Time passes until the work is done; a work that never ends is a failure, not a hang. */
  async during<T>(work: Promise<T>, maxMs = 86_400_000): Promise<T> {
    let done = false
    const ended = work.finally(() => {
      done = true
    })
    ended.catch(() => {})
    for (let passedMs = 0; !done && passedMs < maxMs; passedMs += 50) await this.clock.advance(50)
    if (!done) throw new Error(`work did not end within ${maxMs} ms of virtual time (seed ${this.seed})`)
    this.check()
    return await ended
  }

  /** Time passes until it is so. */
  async until(what: string, is: () => boolean | Promise<boolean>, maxMs = 7_200_000): Promise<number> {
    const beganMs = this.clock.monotonicMs()
    while (!(await is())) {
      if (this.clock.monotonicMs() - beganMs > maxMs) {
        throw new Error(`not within ${maxMs} ms: ${what} (seed ${this.seed})\n${await this.describe()}`)
      }
      await this.run(1000)
    }
    return this.clock.monotonicMs() - beganMs
  }

  /** Operators whose running nodes truly have the bytes. */
  holders(root: CID): Set<OperatorId> {
    return new Set(
      this.nodes.filter((house) => house.alive && house.disk.trulyHolds(root)).map((house) => house.operator)
    )
  }

  holdingHouses(root: CID): House[] {
    return this.nodes.filter((house) => house.alive && house.disk.trulyHolds(root))
  }

  check(): void {
    if (this.violations.length > 0) throw new Error(`${this.violations.join('\n')} (seed ${this.seed})`)
  }

  async describe(): Promise<string> {
    const lines: string[] = []
    for (const house of this.nodes) {
      const held = this.roots.map((root) => (house.disk.trulyHolds(root) ? '#' : '.')).join('')
      const state = !house.alive ? 'dead' : this.wires.isStopped(house.id) ? 'stopped' : 'up'
      const seen = house.alive
        ? await Promise.all(
            this.roots.slice(0, 3).map(async (root) => {
              const status = await house.pool.status(root)
              return status === undefined
                ? 'unwanted'
                : `${status.health} ${status.copiesLive} ${status.reasons.join(',')}`
            })
          )
        : []
      lines.push(`node ${house.index} ${state} ${held} ${seen.join(' | ')}`)
    }
    return lines.join('\n')
  }

  async close(): Promise<void> {
    const ends = this.nodes.filter((house) => house.alive).map((house) => house.end())
    await this.during(Promise.all(ends))
  }
}

export class House {
  readonly village: Village
  readonly index: number
  readonly key: SigningKey
  readonly operatorKey: SigningKey
  readonly id: NodeId
  readonly operator: OperatorId
  readonly logs: MemoryLogs = new MemoryLogs()
  readonly disk: Disk
  readonly denied: Set<string> = new Set()
  /** Of the denied, what is erased at once. */
  readonly legalOrders: Set<string> = new Set()
  store: DiskStore | undefined
  #sqlite: DatabaseSync | undefined
  #pool: Pool | undefined
  #generation = 0
  #fetchesBefore = 0
  /** By how much its wall clock is wrong. */
  wallSkewMs = 0
  /** Nothing can be written to the index. */
  indexFull = false
  /** Set while a takedown or a collection may remove bytes: then the release rule does not apply. */
  removesFreely = false

  constructor(village: Village, index: number, key: SigningKey, operatorKey: SigningKey) {
    this.village = village
    this.index = index
    this.key = key
    this.operatorKey = operatorKey
    this.id = nodeIdOf(key.publicKey)
    this.operator = operatorIdOf(operatorKey.publicKey)
    this.disk = new Disk(village.random)
  }

  get pool(): Pool {
    if (this.#pool === undefined) throw new Error(`node ${this.index} is not running`)
    return this.#pool
  }

  get alive(): boolean {
    return this.#pool !== undefined
  }

  async found(terms: KeeperTerms): Promise<void> {
    const { options } = this.village
    const policy = options.copiesMin === undefined ? {} : { policy: { copiesMin: options.copiesMin } }
    const { pool } = await Pool.create(
      await this.components(),
      { name: 'village', k: 4, ...policy, ...terms },
      options
    )
    this.#pool = pool
  }

  async join(peer: House, terms: KeeperTerms): Promise<void> {
    this.#pool = await Pool.join(await this.components(), peer.id, terms, this.village.options)
  }

  async begin(): Promise<void> {
    this.village.wires.meet(this.id)
    await this.pool.start()
  }

  /** After a stop or a kill. */
  async restart(): Promise<void> {
    const pool = await Pool.open(await this.components(), this.village.options)
    if (pool === undefined) throw new Error('the node forgot its pool')
    this.#pool = pool
    await this.village.during(this.begin())
  }

  async end(): Promise<void> {
    const pool = this.#pool
    await pool?.stop()
    this.#pool = undefined
    this.#generation++
    this.village.wires.leave(this.id)
  }

  /** SIGKILL: what runs in it never does anything again. */
  kill(): void {
    this.#pool = undefined
    this.#generation++
    this.village.wires.leave(this.id)
    this.logs.crash()
    if (this.#sqlite?.isTransaction === true) this.#sqlite.exec('rollback')
  }

  loseIndex(): void {
    this.#sqlite = undefined
  }

  /** Objects it has copied from others, over all its runs. */
  get fetches(): number {
    return this.#fetchesBefore + (this.store?.fetches ?? 0)
  }

  rows(table: string): number {
    return Number(this.#sqlite?.prepare(`select count(*) as n from ${table}`).get()?.['n'])
  }

  async put(text: string, terms: Partial<Wish> = {}): Promise<{ root: CID; result: WantResult }> {
    const bytes = new TextEncoder().encode(text)
    const size = terms.size ?? bytes.length
    const root = this.disk.put(bytes, 'upload', size)
    this.village.roots.push(root)
    const wish: Wish = { root, size, copiesMin: 3, visibility: 'public', ...terms }
    const result = await this.village.during(this.pool.want(wish))
    return { root, result }
  }

  async components(): Promise<PinningComponents> {
    const { village } = this
    const generation = this.#generation
    const isAlive = (): boolean => generation === this.#generation
    const database = await this.#database(isAlive)
    this.#fetchesBefore = this.fetches
    this.store = new DiskStore(
      this.disk,
      this.id,
      village.wires,
      {
        onRemove: (root) => this.#watchRemoval(root),
        diskOf: (node) => {
          const house = village.houseOf(node)
          return house.alive ? house.disk : undefined
        }
      },
      isAlive
    )
    return {
      keys: { node: this.key, nodeId: this.id, operator: this.operatorKey },
      network: village.wires.join(this.id),
      objects: this.store,
      database,
      logs: this.logs,
      policy: this.#policy(),
      clock: this.#clock(isAlive),
      random: village.random,
      log: process.env['VILLAGE_LOG'] === undefined ? silentLog : this.#log()
    }
  }

  /** Invariant 1, watched from outside: what is left at others when a copy goes. */
  #watchRemoval(root: CID): void {
    if (this.removesFreely || this.denied.has(nameOf(root)) || this.village.mayDrop(root)) return
    const left = new Set(
      this.village.nodes
        .filter((house) => house.operator !== this.operator && house.alive && house.disk.trulyHolds(root))
        .map((house) => house.operator)
    )
    const copiesMin = this.village.options.copiesMin ?? 3
    if (left.size < copiesMin) {
      this.village.violations.push(
        `node ${this.index} removed ${root.toString()} while only ${left.size} other operators held it`
      )
    }
  }

  #policy(): ContentPolicy {
    return {
      decide: async ({ root }) =>
        root !== undefined && this.denied.has(nameOf(root))
          ? { verdict: 'deny', reasons: ['a test said so'], eraseAtOnce: this.legalOrders.has(nameOf(root)) }
          : { verdict: 'allow', reasons: [] }
    }
  }

  /** A killed run never wakes again; a stopped one wakes when it is resumed. */
  #clock(isAlive: () => boolean): Clock {
    const { clock, wires } = this.village
    return {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs() + this.wallSkewMs,
      sleep: async (ms, options) => {
        await clock.sleep(ms, options)
        while (isAlive() && wires.isStopped(this.id)) await clock.sleep(1000, options)
        if (!isAlive()) await new Promise<never>(() => {})
      }
    }
  }

  async #database(isAlive: () => boolean): Promise<Kysely<PinningTables>> {
    const fresh = this.#sqlite === undefined
    const sqlite = this.#sqlite ?? new DatabaseSync(':memory:')
    this.#sqlite = sqlite
    const statements = new Map<string, SqliteStatement>()
    const database = new Kysely<PinningTables>({
      dialect: new SqliteDialect({
        database: {
          close: () => {},
          prepare: (sql) => {
            if (!isAlive()) throw new Error('the process is dead')
            const known = statements.get(sql)
            if (known !== undefined) return known
            const statement = sqlite.prepare(sql)
            const reader = statement.columns().length > 0
            const prepared = {
              reader,
              all: (parameters: readonly unknown[]) => statement.all(...(parameters as SQLInputValue[])),
              run: (parameters: readonly unknown[]) => {
                if (this.indexFull) throw new Error('database or disk is full')
                return statement.run(...(parameters as SQLInputValue[]))
              },
              iterate: (parameters: readonly unknown[]) =>
                statement.iterate(...(parameters as SQLInputValue[]))
            }
            statements.set(sql, prepared)
            return prepared
          }
        }
      })
    })
    if (fresh) for (const { up } of pinningMigrations) await up(database as unknown as Kysely<never>)
    return database
  }

  #log(): PinningComponents['log'] {
    const say =
      (level: string) =>
      (message: string, fields?: Record<string, unknown>): void => {
        const err = fields?.['err']
        const rest = { ...fields, ...(err instanceof Error ? { err: `${err.name}: ${err.message}` } : {}) }
        console.error(
          this.village.clock.monotonicMs().toFixed(0),
          this.index,
          level,
          message,
          JSON.stringify(rest)
        )
      }
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  }
}
