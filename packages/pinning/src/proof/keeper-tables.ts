// What each keeper made of our challenges: one row per keeper, one per object it is silent about.
// Losing them loses history for people, and strikes that silence earns again; no decision about bytes.

import type { Kysely } from 'kysely'

export interface KeeperTables {
  keeper_record: {
    node: string
    right: number
    wrong: number
    silent: number
    declined: number
    busy: number
    absent: number
    late: number
    epochs: number
    /** Own times; null when it never happened. */
    right_ms: number | null
    wrong_ms: number | null
    wrong_root: Uint8Array | null
    wrong_by: 'digest' | 'path' | null
  }
  /** Objects a keeper does not answer about. */
  silence: {
    root: Uint8Array
    keeper: string
    /** Silences since which it answered about something else. */
    strikes: number
    /** Own time of the last one. */
    asked_ms: number
  }
}

export const keeperTables: { readonly name: string; up(db: Kysely<never>): Promise<void> } = {
  name: '0004-keepers',
  async up(db) {
    let record = db.schema.createTable('keeper_record').addColumn('node', 'text', (c) => c.primaryKey())
    for (const count of ['right', 'wrong', 'silent', 'declined', 'busy', 'absent', 'late', 'epochs']) {
      record = record.addColumn(count, 'integer', (c) => c.notNull())
    }
    await record
      .addColumn('right_ms', 'integer')
      .addColumn('wrong_ms', 'integer')
      .addColumn('wrong_root', 'blob')
      .addColumn('wrong_by', 'text')
      .execute()
    await db.schema
      .createTable('silence')
      .addColumn('root', 'blob', (c) => c.notNull())
      .addColumn('keeper', 'text', (c) => c.notNull())
      .addColumn('strikes', 'integer', (c) => c.notNull())
      .addColumn('asked_ms', 'integer', (c) => c.notNull())
      .addPrimaryKeyConstraint('silence_key', ['keeper', 'root'])
      .execute()
  }
}
