// The index of the journals: which batches are here, which of them are chained back to the beginning, and
// what of a journal another node lacks. Written inside the caller's transaction; batches may come in any
// order. Owns no wishes (indexed-wanted.ts) and no durability (journals.ts).

import { type Signed, toHex } from '@commonhold/core'
import type { Kysely, Transaction } from 'kysely'
import type { PinningTables } from '../database.ts'
import { defaults } from '../options.ts'
import { listed } from '../root-key.ts'
import { factsOf, type JournalGraph } from './journal-graph.ts'
import { type Opening, openOpening, type SealedBatch } from './journal-records.ts'
import type { JournalId } from './wanted.ts'

type Trx = Transaction<PinningTables>

/** An end of a journal, its last batch; a forked journal has several. Or a batch that was one. */
export interface KnownHead {
  readonly journal: Uint8Array
  readonly seq: number
  readonly batch: Uint8Array
}

/** One page of an answer to “what have I missed?”. */
export interface Missing {
  readonly opening: Uint8Array
  /** Sealed, ancestors first. */
  readonly batches: readonly Uint8Array[]
  readonly more: boolean
}

/** Hashes in a locator: twice the distances that fit into 2^48 batches, for a journal with a branch. */
export const locatorHashesMax = 96

const pageRows = 64

export class JournalIndex {
  readonly #db: Kysely<PinningTables>
  readonly #graph: JournalGraph

  constructor(db: Kysely<PinningTables>, graph: JournalGraph) {
    this.#db = db
    this.#graph = graph
  }

