// All authors' journals: taken in from anybody who has them, verified, made durable, then indexed. The log
// is the truth; the index follows it, and is caught up or rebuilt from it at open. Owns neither the wire
// (sync.ts) nor this node's own writing (own-journal.ts), which comes in by the same door.

import {
  type AbortOptions,
  BusyError,
  ConflictError,
  type Log,
  MalformedRecordError,
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  type Signed,
  toHex,
  UnauthorizedError
} from '@commonhold/core'
import type { Kysely, Transaction } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { RecordLog, RecordLogs } from '../components.ts'
import type { PinningTables } from '../database.ts'
import { sameBytes } from '../fields.ts'
import { defaults } from '../options.ts'
import type { Roster } from '../roster/roster.ts'
import { IndexedWanted } from './indexed-wanted.ts'
import { type End, JournalGraph } from './journal-graph.ts'
import { JournalIndex, type KnownHead, type Missing } from './journal-index.ts'
import { journalLogName, type LoggedRecord, openLogged, packLogged } from './journal-log.ts'
import { type Opening, openOpening, openSealed, sha256 } from './journal-records.ts'
import type { JournalId, Wanted } from './wanted.ts'
import type { WantedObject } from './wish.ts'

export interface JournalParts {
  readonly logs: RecordLogs
  readonly database: Kysely<PinningTables>
  readonly roster: Roster
  readonly log: Log
}

/** Something to take in. A batch needs the opening of its journal, here or known already. */
export interface Delivery {
  readonly openings?: readonly Uint8Array[]
  /** Sealed batches. */
  readonly batches?: readonly Uint8Array[]
}

interface Pending {
  readonly records: readonly LoggedRecord[]
  readonly done: PromiseWithResolvers<void>
}

type Trx = Transaction<PinningTables>

export class Journals implements AsyncDisposable {
  readonly graph: JournalGraph = new JournalGraph()
  readonly index: JournalIndex
  readonly #parts: JournalParts
  readonly #log: RecordLog
  readonly #wanted: IndexedWanted
  readonly #headListeners = new Set<() => void>()
  readonly #stopListening: () => void
  #pending: Pending[] = []
  #working: Promise<void> | undefined
  /** Durable but not indexed: there are any only while a transaction runs or after it failed. */
  #unindexed: LoggedRecord[] = []
  #recordsIndexed = 0
  /** What each author's wishes were last granted, to see which the roster changed. */
  readonly #granted = new Map<OperatorId, string>()
  #grantsDue = false

