// A laptop is closed, as real processes: SIGSTOP leaves its connections open and its clock running, as a suspended
// machine finds it. Ten minutes cost no copy; after `repairDelayMs` and a minute there is another one, and when the
// laptop wakes it copies nothing and lets nothing go. In virtual time: packages/pinning/test/laptop.test.ts.
// Its rules were seen to fail there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepingDefaults } from '@commonhold/pinning'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'
import { copies, place, served, statusOf } from './three-copies.ts'

/** Ten minutes become thirty seconds; silence is still noticed in real time, by two greetings of 5 s. */
const timeScale = 20
const minuteMs = 60_000 / timeScale
const repairDelayMs = keepingDefaults.repairDelayMs / timeScale
/** Bounds a failing run on a busy machine; how long it took is told. */
const patienceMs = 120_000

test('a suspended laptop: ten minutes cost no copy, repairDelayMs and a minute cost one', {
  timeout: 600_000
}, async (t) => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'd', 'laptop'],
    timeScale,
    settings: { 'http.cache': 0 }
  })
  const laptop = pool.node('laptop')
  const placed = await place(pool, laptop, 200_000)
  const [victim] = placed.holders.filter((node) => node !== pool.nodes[0])
  assert.ok(victim)
  const onDisk = async (): Promise<string[]> => {
    const holders = await pool.holdersOnDisk(NodeProcess.blockFileOf(placed.answer.cid))
    return holders.map(({ name }) => name)
  }
  const before = await onDisk()
  assert.equal(before.length, copies)

  // Somebody who has not heard yet that the copies were proven would miss the word of the one that sleeps.
  for (const node of pool.nodes) {
    await until(`${node.name} knows of ${copies} proven copies`, patienceMs, async () => {
      return (await statusOf(node, placed)).copiesLive >= copies || undefined
    })
  }

  victim.freeze(true)
  await sleep(10 * minuteMs)
  assert.deepEqual(await onDisk(), before, 'while it sleeps')
  victim.freeze(false)
  await pool.untilAllMeet()
  await sleep(5 * minuteMs)
  assert.deepEqual(await onDisk(), before, 'after it woke')

  const closedMs = performance.now()
  victim.freeze(true)
  await sleep(repairDelayMs - minuteMs)
  assert.deepEqual(await onDisk(), before, 'not before the delay is over')
  await until('a copy in its place', patienceMs, async () => (await onDisk()).length > copies || undefined)
  const tookMs = (performance.now() - closedMs) * timeScale
  t.diagnostic(`copied ${(tookMs / 60_000).toFixed(1)} minutes of pool time after the lid closed`)
  const after = await onDisk()
  assert.equal(after.length, copies + 1)
  victim.freeze(false)
  await pool.untilAllMeet()
  await sleep(5 * minuteMs)
  assert.deepEqual(await onDisk(), after, 'the laptop comes back: nothing more is copied, nothing goes')
  for (const node of pool.running) await served(node, placed)
})
