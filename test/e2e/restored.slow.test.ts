// A backup of a node restored over a newer one, and a node rebuilt from its key alone.
// Nothing it wished for is lost, and nobody sees its journal fork.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AddAnswer, PinRow, StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { runCommand } from '../processes/command.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

const patienceMs = 60_000

test('a backup restored over a newer folder: no fork, nothing lost', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['a', 'b', 'c', 'd'], timeScale: 60 })
  const [a, b] = pool.nodes
  assert.ok(a && b)
  const first = await add(pool, a)
  await a.stop()
  const backup = join(pool.folder, 'backup')
  await cp(a.dataFolder, backup, { recursive: true })
  await a.start()
  await pool.untilAllMeet()
  const second = await add(pool, a)

  await a.kill()
  await rm(a.dataFolder, { recursive: true })
  await cp(backup, a.dataFolder, { recursive: true })
  await a.start()
  // It wishes anew before it could have been told anything but by asking.
  const third = await add(pool, a)
  await pool.untilAllMeet()
  await assertWanted(pool, [first, second, third], a.about.operatorId)
})

test('a node rebuilt from its key alone: its pool brings its wishes back', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['a', 'b', 'c', 'd'], timeScale: 60 })
  const [, b, c] = pool.nodes
  assert.ok(b && c)
  const first = await add(pool, b)
  const second = await add(pool, b)
  const { keys } = await b.ask<{ keys: string }>('key', 'export')
  const { nodeId, operatorId } = b.about
  await b.kill()
  await rm(b.dataFolder, { recursive: true })

  const imported = await runCommand(['key', 'import', '-'], { dataFolder: b.dataFolder, stdin: keys })
  assert.equal(imported.code, 0, imported.stderr)
  await b.start(['join', c.about.addresses[0] ?? ''])
  assert.equal(b.nodeId, nodeId)
  await until('its own wishes are back', patienceMs, async () => {
    const own = await ownPins(b)
    return (own.has(first.cid) && own.has(second.cid)) || undefined
  })
  const third = await add(pool, b)
  await pool.untilAllMeet()
  await assertWanted(pool, [first, second, third], operatorId)
  // The wishes are its own again: it can withdraw one, and everybody hears of it.
  assert.equal((await b.command('pin', 'rm', first.cid)).code, 0)
  await until('the others know that it is withdrawn', patienceMs, async () => {
    const known = await c.ask<{ cid: string }>('pin', 'status', first.cid).catch(() => undefined)
    return known === undefined || undefined
  })
})

async function add(pool: ProcessPool, node: NodeProcess): Promise<AddAnswer> {
  const path = join(pool.folder, `object-${randomBytes(4).toString('hex')}`)
  await writeFile(path, randomBytes(200_000))
  return node.ask<AddAnswer>('add', path, '--copies', '3')
}

async function ownPins(node: NodeProcess): Promise<Set<string>> {
  const { stdout, code, stderr } = await node.command('pin', 'ls', '--own', '--json')
  assert.equal(code, 0, stderr)
  const rows = stdout
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  return new Set(rows.map((line) => (JSON.parse(line) as PinRow).cid))
}

/** Everybody wants all of them, has proven copies, and nobody sees a fork. */
async function assertWanted(
  pool: ProcessPool,
  objects: readonly AddAnswer[],
  operatorId: string
): Promise<void> {
  for (const node of pool.nodes) {
    for (const { cid } of objects) {
      await until(`${node.name} knows ${cid} with three proven copies`, patienceMs, async () => {
        const { copiesLive } = await node.ask<{ copiesLive: number }>('pin', 'status', cid)
        return copiesLive >= 3 || undefined
      })
    }
    const { members, reasons } = await node.ask<StatusAnswer>('status')
    const forked = members.filter((member) => member.operator === operatorId && member.forked === true)
    assert.deepEqual(forked, [], `${node.name} sees no fork`)
    assert.ok(!reasons.some(({ code }) => code === 'JOURNAL_FORKED'))
  }
}
