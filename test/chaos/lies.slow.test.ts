// Wrong bytes, whoever they come from: a flipped bit on a disk, a peer that sends other bytes, a keeper that
// signed for bytes it does not have. Real processes; the liar runs the real stack (liar.ts). Each ends in a right
// answer from somebody else, and no wrong copy counts. Seen to fail when the exchange client does not verify a
// block (`exchange/link.ts`), when a local read does not go on elsewhere (`library.ts`), and when any
// well-formed digest is taken for right (`prove.ts`).

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { open, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AddAnswer, PinStatusAnswer, ProveAnswer } from '../../packages/cli/src/control/protocol.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'
import { Disks } from './disks.ts'

/** It bounds a failing run on a busy machine; nothing waits for it otherwise. */
const patienceMs = 120_000
const names = ['ash', 'beech', 'cedar', 'elm', 'liar'] as const
const sizes = [300, 100_000, 2_500_000]

test('a flipped bit on a disk: a right answer, the copy not counted, and healed', {
  timeout: 300_000
}, async () => {
  await using pool = await ProcessPool.start({ names: ['ash', 'beech', 'cedar', 'elm'], timeScale: 60 })
  const disks = new Disks()
  for (const size of sizes) {
    const added = await add(pool, pool.node('ash'), size, '--wait')
    const [damaged, other] = await disks.holders(pool.nodes, added.cid)
    assert.ok(damaged !== undefined && other !== undefined)

    await flipBit(disks, damaged, added.cid)
    // Asked by another holder, before anybody else could have noticed.
    const { answers } = await other.ask<ProveAnswer>('prove', added.cid)
    const answer = answers.find(({ node }) => node === damaged.nodeId)
    assert.equal(answer?.outcome, 'absent', `${damaged.name} finds its own damage and says so`)
    await until(
      `${damaged.name} has healed`,
      patienceMs,
      async () => (await disks.holds(damaged, added.cid)) || undefined
    )
    await untilLive(other, added.cid, damaged)

    await flipBit(disks, damaged, added.cid)
    for (const node of pool.nodes) await assertServed(node, added)
    await until(
      `${damaged.name} has healed again`,
      patienceMs,
      async () => (await disks.holds(damaged, added.cid)) || undefined
    )
    await untilLive(other, added.cid, damaged)
  }
})

test('a peer that sends wrong bytes: none of them leaves a reader, who gets the right ones from another', {
  timeout: 300_000
}, async () => {
  await using pool = await poolWithLiar('twists')
  const disks = new Disks()
  const { added, holders } = await heldByLiar(pool, disks)
  for (const node of honest(pool)) await assertServed(node, added)

  const [reader] = honest(pool).filter((node) => !holders.includes(node))
  const [first, second] = holders.filter(({ name }) => name !== 'liar')
  assert.ok(reader !== undefined && first !== undefined && second !== undefined)
  await Promise.all([first.kill(), second.kill()])
  const liesBefore = (await liesOf(pool)).length
  const alone = await reader.fetch(`/ipfs/${added.cid}`)
  await alone.arrayBuffer().catch(() => {
    // Cut off rather than ended with other bytes.
  })
  assert.ok((await liesOf(pool)).length > liesBefore, 'the liar was asked, and lied')
  assert.notEqual(alone.status, 200, 'nothing but wrong bytes is to be had: no answer at all')

  await first.start()
  await until(`${reader.name} serves it again`, patienceMs, async () => {
    await assertServed(reader, added)
    return true
  })
})

