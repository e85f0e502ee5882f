// The part of the index database that belongs to this layer. All of it is derived: the record logs are
// the truth about roster and journals, peers and time about the rest; a lost index costs work, not wishes.

import type { Kysely } from 'kysely'
import { type CensusTables, censusTables } from './census/census-tables.ts'
import { standingTables } from './census/standing-tables.ts'
import { type KeeperTables, keeperTables } from './proof/keeper-tables.ts'

/** Tables of journals and wishes, filled by `journals.ts` and `indexed-wanted.ts`. */
export interface WishTables {
  /** How much of each record log the index has taken in. */
  applied_log: { name: string; records: number; last_hash: Uint8Array }
  journal: {
    id: Uint8Array
    operator: string
    node: string
    opening: Uint8Array
  }
  batch: {
    hash: Uint8Array
    journal: Uint8Array
    seq: number
    prev: Uint8Array | null
    /** 1 when all ancestors are here. */
    chained: number
    sealed: Uint8Array
  }
  /** What each journal says about each object: its entry with the highest seq. */
  journal_wish: {
    root: Uint8Array
    journal: Uint8Array
    operator: string
    seq: number
    pinned: number
    size: number
    copies_min: number
    public: number
    digest: Uint8Array | null
  }
  /** What each operator wants, its journals merged. */
  operator_wish: {
    operator: string
    root: Uint8Array
    generation: number
    seq: number
    journal: Uint8Array
    size: number
    copies_min: number
    public: number
    digest: Uint8Array | null
    /** size × copies_min, what it uses of the operator's grant. */
    cost: number
    /** 1 when within the grant of a counted operator. */
    binding: number
  }
  /** Sum of the costs of each operator's wishes. */
  grant_use: { operator: string; cost: number }
  /** The pin set: all binding wishes merged per object. */
  wanted: {
    root: Uint8Array
    hash_group: number
    size: number
    copies_min: number
    public: number
    digest: Uint8Array | null
    /** Operator ids, sorted, separated by a space. */
    authors: string
  }
}

/** All tables of this layer. The keeping half adds its own to this intersection. */
export type PinningTables = WishTables & CensusTables & KeeperTables

export interface Migration {
  readonly name: string
  up(db: Kysely<never>): Promise<void>
}

const wishTables: Migration = {
  name: '0001-wishes',
  async up(db) {
    await db.schema
      .createTable('applied_log')
      .addColumn('name', 'text', (c) => c.primaryKey())
      .addColumn('records', 'integer', (c) => c.notNull())
      .addColumn('last_hash', 'blob', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('journal')
      .addColumn('id', 'blob', (c) => c.primaryKey())
      .addColumn('operator', 'text', (c) => c.notNull())
      .addColumn('node', 'text', (c) => c.notNull())
      .addColumn('opening', 'blob', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('batch')
      .addColumn('hash', 'blob', (c) => c.primaryKey())
      .addColumn('journal', 'blob', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('prev', 'blob')
      .addColumn('chained', 'integer', (c) => c.notNull())
      .addColumn('sealed', 'blob', (c) => c.notNull())
      .execute()
    await db.schema.createIndex('batch_by_seq').on('batch').columns(['journal', 'seq', 'hash']).execute()
    await db.schema.createIndex('batch_by_prev').on('batch').column('prev').execute()
    await db.schema.createIndex('batch_by_chained').on('batch').columns(['chained', 'journal']).execute()
    await db.schema
      .createTable('journal_wish')
      .addColumn('root', 'blob', (c) => c.notNull())
      .addColumn('journal', 'blob', (c) => c.notNull())
      .addColumn('operator', 'text', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('pinned', 'integer', (c) => c.notNull())
      .addColumn('size', 'integer', (c) => c.notNull())
      .addColumn('copies_min', 'integer', (c) => c.notNull())
      .addColumn('public', 'integer', (c) => c.notNull())
      .addColumn('digest', 'blob')
      .addPrimaryKeyConstraint('journal_wish_key', ['root', 'journal'])
      .execute()
    await db.schema
      .createTable('operator_wish')
      .addColumn('operator', 'text', (c) => c.notNull())
      .addColumn('root', 'blob', (c) => c.notNull())
      .addColumn('generation', 'integer', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('journal', 'blob', (c) => c.notNull())
      .addColumn('size', 'integer', (c) => c.notNull())
      .addColumn('copies_min', 'integer', (c) => c.notNull())
      .addColumn('public', 'integer', (c) => c.notNull())
      .addColumn('digest', 'blob')
      .addColumn('cost', 'integer', (c) => c.notNull())
      .addColumn('binding', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('operator_wish_key', ['root', 'operator'])
      .execute()
    await db.schema
      .createIndex('operator_wish_in_order')
      .on('operator_wish')
      .columns(['operator', 'generation', 'seq', 'journal', 'root'])
      .execute()
    await db.schema
      .createIndex('operator_wish_by_binding')
      .on('operator_wish')
      .columns(['operator', 'binding'])
      .execute()
    await db.schema
      .createTable('grant_use')
      .addColumn('operator', 'text', (c) => c.primaryKey())
      .addColumn('cost', 'integer', (c) => c.notNull())
      .execute()
    await db.schema
      .createTable('wanted')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('hash_group', 'integer', (c) => c.notNull())
      .addColumn('size', 'integer', (c) => c.notNull())
      .addColumn('copies_min', 'integer', (c) => c.notNull())
      .addColumn('public', 'integer', (c) => c.notNull())
      .addColumn('digest', 'blob')
      .addColumn('authors', 'text', (c) => c.notNull())
      .execute()
    await db.schema.createIndex('wanted_in_group').on('wanted').columns(['hash_group', 'root']).execute()
    await db.schema.createIndex('wanted_by_digest').on('wanted').column('digest').execute()
  }
}

const takedownTables: Migration = {
  name: '0005-takedowns',
  async up(db) {
    await db.schema
      .createTable('sealed')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('since_ms', 'integer', (c) => c.notNull())
      .execute()
    await db.schema.createIndex('sealed_since').on('sealed').column('since_ms').execute()
  }
}

const lateAnswers: Migration = {
  name: '0006-late-answers',
  async up(db) {
    await db.schema.alterTable('copy').addColumn('late_ms', 'integer').execute()
  }
}

/** In order; each runs once per index database. */
export const pinningMigrations: readonly Migration[] = [
  wishTables,
  censusTables,
  standingTables,
  keeperTables,
  takedownTables,
  lateAnswers
]
