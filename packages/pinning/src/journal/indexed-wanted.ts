// The pin set, kept in the index: what each journal says → what each operator wants → what the pool wants.
// Every step is a function of the rows before it, so batches may come in any order and twice, and the
// whole can be rebuilt from the journals. Written only inside the transaction that takes in a batch.

import { type AbortOptions, type OperatorId, toHex } from '@commonhold/core'
import type { Kysely, Selectable, Transaction } from 'kysely'
import { CID } from 'multiformats/cid'
import type { PinningTables, WishTables } from '../database.ts'
import { groupOf, keysOf, rootKey, rootOfKey } from '../root-key.ts'
import type { Roster } from '../roster/roster.ts'
import { addUse, grantCost, regrant } from './grants.ts'
import type { JournalGraph } from './journal-graph.ts'
import type { JournalIndex } from './journal-index.ts'
import { type Change, rootOf, type SealedBatch } from './journal-records.ts'
import type { Cut, Wanted } from './wanted.ts'
import type { WantedObject } from './wish.ts'

type JournalWish = Selectable<WishTables['journal_wish']>
type OperatorWish = Selectable<WishTables['operator_wish']>
type WantedRow = Selectable<WishTables['wanted']>

/** Rows per statement: keeps a statement's parameters far below SQLite's bound of 32,766. */
const chunkRows = 400
const pageRows = 256

export class IndexedWanted implements Wanted {
  readonly #db: Kysely<PinningTables>
  readonly #roster: Roster
  readonly #graph: JournalGraph
  readonly #index: JournalIndex
  readonly #listeners = new Set<(roots: readonly CID[] | undefined) => void>()

  constructor(db: Kysely<PinningTables>, roster: Roster, graph: JournalGraph, index: JournalIndex) {
    this.#db = db
    this.#index = index
    this.#roster = roster
    this.#graph = graph
  }

  async get(root: CID): Promise<WantedObject | undefined> {
    const row = await this.#db
      .selectFrom('wanted')
      .selectAll()
      .where('root', '=', rootKey(root))
      .executeTakeFirst()
    return row === undefined ? undefined : objectOf(row)
  }

  async byDigest(digest: Uint8Array): Promise<WantedObject | undefined> {
    const row = await this.#db
      .selectFrom('wanted')
      .selectAll()
      .where('digest', '=', digest)
      .orderBy('root')
      .executeTakeFirst()
    return row === undefined ? undefined : objectOf(row)
  }

  async *inGroup(group: number, options?: AbortOptions): AsyncIterable<WantedObject> {
    let after: Uint8Array = new Uint8Array()
    for (;;) {
      options?.signal?.throwIfAborted()
      const rows = await this.#db
        .selectFrom('wanted')
        .selectAll()
        .where('hash_group', '=', group)
        .where('root', '>', after)
        .orderBy('root')
        .limit(pageRows)
        .execute()
      for (const row of rows) yield objectOf(row)
      const last = rows.at(-1)
      if (last === undefined || rows.length < pageRows) return
      after = last.root
    }
  }

  async list(after?: CID, limit: number = pageRows): Promise<readonly WantedObject[]> {
    const rows = await this.#db
      .selectFrom('wanted')
      .selectAll()
      .where('root', '>', after === undefined ? new Uint8Array() : rootKey(after))
      .orderBy('root')
      .limit(limit)
      .execute()
    return rows.map(objectOf)
  }

  async some(roots: readonly CID[]): Promise<readonly WantedObject[]> {
    if (roots.length === 0) return []
    const rows = await this.#db.selectFrom('wanted').selectAll().where('root', 'in', keysOf(roots)).execute()
    return rows.map(objectOf)
  }

  async count(): Promise<number> {
    return (await this.total()).objects
  }

  async total(): Promise<{ objects: number; bytes: number }> {
    const { objects, bytes } = await this.#db.selectFrom('wanted_count').selectAll().executeTakeFirstOrThrow()
    return { objects, bytes }
  }

  async cut(): Promise<Cut> {
    return this.#graph.cut()
  }