  /** Fills the graph from the tables. */
  async load(): Promise<void> {
    this.#graph.clear()
    for (const row of await this.#db.selectFrom('journal').select('opening').execute()) {
      this.#graph.add(factsOf(openOpening(new Uint8Array(row.opening))))
    }
    // Ends of branches: chained batches that are nobody's chained predecessor.
    const tips = await this.#db
      .selectFrom('batch as b')
      .select(['b.hash', 'b.journal', 'b.seq'])
      .where('b.chained', '=', 1)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('batch as next')
              .select('next.hash')
              .whereRef('next.prev', '=', 'b.hash')
              .where('next.chained', '=', 1)
          )
        )
      )
      .execute()
    for (const { hash, journal, seq } of tips) {
      this.#graph.advance(toHex(journal), toHex(hash), { hash: new Uint8Array(hash), seq }, undefined)
    }
  }

  async forget(trx: Trx): Promise<void> {
    for (const table of ['journal', 'batch'] as const) await trx.deleteFrom(table).execute()
  }

  async takeOpening(trx: Trx, opening: Signed<Opening>): Promise<void> {
    const facts = factsOf(opening)
    await trx
      .insertInto('journal')
      .values({ id: opening.hash, operator: facts.operator, node: facts.node, opening: opening.bytes })
      .execute()
    this.#graph.add(facts)
  }

  /** A batch whose ancestors are missing waits, unchained; when they come, all that waited is chained. */
  async takeBatch(trx: Trx, batch: SealedBatch): Promise<void> {
    const { hash, journal, seq, prev, bytes } = batch
    const before =
      prev === null
        ? undefined
        : await trx.selectFrom('batch').select(['seq', 'chained']).where('hash', '=', prev).executeTakeFirst()
    const chained = prev === null || (before?.chained === 1 && before.seq === seq - 1)
    await trx
      .insertInto('batch')
      .values({ hash, journal, seq, prev, chained: chained ? 1 : 0, sealed: bytes })
      .execute()
    if (chained) await this.#chain(trx, [{ hash, journal, seq, prev }])
  }

  /** Whether this very batch is here, chained or not. */
  async holds(batch: Uint8Array): Promise<boolean> {
    const row = await this.#db.selectFrom('batch').select('seq').where('hash', '=', batch).executeTakeFirst()
    return row !== undefined
  }

  /** Whether it and everything before it is here. */
  async reaches(batch: Uint8Array): Promise<boolean> {
    return (await this.journalReached(batch)) !== undefined
  }

  /** The journal of a batch that is here with everything before it. */
  async journalReached(batch: Uint8Array): Promise<JournalId | undefined> {
    const row = await this.#db
      .selectFrom('batch')
      .select(['journal', 'chained'])
      .where('hash', '=', batch)
      .executeTakeFirst()
    return row?.chained === 1 ? toHex(row.journal) : undefined
  }

  /** Where these are, of those that are here with everything before them. */
  async headsOf(batches: readonly Uint8Array[]): Promise<KnownHead[]> {
    const rows = await this.#db
      .selectFrom('batch')
      .select(['journal', 'seq', 'hash'])
      .where('hash', 'in', listed(batches))
      .where('chained', '=', 1)
      .execute()
    return rows.map(({ journal, seq, hash }) => ({ journal, seq, batch: hash }))
  }

  async sealed(batch: Uint8Array): Promise<Uint8Array | undefined> {
    const row = await this.#db
      .selectFrom('batch')
      .select('sealed')
      .where('hash', '=', batch)
      .executeTakeFirst()
    return row === undefined ? undefined : new Uint8Array(row.sealed)
  }

  async detached(journal: JournalId): Promise<number> {
    const row = await this.#db
      .selectFrom('batch')
      .select((e) => e.fn.countAll<number>().as('n'))
      .where('journal', '=', bytesOf(journal))
      .where('chained', '=', 0)
      .executeTakeFirstOrThrow()
    return Number(row.n)
  }

  /** Journals with batches whose ancestors are missing. */
  async gapped(): Promise<JournalId[]> {
    const rows = await this.#db
      .selectFrom('batch')
      .select('journal')
      .distinct()
      .where('chained', '=', 0)
      .execute()
    return rows.map((row) => toHex(row.journal)).sort()
  }

  /** Hashes of chained batches at growing distances from the end, newest first. */
  async locator(journal: JournalId): Promise<Uint8Array[]> {
    const seqs = distances(this.#graph.seq(journal))
    if (seqs.length === 0) return []
    const rows = await this.#db
      .selectFrom('batch')
      .select('hash')
      .where('journal', '=', bytesOf(journal))
      .where('chained', '=', 1)
      .where('seq', 'in', seqs)
      .orderBy('seq', 'desc')
      .orderBy('hash')
      .limit(locatorHashesMax)
      .execute()
    return rows.map((row) => new Uint8Array(row.hash))
  }

  /** What somebody lacks who has these batches and all before them. Absent for an unknown journal. */
  async missing(journal: JournalId, have: readonly Uint8Array[]): Promise<Missing | undefined> {
    const known = this.#graph.get(journal)
    if (known === undefined) return undefined
    const covered = await this.#covered(journal, have)
    const batches: Uint8Array[] = []
    let bytes = 0
    let seq = covered.seq
    let hash: Uint8Array = afterAllHashes
    for (;;) {
      const rows = await this.#db
        .selectFrom('batch')
        .select(['hash', 'seq', 'sealed'])
        .where('journal', '=', bytesOf(journal))
        .where('chained', '=', 1)
        .where(({ or, and, eb }) =>
          or([eb('seq', '>', seq), and([eb('seq', '=', seq), eb('hash', '>', hash)])])
        )
        .orderBy('seq')
        .orderBy('hash')
        .limit(pageRows)
        .execute()
      for (const row of rows) {
        seq = row.seq
        hash = row.hash
        if (covered.hashes.has(toHex(row.hash))) continue
        if (batches.length > 0 && bytes + row.sealed.length > defaults.batchPageBytesMax) {
          return { opening: known.opening, batches, more: true }
        }
        batches.push(new Uint8Array(row.sealed))
        bytes += row.sealed.length
      }
      if (rows.length < pageRows) return { opening: known.opening, batches, more: false }
    }
  }

  /**
   * What the given batches and their ancestors cover: everything up to `seq`, and these hashes beyond it.
   * Without a fork that is one number; with one, each branch is walked back to where they part.
   */
  async #covered(
    journal: JournalId,
    have: readonly Uint8Array[]
  ): Promise<{ seq: number; hashes: ReadonlySet<string> }> {
    const none = { seq: 0, hashes: new Set<string>() }
    if (have.length === 0) return none
    const rows = await this.#db
      .selectFrom('batch')
      .select(['hash', 'seq'])
      .where('hash', 'in', listed(have))
      .where('journal', '=', bytesOf(journal))
      .where('chained', '=', 1)
      .execute()
    if (rows.length === 0) return none
    const tips = this.#graph.get(journal)?.tips ?? []
    if (tips.length === 1) return { seq: Math.max(...rows.map((row) => row.seq)), hashes: new Set() }

    const ancestry = new Map<string, string | undefined>()
    const all = await this.#db
      .selectFrom('batch')
      .select(['hash', 'prev'])
      .where('journal', '=', bytesOf(journal))
      .where('chained', '=', 1)
      .execute()
    for (const { hash, prev } of all) ancestry.set(toHex(hash), prev === null ? undefined : toHex(prev))
    const hashes = new Set<string>()
    for (const row of rows) {
      let at: string | undefined = toHex(row.hash)
      while (at !== undefined && !hashes.has(at)) {
        hashes.add(at)
        at = ancestry.get(at)
      }
    }
    return { seq: 0, hashes }
  }

  /** Follows what waited for a batch. Each turn chains at least one row, so it ends. */
  async #chain(trx: Trx, first: readonly ChainedRow[]): Promise<void> {
    let chained = [...first]
    while (chained.length > 0) {
      const next: ChainedRow[] = []
      for (const { hash, journal, seq, prev } of chained) {
        const tip = { hash: new Uint8Array(hash), seq }
        this.#graph.advance(toHex(journal), toHex(hash), tip, prev === null ? undefined : toHex(prev))
        const waiting = await trx
          .updateTable('batch')
          .set({ chained: 1 })
          .where('prev', '=', hash)
          .where('journal', '=', journal)
          .where('seq', '=', seq + 1)
          .where('chained', '=', 0)
          .returning(['hash', 'journal', 'seq', 'prev'])
          .execute()
        next.push(...waiting)
      }
      chained = next
    }
  }
}

interface ChainedRow {
  readonly hash: Uint8Array
  readonly journal: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array | null
}

/** Greater than or equal to every hash: “nothing more of this seq”. */
const afterAllHashes: Uint8Array = new Uint8Array(32).fill(0xff)

/** end, end − 1, end − 2, end − 4, … 1: dense where nodes usually differ, sparse where they never do. */
function distances(end: number): number[] {
  if (end === 0) return []
  const seqs = new Set([end])
  for (let back = 1; end - back >= 1; back *= 2) seqs.add(end - back)
  seqs.add(1)
  return [...seqs]
}

function bytesOf(journal: JournalId): Uint8Array {
  return new Uint8Array(Buffer.from(journal, 'hex'))
}
