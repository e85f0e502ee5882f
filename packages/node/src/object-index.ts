// What the index knows about whole objects: their rows, and which blocks each is made of. All SQL about
// objects is here. Derived from blocks and journals: `Objects.reconcile` makes it anew.

import { toHex } from '@commonhold/core'
import { type Kysely, sql, type Transaction } from 'kysely'
import { CID } from 'multiformats/cid'
import { indexError } from './index-database.ts'
import type { NodeTables } from './node-tables.ts'
import type { CompletedObject } from './object-intake.ts'

export interface StoredObject {
  /** CIDv1. */
  readonly root: CID
  /** File bytes. */
  readonly size: number
  readonly origin: 'upload' | 'repair'
  /** Plain sha2-256 of the whole file, when known. */
  readonly digest?: Uint8Array
}

/** `complete` and `damaged` are those that are not sealed. */
export type ObjectState = 'complete' | 'damaged' | 'sealed'

type Origin = StoredObject['origin']

const rowsPerPage = 256
/** SQLite binds 32,766 values; far fewer make a statement worth caching. */
const blocksPerInsert = 64

interface WaitingAdd {
  readonly object: CompletedObject
  readonly origin: Origin
  readonly blocks: Iterable<Uint8Array>
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

export class ObjectIndex {
  readonly #database: Kysely<NodeTables>
  readonly #waiting: WaitingAdd[] = []
  #adding = false

  constructor(database: Kysely<NodeTables>) {
    this.#database = database
  }

  /** A complete object that may be shown. */
  async find(root: CID): Promise<StoredObject | undefined> {
    const row = await this.#database
      .selectFrom('objects')
      .selectAll()
      .where('root', '=', nameOf(root))
      .where('state', '=', 'complete')
      .where('sealed', '=', 0)
      .executeTakeFirst()
    return row === undefined ? undefined : stored(row)
  }

  /** Those of these roots that are complete here, in no particular order. */
  async findAll(roots: readonly CID[]): Promise<CID[]> {
    const rows = await this.#database
      .selectFrom('objects')
      .select('root')
      .where('root', 'in', roots.map(nameOf))
      .where('state', '=', 'complete')
      .where('sealed', '=', 0)
      .execute()
    return rows.map(({ root }) => CID.decode(root))
  }

  async findByDigest(digest: Uint8Array): Promise<StoredObject | undefined> {
    const row = await this.#database
      .selectFrom('objects')
      .selectAll()
      .where('digest', '=', digest)
      .where('state', '=', 'complete')
      .where('sealed', '=', 0)
      .orderBy('root')
      .limit(1)
      .executeTakeFirst()
    return row === undefined ? undefined : stored(row)
  }

  /** Objects, complete or not, sealed or not, whose root or whole file has this digest. */
  async findAllNamed(digest: Uint8Array): Promise<StoredObject[]> {
    const rows = await this.#database
      .selectFrom('objects')
      .selectAll()
      .where((eb) => eb.or([eb('rootDigest', '=', digest), eb('digest', '=', digest)]))
      .execute()
    return rows.map(stored)
  }

  /** Complete objects this block is part of. */
  async ownersOf(block: CID, limit: number): Promise<StoredObject[]> {
    const rows = await this.#database
      .selectFrom('objects')
      .selectAll()
      .where('state', '=', 'complete')
      .where('sealed', '=', 0)
      .where('id', 'in', (query) =>
        query.selectFrom('object_blocks').select('object').where('block', '=', block.multihash.digest)
      )
      .limit(limit)
      .execute()
    return rows.map(stored)
  }

  /** Whether this block is part of a complete object that may be shown. */
  async contains(root: CID, block: CID): Promise<boolean> {
    const row = await this.#database
      .selectFrom('objects')
      .innerJoin('object_blocks', 'object_blocks.object', 'objects.id')
      .select('id')
      .where('root', '=', nameOf(root))
      .where('state', '=', 'complete')
      .where('sealed', '=', 0)
      .where('block', '=', block.multihash.digest)
      .executeTakeFirst()
    return row !== undefined
  }

