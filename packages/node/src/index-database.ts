// The index: SQLite over node:sqlite, spoken to through Kysely. It holds derived state and local caches
// only, so a damaged one is moved aside and begun anew, loudly; the truth is in blocks and record logs.
// Knows no tables but its own mark; node and pinning bring theirs as migrations.

import { rename } from 'node:fs/promises'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { type Log, NoSpaceError, StoreMismatchError } from '@commonhold/core'
import { Kysely, type SqliteDatabase, SqliteDialect, type SqliteStatement, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { type FileSystem, hasCode } from './file-system.ts'
import { defaults } from './options.ts'

export interface IndexDatabase extends AsyncDisposable {
  /** The same connection for whoever brings tables; each knows only its own. */
  tables<Tables>(): Kysely<Tables>
  /** No index was there, or a damaged one was moved aside: what it knew must be found out again. */
  readonly fresh: boolean
}

export interface IndexDatabaseInit {
  readonly path: string
  /** Of the data folder. An index of another one is refused. */
  readonly storeEpoch: Uint8Array
  readonly fileSystem: FileSystem
  readonly log: Log
}

/** @throws StoreMismatchError, NoSpaceError */
export async function openIndexDatabase(init: IndexDatabaseInit): Promise<IndexDatabase> {
  const there = (await init.fileSystem.stat(init.path)) !== undefined
  let database: DatabaseSync
  let moved = false
  try {
    database = await open(init)
  } catch (err) {
    if (!there || !isDamage(err)) throw indexError(err)
    const aside = await moveAside(init)
    moved = true
    init.log.error('the index was damaged and is built anew from blocks and logs', { aside, err })
    database = await open(init)
  }
  const kysely = new Kysely<unknown>({
    dialect: new SqliteDialect({ database: new StatementCache(database) })
  })
  return {
    tables: <Tables>() => kysely as unknown as Kysely<Tables>,
    fresh: moved || !there,
    [Symbol.asyncDispose]: async () => {
      await kysely.destroy()
      // Kysely closes only what it has used.
      if (database.isOpen) database.close()
    }
  }
}

/**
 * Brings one owner's tables up to date; each owner counts its own migrations.
 * @param migrations in the order of their keys.
 * @throws StoreMismatchError when a later version of this program has been here; NoSpaceError
 */
export async function migrateIndex<Tables>(
  database: Kysely<Tables>,
  owner: string,
  migrations: Readonly<Record<string, Migration>>
): Promise<void> {
  const table = `${owner}_migrations`
  await assertNoLaterVersion(database, table, migrations)
  const migrator = new Migrator({
    db: database,
    provider: { getMigrations: async () => ({ ...migrations }) },
    migrationTableName: table,
    migrationLockTableName: `${owner}_migrations_lock`
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw indexError(error)
}

/** Tables we do not know may hold what we would break; and some of it, like denials, is nowhere else. */
async function assertNoLaterVersion<Tables>(
  database: Kysely<Tables>,
  table: string,
  migrations: Readonly<Record<string, Migration>>
): Promise<void> {
  const isThere = await sql`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ${table}`.execute(
    database
  )
  if (isThere.rows.length === 0) return
  const { rows } = await sql<{ name: string }>`SELECT name FROM ${sql.table(table)}`.execute(database)
  const unknown = rows.find(({ name }) => !Object.hasOwn(migrations, name))
  if (unknown === undefined) return
  throw new StoreMismatchError(
    `The index was made by a later version of Commonhold (it has the step ${unknown.name}). ` +
      'Update this program, or restore the backup that was made with this version.'
  )
}

/** The error to throw on for a failed query: a full disk gets its own class. */
export function indexError(err: unknown): unknown {
  if (sqliteCodeOf(err) !== sqliteFull && !hasCode(err, 'ENOSPC')) return err
  return new NoSpaceError('The index could not be written: the disk is full.', { cause: err })
}

const sqliteCorrupt = 11
const sqliteFull = 13
const sqliteNotADatabase = 26

/** The primary result code: the low byte of an extended one. */
function sqliteCodeOf(err: unknown): number | undefined {
  if (!(err instanceof Error && 'errcode' in err && typeof err.errcode === 'number')) return undefined
  return err.errcode & 0xff
}

function isDamage(err: unknown): boolean {
  const code = sqliteCodeOf(err)
  return code === sqliteCorrupt || code === sqliteNotADatabase || err instanceof DamagedIndex
}

class DamagedIndex extends Error {}

async function open(init: IndexDatabaseInit): Promise<DatabaseSync> {
  const unclean = (await init.fileSystem.stat(`${init.path}-wal`)) !== undefined
  const bytes = (await init.fileSystem.stat(init.path))?.bytes ?? 0
  const database = new DatabaseSync(init.path)
  try {
    // FULL: a commit is durable when it returns; receipts and acknowledgements stand on it.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
    // The data folder is ours alone, so nobody else may read the file and no shared memory is needed.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY')
    if (unclean && bytes <= defaults.indexCheckBytesMax) checkPages(database)
    markEpoch(database, init)
    return database
  } catch (err) {
    database.close()
    throw err
  }
}

function checkPages(database: DatabaseSync): void {
  const answer = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check']
  if (answer !== 'ok') throw new DamagedIndex(String(answer))
}

function markEpoch(database: DatabaseSync, init: IndexDatabaseInit): void {
  database.exec('CREATE TABLE IF NOT EXISTS index_mark (storeEpoch BLOB NOT NULL) STRICT')
  const known = database.prepare('SELECT storeEpoch FROM index_mark').get()?.['storeEpoch']
  if (known === undefined) {
    database.prepare('INSERT INTO index_mark (storeEpoch) VALUES (?)').run(init.storeEpoch)
  } else if (!(known instanceof Uint8Array) || Buffer.compare(known, init.storeEpoch) !== 0) {
    throw new StoreMismatchError(
      `The index ${init.path} was made with another data folder. Restore folder and index from one backup, ` +
        'or remove the index file: it is then built anew from blocks and logs.'
    )
  }
}

/** Keeps the damaged file for whoever wants to know why; a WAL must never meet another database. */
async function moveAside(init: IndexDatabaseInit): Promise<string> {
  const aside = `${init.path}.damaged`
  for (const suffix of ['', '-wal', '-shm']) {
    try {
      await rename(`${init.path}${suffix}`, `${aside}${suffix}`)
    } catch (err) {
      if (!hasCode(err, 'ENOENT')) throw err
    }
  }
  return aside
}

/** What Kysely's own SQLite dialect needs, over node:sqlite; statements are prepared once. */
class StatementCache implements SqliteDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, SqliteStatement>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#adapt(sql)
    if (this.#statements.size >= defaults.statementsMax) {
      const [oldest] = this.#statements.keys()
      if (oldest !== undefined) this.#statements.delete(oldest)
    }
    this.#statements.set(sql, statement)
    return statement
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #adapt(sql: string): SqliteStatement {
    const statement = this.#database.prepare(sql)
    return {
      reader: statement.columns().length > 0,
      all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
      run: (parameters) =>
        // A full disk has ended the transaction already; rolling it back again would hide why.
        sql === 'rollback' && !this.#database.isTransaction
          ? { changes: 0, lastInsertRowid: 0 }
          : statement.run(...(parameters as SQLInputValue[])),
      // A statement of its own, because running the shared one again would end the iteration.
      iterate: (parameters) =>
        this.#database.prepare(sql).iterate(...(parameters as SQLInputValue[])) as IterableIterator<unknown>
    }
  }
}
