// Tables of the keeping half: who claims what, what was proven, what we hold and what we intend.
// Losing them costs proofs and time, never a wish or a byte: reports, proofs and a walk over the object
// store fill them again. Ages are `OwnTime`, except expiry dates, which are wall time.

import type { Kysely } from 'kysely'
import type { StandingTables } from './standing-tables.ts'

export interface CensusTables extends StandingTables {
  own_time: { id: number; own_ms: number; wall_ms: number }
  /** Keepers as they spoke to us. */
  keeper: {
    node: string
    store_epoch: Uint8Array | null
    first_seen_ms: number
    /** Whether we reached it when its objects were last looked at; null before. */
    reached: number | null
  }
  /** What a keeper says it holds, by receipt, report or answer, and what we found out about it. */
  copy: {
    root: Uint8Array
    keeper: string
    hash_group: number
    claimed_ms: number
    /** Last right answer to our own challenge. */
    proven_ms: number | null
    asked_ms: number | null
    corrupt_ms: number | null
    declined_ms: number | null
    doubted: number
    /** First of the right answers that were too late to prove it, since the last that was not. */
    late_ms: number | null
  }
  /** Right answers to others, as they signed. */
  proof_word: {
    root: Uint8Array
    keeper: string
    challenger: string
    store_epoch: Uint8Array
    seq: number
    received_ms: number
    expires_wall_ms: number
  }
  /** Groups of keepers under suspicion: right answers still to come. */
  suspect: { keeper: string; hash_group: number; right_left: number }
  /** Our own proof receipts, for others to read in order. */
  proof_receipt: { seq: number; bytes: Uint8Array; expires_wall_ms: number }
  /** Objects here and how they came. The object store decides whether they are really here. */
  held: { root: Uint8Array; hash_group: number; origin: 'upload' | 'repair'; provided: number }
  release_intent: { root: Uint8Array; began_ms: number }
  /** Objects here that are denied, since when. The object store decides whether they are really sealed. */
  sealed: { root: Uint8Array; since_ms: number }
  /** Objects here that nobody wants, since when. */
  unwanted: { root: Uint8Array; since_ms: number }
}

export const censusTables: { readonly name: string; up(db: Kysely<never>): Promise<void> } = {
  name: '0002-census',
  async up(db) {
    const { schema } = db
    await schema
      .createTable('own_time')
      .addColumn('id', 'integer', (c) => c.primaryKey())
      .addColumn('own_ms', 'integer', (c) => c.notNull())
      .addColumn('wall_ms', 'integer', (c) => c.notNull())
      .execute()
    await schema
      .createTable('keeper')
      .addColumn('node', 'text', (c) => c.primaryKey())
      .addColumn('store_epoch', 'blob')
      .addColumn('first_seen_ms', 'integer', (c) => c.notNull())
      .execute()
    await schema
      .createTable('copy')
      .addColumn('root', 'blob', (c) => c.notNull())
      .addColumn('keeper', 'text', (c) => c.notNull())
      .addColumn('hash_group', 'integer', (c) => c.notNull())
      .addColumn('claimed_ms', 'integer', (c) => c.notNull())
      .addColumn('proven_ms', 'integer')
      .addColumn('asked_ms', 'integer')
      .addColumn('corrupt_ms', 'integer')
      .addColumn('declined_ms', 'integer')
      .addColumn('doubted', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('copy_key', ['root', 'keeper'])
      .execute()
    await schema.createIndex('copy_by_keeper').on('copy').columns(['keeper', 'hash_group', 'root']).execute()
    await schema
      .createTable('proof_word')
      .addColumn('root', 'blob', (c) => c.notNull())
      .addColumn('keeper', 'text', (c) => c.notNull())
      .addColumn('challenger', 'text', (c) => c.notNull())
      .addColumn('store_epoch', 'blob', (c) => c.notNull())
      .addColumn('seq', 'integer', (c) => c.notNull())
      .addColumn('received_ms', 'integer', (c) => c.notNull())
      .addColumn('expires_wall_ms', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('proof_word_key', ['root', 'keeper', 'challenger'])
      .execute()
    await schema.createIndex('proof_word_expiry').on('proof_word').column('expires_wall_ms').execute()
    await schema
      .createTable('suspect')
      .addColumn('keeper', 'text', (c) => c.notNull())
      .addColumn('hash_group', 'integer', (c) => c.notNull())
      .addColumn('right_left', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('suspect_key', ['keeper', 'hash_group'])
      .execute()
    await schema
      .createTable('proof_receipt')
      .addColumn('seq', 'integer', (c) => c.primaryKey())
      .addColumn('bytes', 'blob', (c) => c.notNull())
      .addColumn('expires_wall_ms', 'integer', (c) => c.notNull())
      .execute()
    await schema
      .createTable('held')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('hash_group', 'integer', (c) => c.notNull())
      .addColumn('origin', 'text', (c) => c.notNull())
      .addColumn('provided', 'integer', (c) => c.notNull())
      .execute()
    await schema.createIndex('held_in_group').on('held').columns(['hash_group', 'root']).execute()
    await schema
      .createTable('release_intent')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('began_ms', 'integer', (c) => c.notNull())
      .execute()
    await schema
      .createTable('unwanted')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('since_ms', 'integer', (c) => c.notNull())
      .execute()
    await schema
      .createTable('standing')
      .addColumn('root', 'blob', (c) => c.primaryKey())
      .addColumn('health', 'text', (c) => c.notNull())
      .addColumn('copies_live', 'integer', (c) => c.notNull())
      .addColumn('reasons', 'text', (c) => c.notNull())
      .execute()
    // Small in a pool that works: what is healthy is not in it.
    await schema
      .createIndex('standing_in_need')
      .on('standing')
      .columns(['copies_live', 'root', 'health'])
      .where('health' as never, '!=', 'healthy')
      .execute()
  }
}