  async gaps(): Promise<readonly string[]> {
    const gaps = this.#graph.unknownImports().map((id) => `journal ${id} is imported but was never seen`)
    for (const journal of await this.#index.gapped()) gaps.push(`journal ${journal} has a gap`)
    return gaps
  }

  onChange(listener: (roots: readonly CID[] | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** After the transaction was committed. */
  tell(roots: readonly CID[] | undefined): void {
    if (roots !== undefined && roots.length === 0) return
    for (const listener of this.#listeners) listener(roots)
  }

  /**
   * What this operator itself wants, binding or not.
   * @returns the terms of its wish, absent when it has none
   */
  async wishOf(operator: OperatorId, root: CID): Promise<WantedObject | undefined> {
    const row = await this.#db
      .selectFrom('operator_wish')
      .selectAll()
      .where('root', '=', rootKey(root))
      .where('operator', '=', operator)
      .executeTakeFirst()
    if (row === undefined) return undefined
    const { copies_min, size, digest } = row
    const hash_group = groupOf(root, this.#roster.k)
    return objectOf({
      root: row.root,
      hash_group,
      size,
      copies_min,
      public: row.public,
      digest,
      authors: operator
    })
  }

  async forget(trx: Transaction<PinningTables>): Promise<void> {
    for (const table of ['journal_wish', 'operator_wish', 'grant_use', 'wanted'] as const) {
      await trx.deleteFrom(table).execute()
    }
  }

  /** @returns roots whose entry in the pin set may have changed */
  async take(trx: Transaction<PinningTables>, batch: SealedBatch, operator: OperatorId): Promise<CID[]> {
    const roots = batch.changes.map(rootOf)
    await writeJournalWishes(trx, batch, operator)
    const changed = await this.#resolve(trx, operator, roots.map(rootKey))
    return changed.map(rootOfKey)
  }

  /** After roster changes: applies the operator's grant anew. */
  async regrant(trx: Transaction<PinningTables>, operator: OperatorId): Promise<CID[]> {
    const changed = await regrant(trx, operator, this.#grantOf(operator))
    await this.#unite(trx, changed)
    return changed.map(rootOfKey)
  }

  /** Operators with wishes in the index. */
  async authors(): Promise<OperatorId[]> {
    const rows = await this.#db.selectFrom('grant_use').select('operator').execute()
    return rows.map((row) => row.operator)
  }

  /** After a journal became known that another imports: the order before the grant may differ. */
  async resolveAll(trx: Transaction<PinningTables>, operator: OperatorId): Promise<CID[]> {
    const rows = await trx
      .selectFrom('journal_wish')
      .select('root')
      .distinct()
      .where('operator', '=', operator)
      .execute()
    const changed = await this.#resolve(
      trx,
      operator,
      rows.map((row) => row.root)
    )
    return changed.map(rootOfKey)
  }

  async #resolve(
    trx: Transaction<PinningTables>,
    operator: OperatorId,
    roots: readonly Uint8Array[]
  ): Promise<Uint8Array[]> {
    for (const some of chunks(roots)) {
      const rows = await trx
        .selectFrom('journal_wish')
        .selectAll()
        .where('root', 'in', some)
        .where('operator', '=', operator)
        .execute()
      const byRoot = Map.groupBy(rows, (row) => toHex(row.root))
      const wishes: OperatorWish[] = []
      for (const root of some) {
        const wish = this.#wishOfOperator(operator, root, byRoot.get(toHex(root)) ?? [])
        if (wish !== undefined) wishes.push(wish)
      }
      const gone = await trx
        .deleteFrom('operator_wish')
        .where('root', 'in', some)
        .where('operator', '=', operator)
        .returning('cost')
        .execute()
      await addUse(trx, operator, sum(wishes) - sum(gone))
      // New rows bind nobody until the grant says so.
      for (const few of chunks(wishes, chunkRows / 8))
        await trx.insertInto('operator_wish').values(few).execute()
    }
    const changed = [...roots]
    const seen = new Set(roots.map(toHex))
    for (const root of await regrant(trx, operator, this.#grantOf(operator))) {
      if (!seen.has(toHex(root))) changed.push(root)
    }
    await this.#unite(trx, changed)
    return changed
  }

  #wishOfOperator(
    operator: OperatorId,
    root: Uint8Array,
    rows: readonly JournalWish[]
  ): OperatorWish | undefined {
    const winners = this.#graph.standing(operator, new Map(rows.map((row) => [toHex(row.journal), row])))
    const first = winners[0]
    if (first === undefined) return undefined
    const size = Math.max(...winners.map((row) => row.size))
    const copies_min = Math.max(...winners.map((row) => row.copies_min))
    return {
      operator,
      root,
      // The oldest place where it still stands: a restated wish keeps its turn before the grant.
      generation: this.#graph.generation(toHex(first.journal)),
      seq: first.seq,
      journal: first.journal,
      size,
      copies_min,
      public: Math.max(...winners.map((row) => row.public)),
      digest: winners.find((row) => row.digest !== null)?.digest ?? null,
      cost: grantCost(size, copies_min),
      binding: 0
    }
  }

  /** Merges the binding wishes of all operators into the pin set. */
  async #unite(trx: Transaction<PinningTables>, roots: readonly Uint8Array[]): Promise<void> {
    for (const some of chunks(roots)) {
      const rows = await trx
        .selectFrom('operator_wish')
        .selectAll()
        .where('root', 'in', some)
        .where('binding', '=', 1)
        .orderBy('operator')
        .execute()
      const united = [...Map.groupBy(rows, (row) => toHex(row.root)).values()].map((own) => this.#united(own))
      const kept = new Set(united.map((row) => toHex(row.root)))
      const gone = some.filter((root) => !kept.has(toHex(root)))
      if (gone.length > 0) await trx.deleteFrom('wanted').where('root', 'in', gone).execute()
      // Never deleted and inserted again: how an object stands goes with its row.
      for (const few of chunks(united, chunkRows / 8)) await upsertWanted(trx, few)
    }
  }

  /** @param rows binding wishes for one root, by operator; at least one */
  #united(rows: readonly OperatorWish[]): WantedRow {
    const root = rows[0]?.root ?? new Uint8Array()
    return {
      root,
      hash_group: groupOf(rootOfKey(root), this.#roster.k),
      size: Math.max(...rows.map((row) => row.size)),
      copies_min: Math.max(...rows.map((row) => row.copies_min)),
      public: Math.max(...rows.map((row) => row.public)),
      digest: rows.find((row) => row.digest !== null)?.digest ?? null,
      authors: rows.map((row) => row.operator).join(' ')
    }
  }

  #grantOf(operator: OperatorId): number | undefined {
    const known = this.#roster.operator(operator)
    return known?.counted === true ? known.pinBytesMax : undefined
  }
}

async function upsertWanted(trx: Transaction<PinningTables>, rows: WantedRow[]): Promise<void> {
  await trx
    .insertInto('wanted')
    .values(rows)
    .onConflict((c) =>
      c.column('root').doUpdateSet((eb) => ({
        size: eb.ref('excluded.size'),
        copies_min: eb.ref('excluded.copies_min'),
        public: eb.ref('excluded.public'),
        digest: eb.ref('excluded.digest'),
        authors: eb.ref('excluded.authors')
      }))
    )
    .execute()
}

/** Per journal and root the entry with the highest seq; at the same seq (a fork) a pin beats an unpin. */
async function writeJournalWishes(
  trx: Transaction<PinningTables>,
  batch: SealedBatch,
  operator: OperatorId
): Promise<void> {
  for (const some of chunks(batch.changes, chunkRows / 8)) {
    const keys = some.map((change) => rootKey(rootOf(change)))
    const before = await trx
      .selectFrom('journal_wish')
      .selectAll()
      .where('root', 'in', keys)
      .where('journal', '=', batch.journal)
      .execute()
    const known = new Map(before.map((row) => [toHex(row.root), row]))
    const rows = some.flatMap((change) => {
      const row = journalWish(change, batch, operator)
      const old = known.get(toHex(row.root))
      if (old === undefined || old.seq < row.seq) return [row]
      return old.seq === row.seq ? [forked(old, row)] : []
    })
    if (rows.length > 0) await trx.replaceInto('journal_wish').values(rows).execute()
  }
}

function journalWish(change: Change, batch: SealedBatch, operator: OperatorId): JournalWish {
  const wish = change.kind === 'pin' ? change.wish : undefined
  return {
    root: rootKey(rootOf(change)),
    journal: batch.journal,
    operator,
    seq: batch.seq,
    pinned: wish === undefined ? 0 : 1,
    size: wish?.size ?? 0,
    copies_min: wish?.copiesMin ?? 0,
    public: wish?.visibility === 'public' ? 1 : 0,
    digest: wish?.digest ?? null
  }
}

function forked(a: JournalWish, b: JournalWish): JournalWish {
  if (a.pinned !== b.pinned) return a.pinned === 1 ? a : b
  const digests = [a.digest, b.digest].filter((digest) => digest !== null).sort(Buffer.compare)
  return {
    ...a,
    size: Math.max(a.size, b.size),
    copies_min: Math.max(a.copies_min, b.copies_min),
    public: Math.max(a.public, b.public),
    digest: digests[0] ?? null
  }
}

function objectOf(row: WantedRow): WantedObject {
  return {
    root: rootOfKey(row.root),
    ...(row.digest === null ? {} : { digest: new Uint8Array(row.digest) }),
    size: row.size,
    copiesMin: row.copies_min,
    visibility: row.public === 1 ? 'public' : 'members',
    group: row.hash_group,
    authors: row.authors.split(' ')
  }
}

function sum(rows: readonly { readonly cost: number }[]): number {
  return rows.reduce((total, row) => total + row.cost, 0)
}

function* chunks<T>(all: readonly T[], size: number = chunkRows): Iterable<T[]> {
  for (let i = 0; i < all.length; i += size) yield all.slice(i, i + size)
}
