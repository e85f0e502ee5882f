// Bearer tokens of the bridge: made here, shown once, kept as a hash. Looking one up by the hash of
// what was presented takes the same time for a near miss as for garbage.

import { createHash } from 'node:crypto'
import { ConflictError, type Random } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { TokenAddAnswer, TokenRow, TokenScope } from './control/protocol.ts'

export interface TokenTables {
  token: {
    name: string
    /** sha2-256 of the token. It has 256 random bits, so no salt and no slow hash are needed. */
    hash: Uint8Array
    /** Scopes, separated by a space. */
    scopes: string
    created_at: string
    expires_at: string | null
  }
}

/** What makes a leaked token recognisable to scanners and people. */
const prefix = 'chtok_'

export const tokenMigrations: Readonly<Record<string, Migration>> = {
  '0001-tokens': {
    async up(db) {
      await db.schema
        .createTable('token')
        .addColumn('name', 'text', (c) => c.primaryKey())
        .addColumn('hash', 'blob', (c) => c.notNull().unique())
        .addColumn('scopes', 'text', (c) => c.notNull())
        .addColumn('created_at', 'text', (c) => c.notNull())
        .addColumn('expires_at', 'text')
        .execute()
    }
  }
}

export interface StoredTokensComponents {
  readonly database: Kysely<TokenTables>
  readonly random: Random
  /** Expiry dates are absolute: the one thing the wall clock decides. */
  readonly wallMs: () => number
}

export class StoredTokens {
  readonly #components: StoredTokensComponents

  constructor(components: StoredTokensComponents) {
    this.#components = components
  }

  /** @throws ConflictError when the name is taken: replacing a token silently would lock somebody out. */
  async add(
    name: string,
    scopes: readonly TokenScope[],
    expiresAt: Date | undefined
  ): Promise<TokenAddAnswer> {
    const { database, random, wallMs } = this.#components
    const taken = await database
      .selectFrom('token')
      .select('name')
      .where('name', '=', name)
      .executeTakeFirst()
    if (taken !== undefined) {
      throw new ConflictError(
        `There is a token “${name}” already. Revoke it first: commonhold token rm ${name}`
      )
    }
    const token = prefix + Buffer.from(random.bytes(32)).toString('base64url')
    const row = {
      name,
      hash: hashOf(token),
      scopes: [...scopes].sort().join(' '),
      created_at: new Date(wallMs()).toISOString(),
      expires_at: expiresAt?.toISOString() ?? null
    }
    await database.insertInto('token').values(row).execute()
    return { ...shown(row), token }
  }

  async remove(name: string): Promise<boolean> {
    const { numDeletedRows } = await this.#components.database
      .deleteFrom('token')
      .where('name', '=', name)
      .executeTakeFirst()
    return numDeletedRows > 0n
  }

  async list(): Promise<readonly TokenRow[]> {
    const rows = await this.#components.database.selectFrom('token').selectAll().orderBy('name').execute()
    return rows.map(shown)
  }

  /** Scopes of a presented token; empty for an unknown or expired one. */
  async scopesOf(token: string): Promise<readonly TokenScope[]> {
    const { database, wallMs } = this.#components
    const row = await database
      .selectFrom('token')
      .select(['scopes', 'expires_at'])
      .where('hash', '=', hashOf(token))
      .executeTakeFirst()
    if (row === undefined) return []
    if (row.expires_at !== null && Date.parse(row.expires_at) <= wallMs()) return []
    return row.scopes.split(' ') as TokenScope[]
  }
}

function hashOf(token: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(token).digest())
}

function shown(row: TokenTables['token']): TokenRow {
  return {
    name: row.name,
    scopes: row.scopes.split(' ') as TokenScope[],
    createdAt: row.created_at,
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at })
  }
}
