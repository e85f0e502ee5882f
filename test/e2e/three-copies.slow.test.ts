// Real processes, bridge cache 0. After `add --copies 3 --wait` exactly three operators hold
// the object, the adder among them in some rounds and released in others; then any two of the three are
// SIGKILLed at once — every pair, the adder's included. And two nodes of one operator are one copy.

import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'
import { copies, type Placed, place, statusOf, survive } from './three-copies.ts'

const pairs: readonly (readonly [number, number])[] = [
  [0, 1],
  [0, 2],
  [1, 2]
]
/** Objects tried until placement does, or does not, name the adder: each is a coin thrown by its hash. */
const throwsMax = 30

for (const adderHolds of [true, false]) {
  const how = adderHolds ? 'the adder is one of the holders' : 'the adder has released its upload'
  test(`every pair of holders dies at once; ${how}`, { timeout: 600_000 }, async (t) => {
    await using pool = await ProcessPool.start({
      names: ['a', 'b', 'c', 'd', 'e', 'f'],
      timeScale: 60,
      settings: { 'http.cache': 0 }
    })
    for (const [i, pair] of pairs.entries()) {
      const adder = pool.nodes[i]
      assert.ok(adder)
      const placed = await placeWhere(pool, adder, adderHolds)
      const killed = pair.map((index) => placed.holders[index]).filter((node) => node !== undefined)
      const names = (nodes: readonly NodeProcess[]): string => nodes.map(({ name }) => name).join(' ')
      t.diagnostic(`added by ${adder.name}, held by ${names(placed.holders)}, killed ${names(killed)}`)
      await survive(pool, placed, killed)
      for (const node of killed) await node.start()
      await pool.untilAllMeet()
      await untilReintegrated(pool, placed)
    }
  })
}

/** With the adder first among the holders when it is one, so that two of the three pairs include it. */
async function placeWhere(pool: ProcessPool, adder: NodeProcess, adderHolds: boolean): Promise<Placed> {
  for (let i = 0; i < throwsMax; i++) {
    const placed = await place(pool, adder, 300_000 + i * 400_000)
    if ((placed.holders[0] === adder) === adderHolds) return placed
  }
  throw new Error(
    `${throwsMax} objects, and placement never ${adderHolds ? 'named' : 'passed over'} ${adder.name}.`
  )
}

test('two nodes of one operator are one copy', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['a', 'b'], timeScale: 60 })
  const [a, b] = pool.nodes
  assert.ok(a && b)
  await using twin = new NodeProcess({
    name: 'twin',
    dataFolder: join(pool.folder, 'twin'),
    settings: { 'pool.timeScale': 60 }
  })
  await twin.ask('init')
  await copyFile(join(a.dataFolder, 'keys', 'operator'), join(twin.dataFolder, 'keys', 'operator'))
  await twin.start(['join', b.about.addresses[0] ?? ''])
  assert.equal(twin.about.operatorId, a.about.operatorId)
  const refused = await a.command('add', 'test/fixtures/coffee.jpg', '--copies', '3', '--wait')
  assert.equal(refused.code, 12, refused.stderr)
  assert.match(refused.stderr, /2 operators, 3 needed/)
  const placed = await a.ask<Placed['answer']>('add', 'test/fixtures/coffee.jpg', '--copies', '2', '--wait')
  const status = await b.ask<{ copiesLive: number; holders: { operator: string }[] }>(
    'pin',
    'status',
    placed.cid
  )
  assert.ok(status.copiesLive <= 2, `${status.copiesLive} copies at two operators`)
})

/** Copies that came back are proven anew, or let go where they are too many. */
async function untilReintegrated(pool: ProcessPool, placed: Placed): Promise<void> {
  const file = NodeProcess.blockFileOf(placed.answer.cid)
  for (const node of placed.holders) {
    await until(`${node.name} counts again or has let go`, 120_000, async () => {
      if (!(await node.blockFiles()).includes(file)) return true
      const judge = pool.nodes.find((other) => other !== node)
      assert.ok(judge)
      const { holders, copiesLive } = await statusOf(judge, placed)
      return (
        (copiesLive >= copies && holders.some((h) => h.node === node.nodeId && h.state === 'live')) ||
        undefined
      )
    })
  }
}