  /** In byte order of the digest of the root, page by page, so that no statement stays open meanwhile. */
  async *all(which: ObjectState): AsyncGenerator<StoredObject> {
    let after: { readonly rootDigest: Uint8Array; readonly root: Uint8Array } | undefined
    for (;;) {
      let query = this.#database.selectFrom('objects').selectAll()
      if (which === 'sealed') query = query.where('sealed', '=', 1)
      else query = query.where('state', '=', which).where('sealed', '=', 0)
      if (after !== undefined) {
        const { rootDigest, root } = after
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple('rootDigest', 'root'), '>', tuple(rootDigest, root))
        )
      }
      const rows = await query.orderBy('rootDigest').orderBy('root').limit(rowsPerPage).execute()
      for (const row of rows) yield stored(row)
      after = rows.at(-1)
      if (rows.length < rowsPerPage) return
    }
  }

  /**
   * Row and blocks together, durable when it resolves. Adds that come while one commit runs share the
   * next: each is an fsync during which this thread does nothing else.
   */
  add(object: CompletedObject, origin: Origin, blocks: Iterable<Uint8Array>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ object, origin, blocks, resolve, reject })
      if (!this.#adding) void this.#addAll()
    })
  }

  async #addAll(): Promise<void> {
    this.#adding = true
    while (this.#waiting.length > 0) {
      // Whatever the disk has finished meanwhile gets its turn to join.
      await new Promise<void>((resolve) => setImmediate(resolve))
      const group = this.#waiting.splice(0)
      try {
        await this.#database.transaction().execute(async (transaction) => {
          for (const each of group) await insertObject(transaction, each)
        })
        for (const each of group) each.resolve()
      } catch (err) {
        for (const each of group) each.reject(indexError(err))
      }
    }
    // In the same step that found nothing waiting: whoever comes next starts anew.
    this.#adding = false
  }

  /** Durable when it resolves; the object when it was not sealed before. */
  seal(root: CID): Promise<StoredObject | undefined> {
    return this.#setSealed(root, 1)
  }

  /** Durable when it resolves; the object when it was sealed until now. */
  unseal(root: CID): Promise<StoredObject | undefined> {
    return this.#setSealed(root, 0)
  }

  async isSealed(root: CID): Promise<boolean> {
    const row = await this.#database
      .selectFrom('objects')
      .select('sealed')
      .where('root', '=', nameOf(root))
      .executeTakeFirst()
    return row?.sealed === 1
  }

  /** File bytes of all sealed objects. */
  async sealedBytes(): Promise<number> {
    const { bytes } = await this.#database
      .selectFrom('objects')
      .select((eb) => eb.fn.sum<number>('size').as('bytes'))
      .where('sealed', '=', 1)
      .executeTakeFirstOrThrow()
    return Number(bytes ?? 0)
  }

  async #setSealed(root: CID, sealed: 0 | 1): Promise<StoredObject | undefined> {
    try {
      const row = await this.#database
        .updateTable('objects')
        .set({ sealed })
        .where('root', '=', nameOf(root))
        .where('sealed', '!=', sealed)
        .returningAll()
        .executeTakeFirst()
      return row === undefined ? undefined : stored(row)
    } catch (err) {
      throw indexError(err)
    }
  }

  /** Whether a block may be shown: some object made of it is not sealed, or none is made of it. */
  async mayShow(blockDigest: Uint8Array): Promise<boolean> {
    const { sealed } = await this.#database
      .selectFrom('object_blocks')
      .innerJoin('objects', 'objects.id', 'object_blocks.object')
      .select((eb) => eb.fn.min('sealed').as('sealed'))
      .where('block', '=', blockDigest)
      .executeTakeFirstOrThrow()
    return sealed !== 1
  }

  /** Removes the row of a sealed or of a shown object; returns the blocks it was made of, which may now be unneeded. */
  async remove(root: CID, sealed: 0 | 1 = 0): Promise<Uint8Array[]> {
    try {
      return await this.#database.transaction().execute(async (transaction) => {
        const row = await transaction
          .selectFrom('objects')
          .select('id')
          .where('root', '=', nameOf(root))
          .where('sealed', '=', sealed)
          .executeTakeFirst()
        if (row === undefined) return []
        const blocks = await transaction
          .selectFrom('object_blocks')
          .select('block')
          .where('object', '=', row.id)
          .execute()
        await transaction.deleteFrom('objects').where('id', '=', row.id).execute()
        return blocks.map((each) => each.block)
      })
    } catch (err) {
      throw indexError(err)
    }
  }

  async markDamaged(root: CID): Promise<void> {
    await this.#database
      .updateTable('objects')
      .set({ state: 'damaged' })
      .where('root', '=', nameOf(root))
      .execute()
  }

  /** Every object made of this block lacks it. Returns the roots of those that were complete and shown until now. */
  async markDamagedBy(block: CID): Promise<CID[]> {
    const rows = await this.#database
      .updateTable('objects')
      .set({ state: 'damaged' })
      .where('state', '=', 'complete')
      .where('id', 'in', (query) =>
        query.selectFrom('object_blocks').select('object').where('block', '=', block.multihash.digest)
      )
      .returning(['root', 'sealed'])
      .execute()
    return rows.filter(({ sealed }) => sealed === 0).map(({ root }) => CID.decode(root))
  }

  /** Blocks of complete objects, in order of their digests: those after one, up to another. */
  async blocksBetween(after: Uint8Array, upTo: Uint8Array, limit: number): Promise<Uint8Array[]> {
    const rows = await this.#database
      .selectFrom('object_blocks')
      .innerJoin('objects', 'objects.id', 'object_blocks.object')
      .select('block')
      .distinct()
      .where('objects.state', '=', 'complete')
      .where('objects.sealed', '=', 0)
      .where('block', '>', after)
      .where('block', '<=', upTo)
      .orderBy('block')
      .limit(limit)
      .execute()
    return rows.map(({ block }) => block)
  }

  /** Those of the blocks that no object here, complete, damaged or sealed, is made of: one look-up for a page of them. */
  async unneeded(blockDigests: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const rows = await this.#database
      .selectFrom('object_blocks')
      .select('block')
      .distinct()
      .where('block', 'in', blockDigests)
      .execute()
    const needed = new Set(rows.map(({ block }) => toHex(block)))
    return blockDigests.filter((digest) => !needed.has(toHex(digest)))
  }

  /** Whether any object here, complete, damaged or sealed, is made of this block. */
  async needs(blockDigest: Uint8Array): Promise<boolean> {
    const row = await this.#database
      .selectFrom('object_blocks')
      .select('object')
      .where('block', '=', blockDigest)
      .limit(1)
      .executeTakeFirst()
    return row !== undefined
  }
}

