// A keeper that leaves on purpose: at no moment has anything fewer live copies than promised, which the
// village watches from outside, and at the end the node is in nobody's roster. Seen to fail with copies at a
// leaving node counted as kept (nobody makes the others, and it never ends), and with the mark in memory only
// (after the restart it stays).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { type House, server, Village } from './harness/village.ts'

const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 } }

async function holding(
  count: number,
  seed: number
): Promise<{ village: Village; leaver: House; roots: CID[] }> {
  const village = await Village.of(count, seed, calm)
  const roots: CID[] = []
  for (let i = 0; i < 6; i++) {
    const author = village.house(i % count)
    const { root } = await author.put(`object ${i} of ${seed}`)
    await village.during(author.pool.waitUntilHealthy(root))
    roots.push(root)
  }
  await village.run(60_000)
  const leaver = village.nodes.reduce((a, b) => (held(a, roots) >= held(b, roots) ? a : b))
  assert.ok(held(leaver, roots) > 1)
  return { village, leaver, roots }
}

function held(house: House, roots: readonly CID[]): number {
  return roots.filter((root) => house.disk.trulyHolds(root)).length
}

async function gone(village: Village, leaver: House): Promise<void> {
  await village.until('it has left', async () => (await leaver.pool.leaveProgress()).state === 'left')
  await village.run(130_000)
  for (const house of village.nodes) {
    if (house === leaver || !house.alive) continue
    assert.equal(house.pool.member(leaver.id), undefined)
  }
}

test('a keeper that leaves drains first, and takes nothing meanwhile', async () => {
  const { village, leaver, roots } = await holding(5, 50)
  const begun = await village.during(leaver.pool.leave({ now: false }))
  assert.equal(begun.state, 'leaving')
  assert.equal(begun.blocked, 0)
  await assert.rejects(leaver.put('one more'), { name: 'ConflictError' })
  await gone(village, leaver)
  assert.equal(held(leaver, roots), 0)
  for (const root of roots) assert.ok(village.holders(root).size >= 3)
  await village.close()
})

test('killed while it leaves: it goes on', async () => {
  const { village, leaver, roots } = await holding(5, 51)
  await village.during(leaver.pool.leave({ now: false }))
  leaver.kill()
  await village.run(20_000)
  await leaver.restart()
  assert.equal((await leaver.pool.leaveProgress()).state, 'leaving')
  await gone(village, leaver)
  for (const root of roots) assert.ok(village.holders(root).size >= 3)
  await village.close()
})

test('a pool too small to drain: it says so and serves on; a newcomer unblocks it', async () => {
  const { village, leaver, roots } = await holding(3, 52)
  const progress = await village.during(leaver.pool.leave({ now: false }))
  assert.equal(progress.keepers, 2)
  assert.equal(progress.blocked, progress.objects)
  await village.run(3_600_000)
  assert.equal(held(leaver, roots), progress.objects)
  await village.add(server)
  await gone(village, leaver)
  for (const root of roots) assert.equal(village.holders(root).size, 3)
  await village.close()
})

test('taken back, it is a keeper again; at once, it goes with what it has', async () => {
  const { village, leaver, roots } = await holding(5, 53)
  await village.during(leaver.pool.leave({ now: false }))
  assert.equal((await village.during(leaver.pool.stay(server))).state, 'staying')
  await village.run(130_000)
  assert.equal(
    village.nodes.every((house) => house.pool.member(leaver.id)?.capacityBytes !== 0),
    true
  )
  const before = held(leaver, roots)
  assert.equal((await village.during(leaver.pool.leave({ now: true }))).state, 'left')
  await gone(village, leaver)
  assert.ok(before > 0)
  await leaver.end()
  await village.until('made anew by the others', () => roots.every((root) => village.holders(root).size >= 3))
  await village.close()
})

test('one of two nodes of an operator leaves; the other stays a member', async () => {
  const { village } = await holding(4, 54)
  const first = village.house(1)
  const second = await village.add(server, first.operatorKey)
  await village.run(130_000)
  await village.during(second.pool.leave({ now: true }))
  await village.run(130_000)
  assert.equal(village.house(0).pool.member(second.id), undefined)
  assert.equal(village.house(0).pool.member(first.id)?.operator, first.operator)
  await village.close()
})