  private constructor(parts: JournalParts, log: RecordLog) {
    this.#parts = parts
    this.#log = log
    this.index = new JournalIndex(parts.database, this.graph)
    this.#wanted = new IndexedWanted(parts.database, parts.roster, this.graph, this.index)
    this.#stopListening = parts.roster.onChange(() => {
      this.#grantsDue = true
      this.#wake()
    })
  }

  /** Opens the log, and brings the index to where the log is: by the missing rest, or from nothing. */
  static async open(parts: JournalParts): Promise<Journals> {
    const journals = new Journals(parts, await parts.logs.open(journalLogName(parts.roster.poolId)))
    try {
      await journals.#catchUp()
      await journals.#applyGrants()
      return journals
    } catch (err) {
      await journals[Symbol.asyncDispose]()
      throw err
    }
  }

  get wanted(): Wanted {
    return this.#wanted
  }

  /** What one operator wants by itself, whether it binds others or not. */
  wishOf(operator: OperatorId, root: CID): Promise<WantedObject | undefined> {
    return this.#wanted.wishOf(operator, root)
  }

  /** Ends of the journals this node wrote. */
  headsBy(node: NodeId): readonly KnownHead[] {
    return this.graph
      .ends()
      .filter(({ id }) => this.graph.get(id)?.node === node)
      .map(headOf)
  }

  /** After batches were taken in. */
  onHeads(listener: () => void): () => void {
    this.#headListeners.add(listener)
    return () => this.#headListeners.delete(listener)
  }

  /** Journals that went two ways: an accident or an attack of their own author, to be shown. */
  forked(): readonly JournalId[] {
    return this.graph.forked()
  }

  /** What somebody lacks who has these batches and all before them. Absent for an unknown journal. */
  missing(journal: JournalId, have: readonly Uint8Array[]): Promise<Missing | undefined> {
    return this.index.missing(journal, have)
  }

  /**
   * Takes in what is new. Resolves when it is durable and indexed: a receipt may be given then. What comes
   * at the same time shares one fsync.
   * @throws MalformedRecordError; UnauthorizedError when the roster does not know the author (yet): exchange
   * rosters and try again; ConflictError for a batch of an unknown journal; BusyError when the author has
   * too many journals or gaps
   */
  async accept(delivery: Delivery, options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
    const openings = (delivery.openings ?? []).map((bytes) => this.#authorised(openOpening(bytes)))
    const records: LoggedRecord[] = openings.map((opening) => ({ kind: 'opening', opening }))
    for (const bytes of delivery.batches ?? []) records.push(await this.#authentic(bytes, openings))
    if (records.length === 0) return
    const done = Promise.withResolvers<void>()
    this.#pending.push({ records, done })
    this.#wake()
    await done.promise
  }

  /** Forgets the index of the journals and makes it again from the log. */
  async rebuild(): Promise<void> {
    while (this.#working !== undefined) await this.#working
    // In the writer's place, so that nothing is taken in between.
    const remade = this.#remake()
    this.#occupy(remade)
    await remade
    this.#wanted.tell(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopListening()
    await this.#working
    await this.#log[Symbol.asyncDispose]()
  }

  #authorised(opening: Signed<Opening>): Signed<Opening> {
    const { pool, operator, node } = opening.body
    const { roster } = this.#parts
    if (!sameBytes(pool, roster.poolId)) {
      throw new MalformedRecordError('journal-opening', 'it belongs to another pool')
    }
    const author = operatorIdOf(operator)
    if (!roster.mayAuthor(nodeIdOf(node), author)) {
      throw new UnauthorizedError('The roster does not know this author; exchange rosters first.')
    }
    const known = this.graph.get(toHex(opening.hash)) !== undefined
    if (!known && this.graph.of(author).length >= defaults.journalsPerOperatorMax) {
      throw new BusyError(`One operator opens at most ${defaults.journalsPerOperatorMax} journals.`)
    }
    return opening
  }

  async #authentic(bytes: Uint8Array, openings: readonly Signed<Opening>[]): Promise<LoggedRecord> {
    const batch = openSealed(bytes, this.#parts.roster.k)
    const id = toHex(batch.journal)
    const delivered = openings.find((opening) => sameBytes(opening.hash, batch.journal))
    const node = delivered === undefined ? this.graph.get(id)?.node : nodeIdOf(delivered.body.node)
    if (node === undefined)
      throw new ConflictError(`Journal ${id} is not known here; send its opening first.`)
    if (nodeIdOf(batch.signer) !== node) {
      throw new MalformedRecordError('sealed-batch', 'its head is not signed by the author of the journal')
    }
    const chainable = batch.prev === null || (await this.index.reaches(batch.prev))
    if (!chainable && (await this.index.detached(id)) >= defaults.detachedBatchesMax) {
      throw new BusyError(`Journal ${id} has too many gaps here; exchange heads first.`)
    }
    if (this.graph.branches(id) > defaults.branchesMax) {
      throw new BusyError(`Journal ${id} has more than ${defaults.branchesMax} branches; it is closed.`)
    }
    return { kind: 'batch', batch }
  }

  #wake(): void {
    if (this.#working === undefined) this.#occupy(this.#work())
  }

  #occupy(work: Promise<void>): void {
    // Whoever asked for the work learns of its failure; here only its end counts.
    this.#working = work
      .catch(() => undefined)
      .then(() => {
        this.#working = undefined
        if (this.#pending.length > 0 || this.#grantsDue) this.#wake()
      })
  }

  async #remake(): Promise<void> {
    this.#unindexed = []
    await this.#parts.database.transaction().execute((trx) => this.#forget(trx))
    await this.#catchUp()
    await this.#applyGrants()
  }

  /** The one writer: everything that waits becomes one append and one transaction. */
  async #work(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    try {
      const fresh = await this.#fresh(pending.flatMap(({ records }) => records))
      // Durable first, indexed second: a crash between leaves the index behind, and open catches it up.
      if (fresh.length > 0) await this.#log.append(fresh.map(packLogged))
      this.#unindexed.push(...fresh)
      const changed = await this.#indexAll()
      const regranted = this.#grantsDue ? await this.#applyGrants() : false
      for (const { done } of pending) done.resolve()
      if (fresh.length > 0) for (const listener of this.#headListeners) listener()
      this.#wanted.tell(regranted ? undefined : changed)
    } catch (err) {
      this.#parts.log.error('journals could not be written', { err })
      for (const { done } of pending) done.reject(err)
    }
  }

  async #fresh(records: readonly LoggedRecord[]): Promise<LoggedRecord[]> {
    const fresh = new Map<string, LoggedRecord>()
    for (const record of records) {
      const hash = record.kind === 'opening' ? record.opening.hash : record.batch.hash
      const known =
        record.kind === 'opening' ? this.graph.get(toHex(hash)) !== undefined : await this.index.holds(hash)
      if (!known && !fresh.has(toHex(hash))) fresh.set(toHex(hash), record)
    }
    // What is durable from an attempt whose indexing failed must not be appended again.
    for (const one of this.#unindexed) {
      fresh.delete(toHex(one.kind === 'opening' ? one.opening.hash : one.batch.hash))
    }
    return [...fresh.values()]
  }

  /** Takes everything durable into the index, in one transaction with the count of what was taken. */
  async #indexAll(): Promise<CID[]> {
    const last = this.#unindexed.at(-1)
    if (last === undefined) return []
    const records = this.#recordsIndexed + this.#unindexed.length
    try {
      const changed = await this.#parts.database.transaction().execute(async (trx) => {
        const roots: CID[] = []
        for (const record of this.#unindexed) roots.push(...(await this.#index(trx, record)))
        const name = journalLogName(this.#parts.roster.poolId)
        const row = { name, records, last_hash: sha256(packLogged(last)) }
        await trx.replaceInto('applied_log').values(row).execute()
        return roots
      })
      this.#unindexed = []
      this.#recordsIndexed = records
      return changed
    } catch (err) {
      // The graph may have run ahead of the tables that were rolled back.
      await this.index.load()
      throw err
    }
  }

  async #index(trx: Trx, record: LoggedRecord): Promise<CID[]> {
    if (record.kind === 'opening') {
      await this.index.takeOpening(trx, record.opening)
      const operator = operatorIdOf(record.opening.body.operator)
      const late = this.graph.isImported(toHex(record.opening.hash))
      return late ? this.#wanted.resolveAll(trx, operator) : []
    }
    const { batch } = record
    await this.index.takeBatch(trx, batch)
    const operator = this.graph.get(toHex(batch.journal))?.operator
    if (operator === undefined) throw new Error(`batch of unopened journal ${toHex(batch.journal)}`)
    return this.#wanted.take(trx, batch, operator)
  }

  async #catchUp(): Promise<void> {
    const applied = await this.#applied()
    if (applied === undefined) await this.#parts.database.transaction().execute((trx) => this.#forget(trx))
    this.#recordsIndexed = applied ?? 0
    await this.index.load()
    let position = 0
    for await (const bytes of this.#log.records()) {
      position++
      if (position <= this.#recordsIndexed + this.#unindexed.length) continue
      this.#unindexed.push(openLogged(bytes, this.#parts.roster.k))
      if (this.#unindexed.length >= catchUpRecords) await this.#indexAll()
    }
    await this.#indexAll()
  }

  /**
   * How many records of the log the index has taken in. Absent when the index is not this log's: swapped,
   * restored from another time, or of another pool; then it is worth nothing.
   */
  async #applied(): Promise<number | undefined> {
    const rows = await this.#parts.database.selectFrom('applied_log').selectAll().execute()
    const [row] = rows
    if (row === undefined) return 0
    if (rows.length !== 1 || row.name !== journalLogName(this.#parts.roster.poolId)) return undefined
    let position = 0
    for await (const bytes of this.#log.records()) {
      if (++position === row.records) return sameBytes(sha256(bytes), row.last_hash) ? position : undefined
    }
    return undefined
  }

  async #forget(trx: Trx): Promise<void> {
    await this.index.forget(trx)
    await this.#wanted.forget(trx)
    await trx.deleteFrom('applied_log').execute()
    this.#granted.clear()
  }

  /** Binds and unbinds wishes as the roster now says. Returns whether anything changed. */
  async #applyGrants(): Promise<boolean> {
    this.#grantsDue = false
    let changed = false
    for (const author of await this.#wanted.authors()) {
      const operator = this.#parts.roster.operator(author)
      const grant = operator?.counted === true ? String(operator.pinBytesMax) : 'none'
      if (this.#granted.get(author) === grant) continue
      const roots = await this.#parts.database
        .transaction()
        .execute((trx) => this.#wanted.regrant(trx, author))
      this.#granted.set(author, grant)
      changed ||= roots.length > 0
    }
    return changed
  }
}

/** Records indexed in one transaction while catching up: bounds memory, at most 1 MiB each and mostly far less. */
const catchUpRecords = 256

function headOf({ id, tip }: End): KnownHead {
  return { journal: fromId(id), seq: tip.seq, batch: tip.hash }
}

function fromId(journal: JournalId): Uint8Array {
  return new Uint8Array(Buffer.from(journal, 'hex'))
}