async function insertObject(
  transaction: Transaction<NodeTables>,
  { object, origin, blocks }: WaitingAdd
): Promise<void> {
  const { id } = await transaction
    .insertInto('objects')
    .values({
      root: nameOf(object.root),
      rootDigest: object.root.multihash.digest,
      digest: object.digest ?? null,
      size: object.size,
      origin,
      state: 'complete'
    })
    .onConflict((conflict) =>
      conflict.column('root').doUpdateSet((eb) => ({
        state: 'complete',
        digest: eb.fn.coalesce('excluded.digest', 'objects.digest'),
        // Whoever put it here as an upload has a reason to keep it that a repair does not take away.
        origin: sql<Origin>`CASE WHEN objects.origin = 'upload' THEN 'upload' ELSE excluded.origin END`
      }))
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  await insertBlocks(transaction, id, blocks)
}

async function insertBlocks(
  transaction: Transaction<NodeTables>,
  object: number,
  blocks: Iterable<Uint8Array>
): Promise<void> {
  let batch: { object: number; block: Uint8Array }[] = []
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return
    await transaction
      .insertInto('object_blocks')
      .values(batch)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    batch = []
  }
  for (const block of blocks) {
    batch.push({ object, block })
    if (batch.length === blocksPerInsert) await flush()
  }
  await flush()
}

/** Two spellings of a root are one object. */
function nameOf(root: CID): Uint8Array {
  return root.toV1().bytes
}

function stored(row: {
  root: Uint8Array
  size: number
  origin: Origin
  digest: Uint8Array | null
}): StoredObject {
  const object = { root: CID.decode(row.root), size: row.size, origin: row.origin }
  return row.digest === null ? object : { ...object, digest: row.digest }
}