test('a keeper that signs and drops the bytes is found before its copy counts as live', {
  timeout: 300_000
}, async () => {
  await using pool = await poolWithLiar('drops')
  const liar = pool.node('liar')
  const ash = pool.node('ash')
  const disks = new Disks()
  let caught = 0
  for (let round = 0; round < 8 && caught < 2; round++) {
    const added = await add(pool, ash, sizes[round % sizes.length] ?? 300)
    const signed = await until('the liar has claimed it, or three others hold it', patienceMs, async () => {
      if (await claimedBy(ash, added.cid, liar)) return 'signed'
      return (await disks.holders(honest(pool), added.cid)).length >= 3 ? 'not asked' : undefined
    })
    await until(`${added.cid} has three proven copies`, patienceMs, async () => {
      for (const node of honest(pool)) {
        const { holders } = await node.ask<PinStatusAnswer>('pin', 'status', added.cid)
        const liars = holders.find((holder) => holder.node === liar.nodeId)
        assert.notEqual(liars?.state, 'live', `${node.name} counts the liar's copy of ${added.cid}`)
      }
      const { copiesLive } = await ash.ask<PinStatusAnswer>('pin', 'status', added.cid)
      return copiesLive >= 3 || undefined
    })
    assert.ok((await disks.holders(honest(pool), added.cid)).length >= 3, 'three honest disks hold it')
    for (const node of honest(pool)) await assertServed(node, added)
    if (signed === 'signed') {
      caught++
      const { answers } = await ash.ask<ProveAnswer>('prove', added.cid)
      const outcome = answers.find(({ node }) => node === liar.nodeId)?.outcome
      assert.ok(outcome === undefined || outcome === 'wrong', `the liar's answer is ${outcome}`)
    }
  }
  assert.ok(caught > 0, 'the liar was given something to keep')
  assert.ok(
    (await liesOf(pool)).some((line) => line.startsWith('made up')),
    'and was challenged about it'
  )
})

/** An object of several blocks with the liar among its holders. */
async function heldByLiar(
  pool: ProcessPool,
  disks: Disks
): Promise<{ added: AddAnswer; holders: NodeProcess[] }> {
  for (let round = 0; round < 12; round++) {
    const added = await add(pool, pool.node('ash'), 2_500_000, '--wait')
    const holders = await disks.holders(pool.nodes, added.cid)
    if (holders.length === 3 && holders.includes(pool.node('liar'))) return { added, holders }
  }
  throw new Error('Twelve placements passed the liar by.')
}

function poolWithLiar(kind: 'drops' | 'twists'): Promise<ProcessPool> {
  const preload = new URL('liar.ts', import.meta.url).href
  return ProcessPool.start({
    names,
    timeScale: 60,
    settings: { 'http.cache': 0 },
    env: (name) =>
      name === 'liar' ? { LIAR: kind, NODE_OPTIONS: `--conditions=source --import=${preload}` } : {}
  })
}

function honest(pool: ProcessPool): NodeProcess[] {
  return pool.nodes.filter(({ name }) => name !== 'liar')
}

async function liesOf(pool: ProcessPool): Promise<string[]> {
  const text = await readFile(`${pool.node('liar').dataFolder}.lies`, 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

async function claimedBy(asked: NodeProcess, cid: string, holder: NodeProcess): Promise<boolean> {
  const { holders } = await asked.ask<PinStatusAnswer>('pin', 'status', cid)
  return holders.some(({ node }) => node === holder.nodeId)
}

async function untilLive(asked: NodeProcess, cid: string, holder: NodeProcess): Promise<void> {
  await until(`${asked.name} counts ${holder.name} again`, patienceMs, async () => {
    await asked.ask<ProveAnswer>('prove', cid)
    const { holders } = await asked.ask<PinStatusAnswer>('pin', 'status', cid)
    return holders.some(({ node, state }) => node === holder.nodeId && state === 'live') || undefined
  })
}

async function add(
  pool: ProcessPool,
  node: NodeProcess,
  size: number,
  ...flags: string[]
): Promise<AddAnswer> {
  const path = join(pool.folder, 'upload')
  await writeFile(path, randomBytes(size))
  return node.ask<AddAnswer>('add', path, '--copies', '3', ...flags)
}

async function assertServed(node: NodeProcess, { cid, sha256 }: AddAnswer): Promise<void> {
  const response = await node.fetch(`/ipfs/${cid}`)
  assert.equal(response.status, 200, `${node.name} serves ${cid}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  assert.equal(createHash('sha256').update(bytes).digest('hex'), sha256, `${node.name} serves other bytes`)
}

/** In the middle of the object's last block, which is file bytes. */
async function flipBit(disks: Disks, node: NodeProcess, cid: string): Promise<void> {
  const path = (await disks.filesOf(node, cid))?.at(-1)
  assert.ok(path !== undefined)
  const at = Math.floor((await stat(path)).size / 2)
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 1
  await file.write(byte, 0, 1, at)
  await file.close()
}
