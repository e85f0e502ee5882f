// The index database: migrations by owner, durable settings, damage, full disks.

import assert from 'node:assert/strict'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Log, NoSpaceError, StoreMismatchError, silentLog } from '@commonhold/core'
import { type Generated, type Kysely, sql } from 'kysely'
import { nodeFileSystem } from '../src/file-system.ts'
import { type IndexDatabase, indexError, migrateIndex, openIndexDatabase } from '../src/index-database.ts'
import { nodeMigrations } from '../src/node-tables.ts'
import { temporaryFolder } from './temporary-folder.ts'

interface Tables {
  things: { id: Generated<number>; name: string; bytes: Uint8Array | null }
}

const migrations = {
  '0001-things': {
    async up(db: Kysely<unknown>) {
      await sql`CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes BLOB) STRICT`.execute(
        db
      )
    }
  }
}

function open(path: string, log: Log = silentLog): Promise<IndexDatabase> {
  return openIndexDatabase({ path, storeEpoch: new Uint8Array(16).fill(1), fileSystem: nodeFileSystem, log })
}

test('a commit is durable when it returns: WAL with synchronous FULL', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<unknown>()
  const synchronous = await sql<{ synchronous: number }>`PRAGMA synchronous`.execute(database)
  assert.equal(synchronous.rows[0]?.synchronous, 2)
  const mode = await sql<{ journal_mode: string }>`PRAGMA journal_mode`.execute(database)
  assert.equal(mode.rows[0]?.journal_mode, 'wal')
})

test('each owner brings its tables, once', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'index.db')
  for (const fresh of [true, false]) {
    await using index = await open(path)
    assert.equal(index.fresh, fresh)
    await migrateIndex(index.tables<Tables>(), 'things', migrations)
    await migrateIndex(index.tables<Tables>(), 'node', nodeMigrations)
    const database = index.tables<Tables>()
    const { insertId, numInsertedOrUpdatedRows } = await database
      .insertInto('things')
      .values({ name: 'a', bytes: Uint8Array.of(1, 2) })
      .executeTakeFirstOrThrow()
    assert.equal(insertId, fresh ? 1n : 2n)
    assert.equal(numInsertedOrUpdatedRows, 1n)
    const rows = await database.selectFrom('things').selectAll().execute()
    assert.equal(rows.length, fresh ? 1 : 2)
    assert.deepEqual(rows[0]?.bytes, Uint8Array.of(1, 2))
  }
})

test('bad input, index × wrong version: refused, and left as it is', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<Tables>()
  const later = { ...migrations, '0002-later': { up: async () => {} } }
  await migrateIndex(database, 'things', later)
  await assert.rejects(migrateIndex(database, 'things', migrations), StoreMismatchError)
  await migrateIndex(database, 'things', later)
})

// SQLite ends a transaction itself when the disk is full. Seen to fail (“cannot rollback - no transaction is active”
// instead of the reason) with the rollback of a transaction that has ended.
test('a transaction that a full disk ended says so, and the next one works', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<Tables>()
  await migrateIndex(database, 'things', migrations)
  const { rows } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(database)
  await sql`PRAGMA max_page_count = ${sql.lit(rows[0]?.page_count)}`.execute(database)
  const insert = (bytes: number): Promise<unknown> =>
    database.transaction().execute((trx) =>
      trx
        .insertInto('things')
        .values({ name: 'large', bytes: new Uint8Array(bytes) })
        .execute()
    )
  const reason = await insert(1_000_000).catch((err: unknown) => err)
  assert.ok(indexError(reason) instanceof NoSpaceError, String(reason))
  await insert(1)
  assert.equal((await database.selectFrom('things').selectAll().execute()).length, 1)
})

test('a failed transaction leaves nothing, and others wait for their turn', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<Tables>()
  await migrateIndex(database, 'things', migrations)
  const work = Array.from({ length: 50 }, (_, i) =>
    database.transaction().execute(async (transaction) => {
      await transaction
        .insertInto('things')
        .values({ name: `${i}`, bytes: null })
        .execute()
      await new Promise<void>((resolve) => setImmediate(resolve))
      if (i % 2 === 0) throw new Error('undo')
    })
  )
  const ends = await Promise.allSettled(work)
  assert.equal(ends.filter((each) => each.status === 'rejected').length, 25)
  const rows = await database.selectFrom('things').select('name').execute()
  assert.deepEqual(
    rows.map((row) => Number(row.name) % 2),
    new Array(25).fill(1)
  )
})

test('a statement being read is not disturbed by the same statement', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<Tables>()
  await migrateIndex(database, 'things', migrations)
  await database
    .insertInto('things')
    .values(['a', 'b', 'c'].map((name) => ({ name, bytes: null })))
    .execute()
  const query = database.selectFrom('things').select('name').orderBy('name')
  const seen: string[] = []
  for await (const row of query.stream()) seen.push(row.name)
  assert.deepEqual(seen, ['a', 'b', 'c'])
})

const damages: readonly (readonly [string, Uint8Array | string])[] = [
  ['garbage', new Uint8Array(20_000).fill(0xa5)],
  ['another kind of file', 'GIF89a and so on, a picture that lost its way'],
  [
    'a header and nothing behind it',
    Buffer.concat([Buffer.from('SQLite format 3\0'), new Uint8Array(3000).fill(7)])
  ]
]
for (const [what, bytes] of damages) {
  test(`bad input, index × ${what}: moved aside, begun anew, and said loudly`, async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'index.db')
    await writeFile(path, bytes)
    const errors: string[] = []
    await using index = await open(path, { ...silentLog, error: (message) => errors.push(message) })
    assert.equal(index.fresh, true)
    assert.equal(errors.length, 1)
    assert.ok((await readdir(folder.path)).includes('index.db.damaged'))
    await migrateIndex(index.tables<Tables>(), 'things', migrations)
  })
}

test('an empty index file is a fresh one', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'index.db')
  await writeFile(path, '')
  await using index = await open(path)
  await migrateIndex(index.tables<Tables>(), 'things', migrations)
})

test('pages damaged behind an unclean stop are found at the start', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'index.db')
  {
    await using index = await open(path)
    const database = index.tables<Tables>()
    await migrateIndex(database, 'things', migrations)
    for (let i = 0; i < 50; i++) {
      await database
        .insertInto('things')
        .values({ name: 'x'.repeat(2_000), bytes: null })
        .execute()
    }
  }
  const bytes = Buffer.from(await nodeFileSystem.read(path))
  bytes.fill(0xee, 8192, bytes.length - 4096)
  await writeFile(path, bytes)
  await writeFile(`${path}-wal`, '')
  const errors: string[] = []
  await using index = await open(path, { ...silentLog, error: (message) => errors.push(message) })
  assert.equal(index.fresh, true)
  assert.equal(errors.length, 1)
})

test('a full disk has its own class', async () => {
  await using folder = await temporaryFolder()
  await using index = await open(join(folder.path, 'index.db'))
  const database = index.tables<Tables>()
  await migrateIndex(database, 'things', migrations)
  const { rows } = await sql<{ page_count: number }>`PRAGMA page_count`.execute(database)
  await sql`PRAGMA max_page_count = ${sql.lit(rows[0]?.page_count ?? 1)}`.execute(database)
  const bytes = new Uint8Array(100_000)
  const failing = database.insertInto('things').values({ name: 'too much', bytes }).execute()
  await assert.rejects(failing, (err: unknown) => indexError(err) instanceof NoSpaceError)
})
