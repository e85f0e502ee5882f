// An index in memory over node:sqlite, so that these tests run the very SQL that production runs.

import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { Kysely, SqliteDialect } from 'kysely'
import { type PinningTables, pinningMigrations } from '../../src/database.ts'

export async function memoryDatabase(): Promise<Kysely<PinningTables>> {
  const sqlite = new DatabaseSync(':memory:')
  const db = new Kysely<PinningTables>({
    dialect: new SqliteDialect({
      database: {
        close: () => sqlite.close(),
        prepare: (sql) => {
          const statement = sqlite.prepare(sql)
          const reader = statement.columns().length > 0
          return {
            reader,
            all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
            run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
            iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[]))
          }
        }
      }
    })
  })
  for (const migration of pinningMigrations) await migration.up(db as unknown as Kysely<never>)
  return db
}
