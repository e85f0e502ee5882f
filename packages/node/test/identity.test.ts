import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  ConflictError,
  InvalidInputError,
  MalformedRecordError,
  seededRandom,
  silentLog
} from '@commonhold/core'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { nodeFileSystem } from '../src/file-system.ts'
import { exportKeys, importKeys, openIdentity } from '../src/identity.ts'

async function emptyFolder(t: TestContext, seed: number) {
  const folder = await mkdtemp(join(tmpdir(), 'commonhold-keys-'))
  t.after(() => rm(folder, { recursive: true }))
  return { folder: join(folder, 'keys'), random: seededRandom(seed), log: silentLog }
}

type Folder = Awaited<ReturnType<typeof emptyFolder>>
const open = (init: Folder) => openIdentity(init.folder, nodeFileSystem, init)
const importInto = (init: Folder, text: string) => importKeys(init.folder, nodeFileSystem, text, init)

test('keys are made once, private, and are the libp2p identity', async (t) => {
  const init = await emptyFolder(t, 1)
  const made = await open(init)
  const again = await open({ ...init, random: seededRandom(2) })
  assert.deepEqual(again.nodeSeed, made.nodeSeed)
  assert.equal(again.operatorId, made.operatorId)
  const peerId = peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', made.nodeSeed))
  assert.equal(made.nodeId, peerId.toString())
  assert.deepEqual(await readdir(init.folder), ['node', 'operator'])
  for (const role of ['node', 'operator']) {
    assert.equal((await stat(join(init.folder, role))).mode & 0o777, 0o600)
  }
})

test('a key others could read is made private again, loudly', async (t) => {
  const init = await emptyFolder(t, 3)
  await open(init)
  const path = join(init.folder, 'node')
  await chmod(path, 0o644)
  const warnings: string[] = []
  await open({ ...init, log: { ...silentLog, warn: (message) => warnings.push(message) } })
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal(warnings.length, 1)
})

test('a key file that cannot be understood is never replaced', async (t) => {
  const init = await emptyFolder(t, 4)
  await open(init)
  for (const text of ['', 'commonhold key 2\nabc\n', 'commonhold key 1\n00\n', 'x'.repeat(5000)]) {
    await writeFile(join(init.folder, 'node'), text)
    await assert.rejects(open(init), MalformedRecordError)
  }
})

test('exported keys move to an empty folder and nowhere else', async (t) => {
  const [from, to] = [await emptyFolder(t, 5), await emptyFolder(t, 6)]
  const keys = await open(from)
  const text = exportKeys(keys)
  const moved = await importInto(to, `  ${text}\n`)
  assert.equal(moved.nodeId, keys.nodeId)
  assert.equal((await open(to)).operatorId, keys.operatorId)
  await importInto(to, text)
  const other = exportKeys(await open(await emptyFolder(t, 7)))
  await assert.rejects(importInto(to, other), ConflictError)
})

test('a damaged export is refused: empty, cut, one letter changed, of another version', async (t) => {
  const init = await emptyFolder(t, 8)
  const text = exportKeys(await open(await emptyFolder(t, 9)))
  const damaged = [
    '',
    'hello',
    text.slice(0, -1),
    text.slice(0, 30),
    text + text,
    text.replace('keys:z', 'keys:q')
  ]
  for (let at = 20; at < text.length; at += 7) {
    damaged.push(text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1))
  }
  for (const one of damaged) await assert.rejects(importInto(init, one), InvalidInputError)
  await assert.rejects(readdir(init.folder), { code: 'ENOENT' })
})
