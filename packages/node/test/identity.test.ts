import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ConflictError, InvalidInputError, MalformedRecordError, seededRandom, silentLog } from '@commonhold/core'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { exportKeys, importKeys, type KeysInit, openKeys } from '../src/identity.ts'

async function emptyFolder(t: TestContext, seed: number): Promise<KeysInit> {
  const folder = await mkdtemp(join(tmpdir(), 'commonhold-keys-'))
  t.after(() => rm(folder, { recursive: true }))
  return { folder, random: seededRandom(seed), log: silentLog }
}

test('keys are made once, private, and are the libp2p identity', async (t) => {
  const init = await emptyFolder(t, 1)
  const made = await openKeys(init)
  const again = await openKeys({ ...init, random: seededRandom(2) })
  assert.deepEqual(again.node.seed, made.node.seed)
  assert.equal(again.operator?.id, made.operator?.id)
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', made.node.seed))
  assert.equal(made.node.id, peerId.toString())
  assert.deepEqual(await readdir(join(init.folder, 'keys')), ['node', 'operator'])
  for (const role of ['node', 'operator']) {
    assert.equal((await stat(join(init.folder, 'keys', role))).mode & 0o777, 0o600)
  }
})

test('a key others could read is made private again, loudly', async (t) => {
  const init = await emptyFolder(t, 3)
  await openKeys(init)
  const path = join(init.folder, 'keys', 'node')
  await chmod(path, 0o644)
  const warnings: string[] = []
  await openKeys({ ...init, log: { ...silentLog, warn: (message) => warnings.push(message) } })
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal(warnings.length, 1)
})

test('a key file that cannot be understood is never replaced', async (t) => {
  const init = await emptyFolder(t, 4)
  await openKeys(init)
  for (const text of ['', 'commonhold key 2\nabc\n', 'commonhold key 1\n00\n', 'x'.repeat(5000)]) {
    await writeFile(join(init.folder, 'keys', 'node'), text)
    await assert.rejects(openKeys(init), MalformedRecordError)
  }
})

test('exported keys move to an empty folder and nowhere else', async (t) => {
  const [from, to] = [await emptyFolder(t, 5), await emptyFolder(t, 6)]
  const keys = await openKeys(from)
  const text = exportKeys(keys)
  const moved = await importKeys(to, `  ${text}\n`)
  assert.equal(moved.node.id, keys.node.id)
  assert.equal((await openKeys(to)).operator?.id, keys.operator?.id)
  await importKeys(to, text)
  const other = exportKeys(await openKeys(await emptyFolder(t, 7)))
  await assert.rejects(importKeys(to, other), ConflictError)
})

test('a damaged export is refused: empty, cut, one letter changed, of another version', async (t) => {
  const init = await emptyFolder(t, 8)
  const text = exportKeys(await openKeys(await emptyFolder(t, 9)))
  const damaged = ['', 'hello', text.slice(0, -1), text.slice(0, 30), text + text, text.replace('keys:z', 'keys:q')]
  for (let at = 20; at < text.length; at += 7) {
    damaged.push(text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1))
  }
  for (const one of damaged) await assert.rejects(importKeys(init, one), InvalidInputError)
  assert.deepEqual(await readdir(init.folder), [])
})
