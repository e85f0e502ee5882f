// With real processes: a keeper with a flipped bit on disk. Its bridge gives
// the right answer from another holder, the bad copy is found and no longer counted, and in the end
// there are three good copies again.

import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TokenAddAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'
import { place, served, statusOf } from './three-copies.ts'

test('a flipped bit on a keeper’s disk', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'd'],
    timeScale: 60,
    settings: { 'http.cache': 0 }
  })
  const [a] = pool.nodes
  assert.ok(a)
  const placed = await place(pool, a, 400_000)
  const [judge, bad] = placed.holders
  assert.ok(judge && bad)
  await flipBit(bad, NodeProcess.blockFileOf(placed.answer.cid))

  // Asked of the very node whose copy is bad: not one wrong byte leaves it.
  await served(bad, placed)
  await until('there are three good copies again', 120_000, async () => {
    const { copiesLive } = await statusOf(judge, placed)
    const sound = await Promise.all(
      pool.nodes.map((node) => holdsSoundly(node, placed.answer.cid, placed.bytes))
    )
    return (copiesLive >= 3 && sound.filter(Boolean).length >= 3) || undefined
  })
  for (const node of pool.nodes) await served(node, placed)
})

test('a flipped bit that nobody reads is found by a challenge', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'd'],
    timeScale: 60,
    settings: { 'http.cache': 0 }
  })
  const [a] = pool.nodes
  assert.ok(a)
  const placed = await place(pool, a, 400_000)
  const [judge, bad] = placed.holders
  assert.ok(judge && bad)
  await flipBit(bad, NodeProcess.blockFileOf(placed.answer.cid))
  const proof = await judge.ask<{ proven: number; answers: { node: string; outcome: string }[] }>(
    'prove',
    placed.answer.cid
  )
  const answer = proof.answers.find(({ node }) => node === bad.nodeId)
  assert.notEqual(answer?.outcome, 'proven', 'the damaged copy proves nothing')
  assert.ok(proof.proven <= 2)
  await until('there are three good copies again', 120_000, async () => {
    const sound = await Promise.all(
      pool.nodes.map((node) => holdsSoundly(node, placed.answer.cid, placed.bytes))
    )
    return sound.filter(Boolean).length >= 3 || undefined
  })
})

test('a flipped bit that nobody reads or asks about is found by the check of own blocks', {
  timeout: 300_000
}, async () => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'd'],
    // Proofs are due after days: without the check nobody would look.
    timeScale: 60,
    settings: { 'http.cache': 0, 'node.scrubPeriod': '5s' }
  })
  const [a] = pool.nodes
  assert.ok(a)
  const placed = await place(pool, a, 400_000)
  const [judge, bad] = placed.holders
  assert.ok(judge && bad)
  await flipBit(bad, NodeProcess.blockFileOf(placed.answer.cid))
  const { scrub } = await until('the check found it', 60_000, async () => {
    const status = await bad.ask<{ scrub: { damaged: number }; reasons: { code: string }[] }>('status')
    return status.scrub.damaged > 0 ? status : undefined
  })
  assert.equal(scrub.damaged, 1)
  await until('there are three good copies again', 120_000, async () => {
    const { copiesLive } = await statusOf(judge, placed)
    return (copiesLive >= 3 && (await pathOf(bad, NodeProcess.blockFileOf(placed.answer.cid)))) || undefined
  })
  const { token } = await bad.ask<TokenAddAnswer>('token', 'add', 'figures', '--scope', 'metrics')
  const answer = await fetch(new URL('/metrics', bad.about.httpUrl), {
    headers: { authorization: `Bearer ${token}` }
  })
  const metrics = await answer.text()
  assert.match(metrics, /commonhold_blocks_damaged_total 1\b/)
  const status = await bad.ask<{ reasons: { code: string }[] }>('status')
  assert.ok(status.reasons.some(({ code }) => code === 'BLOCKS_DAMAGED'))
  for (const node of pool.nodes) await served(node, placed)
})

async function pathOf(node: NodeProcess, file: string): Promise<string | undefined> {
  const entries = await readdir(join(node.dataFolder, 'blocks'), { recursive: true, withFileTypes: true })
  const found = entries.find((entry) => entry.name === file)
  return found === undefined ? undefined : join(found.parentPath, found.name)
}

async function flipBit(node: NodeProcess, file: string): Promise<void> {
  const path = await pathOf(node, file)
  assert.ok(path !== undefined)
  const bytes = await readFile(path)
  bytes[1000] = (bytes[1000] ?? 0) ^ 1
  await writeFile(path, bytes)
}

/** The disk has the block under its name, and its bytes are the file's. */
async function holdsSoundly(node: NodeProcess, cid: string, bytes: Uint8Array): Promise<boolean> {
  const path = await pathOf(node, NodeProcess.blockFileOf(cid))
  if (path === undefined) return false
  const stored = await readFile(path).catch(() => Buffer.alloc(0))
  return stored.equals(bytes)
}
