// Tables of standings and of what is counted about them and about the pin set. Every count is kept by a
// trigger on the rows it counts: in their transaction, whoever writes them, so that it cannot drift from them.

import { type Kysely, sql } from 'kysely'

export interface StandingTables {
  /** The last plan for each object, for summaries and for the order of work. */
  standing: {
    root: Uint8Array
    hash_group: number
    health: 'healthy' | 'degraded' | 'at risk' | 'unreachable' | 'lost'
    copies_live: number
    /** Copies claimed and not proven in time. */
    overdue: number
    /** Reason codes, separated by a space. */
    reasons: string
    /** Own time from which age alone may change the plan; `dueNow` when something else did; null when nothing will. */
    review_ms: number | null
  }
  /** How many objects stand alike. Few rows: combinations, not objects. */
  standing_count: {
    health: StandingTables['standing']['health']
    copies_live: number
    reasons: string
    objects: number
    overdue: number
  }
  group_count: { hash_group: number; health: StandingTables['standing']['health']; objects: number }
  /** One row about the whole pin set. */
  wanted_count: { id: number; objects: number; bytes: number }
}

/** In `standing.review_ms`: before every age. */
export const dueNow = 0

const added = (row: 'new' | 'old', by: 1 | -1): string => `
  INSERT INTO standing_count (health, copies_live, reasons, objects, overdue)
    VALUES (${row}.health, ${row}.copies_live, ${row}.reasons, ${by}, ${by} * ${row}.overdue)
    ON CONFLICT DO UPDATE SET objects = objects + excluded.objects, overdue = overdue + excluded.overdue;
  DELETE FROM standing_count WHERE objects = 0 AND health = ${row}.health AND copies_live = ${row}.copies_live
    AND reasons = ${row}.reasons;
  INSERT INTO group_count (hash_group, health, objects) VALUES (${row}.hash_group, ${row}.health, ${by})
    ON CONFLICT DO UPDATE SET objects = objects + excluded.objects;
  DELETE FROM group_count WHERE objects = 0 AND hash_group = ${row}.hash_group AND health = ${row}.health;`

const counted = (row: 'new' | 'old', by: 1 | -1): string => `
  UPDATE wanted_count SET objects = objects + ${by}, bytes = bytes + ${by} * ${row}.size;`

const statements: readonly string[] = [
  `CREATE TABLE standing (
    root BLOB PRIMARY KEY, hash_group INTEGER NOT NULL, health TEXT NOT NULL, copies_live INTEGER NOT NULL,
    overdue INTEGER NOT NULL, reasons TEXT NOT NULL, review_ms INTEGER
  ) STRICT, WITHOUT ROWID`,
  // Small in a pool that works: what is healthy is not in it.
  `CREATE INDEX standing_in_need ON standing (copies_live, root, health) WHERE health != 'healthy'`,
  `CREATE INDEX standing_by_review ON standing (review_ms, copies_live, root) WHERE review_ms IS NOT NULL`,
  `CREATE TABLE standing_count (
    health TEXT NOT NULL, copies_live INTEGER NOT NULL, reasons TEXT NOT NULL, objects INTEGER NOT NULL,
    overdue INTEGER NOT NULL, PRIMARY KEY (health, copies_live, reasons)
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE group_count (
    hash_group INTEGER NOT NULL, health TEXT NOT NULL, objects INTEGER NOT NULL, PRIMARY KEY (hash_group, health)
  ) STRICT, WITHOUT ROWID`,
  'ALTER TABLE keeper ADD COLUMN reached INTEGER',
  `CREATE TABLE wanted_count (id INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT`,
  `INSERT INTO wanted_count (id, objects, bytes) SELECT 1, count(*), coalesce(sum(size), 0) FROM wanted`,
  `CREATE TRIGGER standing_added AFTER INSERT ON standing BEGIN ${added('new', 1)} END`,
  `CREATE TRIGGER standing_removed AFTER DELETE ON standing BEGIN ${added('old', -1)} END`,
  // Not for `review_ms`, which is written most often and counted nowhere.
  `CREATE TRIGGER standing_changed AFTER UPDATE OF health, copies_live, overdue, reasons ON standing
    WHEN (new.health, new.copies_live, new.overdue, new.reasons)
      IS NOT (old.health, old.copies_live, old.overdue, old.reasons)
    BEGIN ${added('old', -1)} ${added('new', 1)} END`,
  `CREATE TRIGGER wanted_added AFTER INSERT ON wanted BEGIN ${counted('new', 1)} END`,
  // An object nobody wants stands nowhere.
  `CREATE TRIGGER wanted_removed AFTER DELETE ON wanted BEGIN
    ${counted('old', -1)} DELETE FROM standing WHERE root = old.root; END`,
  `CREATE TRIGGER wanted_changed AFTER UPDATE OF size ON wanted BEGIN ${counted('old', -1)} ${counted('new', 1)} END`
]

export const standingTables: { readonly name: string; up(db: Kysely<never>): Promise<void> } = {
  name: '0003-standings',
  async up(db) {
    // Made before the counts were: it fills by itself again, and its rows lack what is counted.
    await sql`DROP TABLE standing`.execute(db)
    for (const statement of statements) await sql.raw(statement).execute(db)
  }
}
