// `commonhold leave` on real processes: the node is killed in the middle, and with it the command ends; the
// pool still has every copy it promised when it has gone.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type {
  AddAnswer,
  LeaveStep,
  PinStatusAnswer,
  StatusAnswer
} from '../../packages/cli/src/control/protocol.ts'
import { answerOf, runCommand } from '../processes/command.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

test('a keeper drains, is killed meanwhile, goes on and leaves', { timeout: 600_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['elm', 'fir', 'oak', 'yew', 'bay'], timeScale: 120 })
  const elm = pool.node('elm')
  const added: AddAnswer[] = []
  for (let i = 0; i < 8; i++) {
    added.push(
      await answerOf<AddAnswer>(['add', '-', '--wait'], {
        dataFolder: elm.dataFolder,
        stdin: randomBytes(300_000),
        timeoutMs: 120_000
      })
    )
  }
  const held = await Promise.all(
    pool.nodes.slice(1).map(async (node) => ({ node, blocks: (await node.blockFiles()).length }))
  )
  const leaver = held.reduce((a, b) => (a.blocks >= b.blocks ? a : b)).node
  const { nodeId } = leaver
  const command = runCommand(['leave'], { dataFolder: leaver.dataFolder, timeoutMs: 120_000 })
  await until('the others know that it leaves', 60_000, async () => {
    const { members } = await elm.ask<StatusAnswer>('status')
    return members.some((member) => member.node === nodeId && member.capacityBytes === 0) || undefined
  })
  await leaver.kill()
  await command
  await leaver.start()
  await until(`${leaver.name} has left`, 300_000, async () => {
    const { members } = await elm.ask<StatusAnswer>('status')
    return members.every((member) => member.node !== nodeId) || undefined
  })
  for (const { cid } of added) {
    await until(`${cid} has its copies`, 120_000, async () => {
      const { copiesLive, holders } = await elm.ask<PinStatusAnswer>('pin', 'status', cid)
      return (copiesLive >= 3 && holders.every((holder) => holder.node !== nodeId)) || undefined
    })
  }
  const last = await leaver.ask<LeaveStep>('leave')
  assert.equal(last.state, 'left')
  assert.equal(last.objects, 0)
})
