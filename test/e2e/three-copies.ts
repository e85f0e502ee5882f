// The promise of the project as a scenario: an object with three copies loses two holders at once, is
// served by everybody who is left, and has three proven copies again. Looked at from outside: block
// folders, bridges, commands.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddAnswer, PinStatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'
import type { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

export const copies = 3
/** Generous: it bounds a failing run on a busy machine, and nothing waits for it otherwise. */
const patienceMs = 120_000

export interface Placed {
  readonly answer: AddAnswer
  readonly bytes: Uint8Array
  /** As the disks say, adder first when it is one of them. */
  readonly holders: readonly NodeProcess[]
}

/** Adds random bytes by way of `adder`, waits, and finds exactly three operators holding them. */
export async function place(pool: ProcessPool, adder: NodeProcess, size: number): Promise<Placed> {
  const bytes = new Uint8Array(randomBytes(size))
  const path = join(pool.folder, `object-${randomBytes(4).toString('hex')}`)
  await writeFile(path, bytes)
  const answer = await adder.ask<AddAnswer>('add', path, '--copies', String(copies), '--wait')
  assert.equal(answer.sha256, createHash('sha256').update(bytes).digest('hex'))
  const holders = await holdersOnDisk(pool, answer)
  assert.equal(
    holders.length,
    copies,
    `held by ${holders.map(({ name }) => name).join(', ')} after add --wait`
  )
  assert.equal(new Set(holders.map(({ about }) => about.operatorId)).size, copies, 'at distinct operators')
  return { answer, bytes, holders: [...holders].sort((a, b) => Number(b === adder) - Number(a === adder)) }
}

/** SIGKILLs these holders at once and sees the promise kept. Leaves them dead. */
export async function survive(
  pool: ProcessPool,
  placed: Placed,
  killed: readonly NodeProcess[]
): Promise<void> {
  await Promise.all(killed.map((node) => node.kill()))
  for (const node of pool.running) await served(node, placed)
  const survivor = placed.holders.find((holder) => holder.running)
  assert.ok(survivor !== undefined)
  await until(`three proven copies again, as ${survivor.name} sees it`, patienceMs, async () => {
    const { holders } = await statusOf(survivor, placed)
    // At nodes that are up: a survivor may take a moment to notice who is dead.
    const live = holders.filter(
      ({ node, state }) => state === 'live' && pool.running.some(({ nodeId }) => nodeId === node)
    )
    return live.length >= copies || undefined
  })
  const alive = (await holdersOnDisk(pool, placed.answer)).filter((node) => node.running)
  assert.ok(alive.length >= copies, `on the disks of ${alive.map(({ name }) => name).join(', ')}`)
  for (const node of pool.running) await served(node, placed)
}

/** By HTTP, under both names, byte for byte; and a range out of the middle. */
export async function served(node: NodeProcess, { answer, bytes }: Placed): Promise<void> {
  for (const path of [`/ipfs/${answer.cid}`, `/media/${answer.sha256}`]) {
    const response = await node.fetch(path)
    assert.equal(
      response.status,
      200,
      `${node.name} ${path}: ${response.ok ? '' : await response.clone().text()}`
    )
    const got = new Uint8Array(await response.arrayBuffer())
    assert.ok(Buffer.from(got).equals(bytes), `${node.name} serves other bytes under ${path}`)
  }
  const [from, last] = [Math.floor(bytes.length / 3), Math.floor(bytes.length / 2)]
  const part = await node.fetch(`/ipfs/${answer.cid}`, { headers: { range: `bytes=${from}-${last}` } })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(from, last + 1)))
}

export async function statusOf(node: NodeProcess, { answer }: Placed): Promise<PinStatusAnswer> {
  return node.ask<PinStatusAnswer>('pin', 'status', answer.cid)
}

/** Whose block folder has the root block; an object is whole or absent, so one block tells. */
async function holdersOnDisk(pool: ProcessPool, { cid }: AddAnswer): Promise<NodeProcess[]> {
  return pool.holdersOnDisk(NodeProcess.blockFileOf(cid))
}
