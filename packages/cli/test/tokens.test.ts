// Bearer tokens: shown once, kept as a hash, scoped, revocable, expiring.

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { seededRandom, silentLog, VirtualClock } from '@commonhold/core'
import { type IndexDatabase, migrateIndex, nodeFileSystem, openIndexDatabase } from '@commonhold/node'
import { StoredTokens, type TokenTables, tokenMigrations } from '../src/tokens.ts'

let folder: string
let index: IndexDatabase
const clock = new VirtualClock()
let tokens: StoredTokens

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-tokens-'))
  const path = join(folder, 'index.db')
  index = await openIndexDatabase({
    path,
    storeEpoch: new Uint8Array(16),
    fileSystem: nodeFileSystem,
    log: silentLog
  })
  const database = index.tables<TokenTables>()
  await migrateIndex(database, 'cli', tokenMigrations)
  tokens = new StoredTokens({ database, random: seededRandom(7), wallMs: () => clock.wallMs() })
})

after(async () => {
  await index[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('a token allows what it was made for, until it is revoked', async () => {
  const { token, scopes } = await tokens.add('instance', ['upload', 'delete'], undefined)
  assert.deepEqual(scopes, ['delete', 'upload'])
  assert.deepEqual(await tokens.scopesOf(token), ['delete', 'upload'])
  await assert.rejects(tokens.add('instance', ['read'], undefined), { name: 'ConflictError' })
  assert.equal(await tokens.remove('instance'), true)
  assert.equal(await tokens.remove('instance'), false)
  assert.deepEqual(await tokens.scopesOf(token), [])
})

test('anything else allows nothing', async () => {
  const { token } = await tokens.add('other', ['read'], undefined)
  for (const wrong of [
    '',
    'chtok_',
    token.slice(0, -1),
    `${token}x`,
    token.toUpperCase(),
    'x'.repeat(100_000)
  ]) {
    assert.deepEqual(await tokens.scopesOf(wrong), [])
  }
})

test('a token expires at its instant', async () => {
  const { token } = await tokens.add('short', ['metrics'], new Date(clock.wallMs() + 1000))
  assert.deepEqual(await tokens.scopesOf(token), ['metrics'])
  await clock.advance(1000)
  assert.deepEqual(await tokens.scopesOf(token), [])
})

test('the disk never sees a token', async () => {
  const { token } = await tokens.add('secret', ['upload'], undefined)
  for (const name of await readdir(folder)) {
    assert.equal((await readFile(join(folder, name))).includes(Buffer.from(token.slice(6))), false, name)
  }
  assert.equal(JSON.stringify(await tokens.list()).includes(token), false)
})
