// The tables of this package in the index, and how they came about. A migration that was released is
// never changed; a new one follows it.

import type { Generated, Kysely } from 'kysely'
import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'

export interface NodeTables {
  objects: ObjectsTable
  object_blocks: ObjectBlocksTable
  denials: DenialsTable
  denied_names: DeniedNamesTable
  scrub: ScrubTable
}

interface ObjectsTable {
  id: Generated<number>
  /** CIDv1. */
  root: Uint8Array
  /** sha2-256 of the root block: the order of the objects. */
  rootDigest: Uint8Array
  /** sha2-256 of the whole file, when known. */
  digest: Uint8Array | null
  /** File bytes. */
  size: number
  origin: 'upload' | 'repair'
  /** `damaged`: a block was found bad or absent; the others are kept for the next fetch. */
  state: 'complete' | 'damaged'
  /**
   * 1: denied here. Its blocks stay on disk and nobody is shown them, until it is unsealed or erased. Beside the
   * state and not in its place: an undo finds the object as it was.
   */
  sealed: Generated<0 | 1>
}

/** Which object is made of which blocks. A set, not a count: saying it twice changes nothing. */
interface ObjectBlocksTable {
  object: number
  /** sha2-256 of the block. */
  block: Uint8Array
}

interface DenialsTable {
  id: Generated<number>
  /** As the operator wrote it. */
  subject: string
  reason: string
  deniedAtMs: number
  eraseAtOnce: Generated<0 | 1>
}

/** Every sha2-256 by which a denied object was known when it was denied. */
interface DeniedNamesTable {
  denial: number
  digest: Uint8Array
}

/** How far the check of our own blocks has come: one row. */
interface ScrubTable {
  id: number
  /** Digest of the last block checked in this pass; empty at its beginning. */
  at: Uint8Array
  /** Wall time at which the pass began by its schedule. */
  beganMs: number
  /** Damaged blocks found, in all passes. */
  damaged: number
}

export const nodeMigrations: Readonly<Record<string, Migration>> = Object.freeze({
  '0001-objects': {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE objects (
        id INTEGER PRIMARY KEY, root BLOB NOT NULL UNIQUE, rootDigest BLOB NOT NULL, digest BLOB,
        size INTEGER NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('upload', 'repair')),
        state TEXT NOT NULL CHECK (state IN ('complete', 'damaged'))
      ) STRICT`.execute(db)
      await sql`CREATE INDEX objects_in_order ON objects (rootDigest, root)`.execute(db)
      await sql`CREATE INDEX objects_by_digest ON objects (digest) WHERE digest IS NOT NULL`.execute(db)
      await sql`CREATE TABLE object_blocks (
        object INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE, block BLOB NOT NULL,
        PRIMARY KEY (object, block)
      ) STRICT, WITHOUT ROWID`.execute(db)
      await sql`CREATE INDEX object_blocks_by_block ON object_blocks (block)`.execute(db)
    }
  },
  '0002-denials': {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE denials (
        id INTEGER PRIMARY KEY, subject TEXT NOT NULL, reason TEXT NOT NULL, deniedAtMs INTEGER NOT NULL
      ) STRICT`.execute(db)
      await sql`CREATE TABLE denied_names (
        denial INTEGER NOT NULL REFERENCES denials (id) ON DELETE CASCADE, digest BLOB NOT NULL,
        PRIMARY KEY (digest, denial)
      ) STRICT, WITHOUT ROWID`.execute(db)
      await sql`CREATE INDEX denied_names_by_denial ON denied_names (denial)`.execute(db)
    }
  },
  '0003-scrub': {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE scrub (
        id INTEGER PRIMARY KEY CHECK (id = 1), at BLOB NOT NULL, beganMs INTEGER NOT NULL, damaged INTEGER NOT NULL
      ) STRICT`.execute(db)
    }
  },
  '0004-sealed': {
    async up(db: Kysely<unknown>) {
      await sql`ALTER TABLE objects ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0 CHECK (sealed IN (0, 1))`.execute(
        db
      )
      await sql`ALTER TABLE denials ADD COLUMN eraseAtOnce INTEGER NOT NULL DEFAULT 0`.execute(db)
      await sql`CREATE INDEX objects_sealed ON objects (rootDigest, root) WHERE sealed = 1`.execute(db)
    }
  }
})
