// A node with little disk: what it takes in leaves for its keepers, early when the stage fills, and never
// before as many as promised have proven theirs and hold it. Seen to fail with `isStageFilling` never true
// (nothing leaves before the target is proven, in 5 minutes and more) and with the proof taken out of `release.ts`
// (the village sees a copy go that only a liar backs).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type House, Village } from './harness/village.ts'

/** Proofs in the usual way come in five minutes; what leaves earlier left because of the stage. */
const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 5000 } }
const capBytes = 1000

async function staging(village: Village): Promise<House> {
  const house = await village.add({ class: 'server', capacityBytes: 0 })
  house.disk.capacityBytes = 0
  house.disk.stageBytes = capBytes
  await village.run(130_000)
  return house
}

function upload(house: House, i: number, bytes = 100): Promise<unknown> {
  return house.put(`${i} `.padEnd(bytes, '.'))
}

test('a stage that fills empties into its keepers at once, many times over, and at rest keeps a few', async () => {
  const village = await Village.of(5, 30, calm)
  const stage = await staging(village)
  let most = 0
  let passed = 0
  for (let i = 0; i < 40; i++) {
    await upload(stage, i)
    most = Math.max(most, stage.disk.usedBytes)
    if (stage.disk.usedBytes > capBytes - 100) {
      passed += await village.until('room', () => stage.disk.usedBytes <= capBytes - 100, 120_000)
    }
  }
  assert.ok(most <= capBytes, `${most} bytes were staged`)
  assert.ok(passed < 120_000, `waited ${passed} ms for room in all`)
  await village.until('below the pressure', () => stage.disk.usedBytes <= capBytes / 2, 120_000)
  for (const root of village.roots) assert.ok(village.holders(root).size >= 3)
  assert.ok(stage.disk.usedBytes > 0, 'without need nothing leaves before its target is proven')
  await village.until('all at keepers', () => stage.disk.usedBytes === 0)
  await village.close()
})

test('a pool that cannot take more: the stage fills and keeps everything', async () => {
  const village = await Village.of(3, 31, calm)
  const stage = await staging(village)
  // Two of three have room: the minimum cannot be had elsewhere.
  village.house(0).disk.capacityBytes = 0
  await village.run(130_000)
  for (let i = 0; i < 10; i++) await upload(stage, i)
  await village.run(3_600_000)
  assert.equal(stage.disk.usedBytes, capBytes)
  village.house(0).disk.capacityBytes = 2 ** 40
  await village.until('all at keepers', () => stage.disk.usedBytes === 0)
  await village.close()
})

test('nothing leaves on the word of a liar, however full the stage', async () => {
  const village = await Village.of(3, 32, calm)
  village.house(1).disk.lies = true
  const stage = await staging(village)
  for (let i = 0; i < 10; i++) await upload(stage, i)
  await village.run(600_000)
  assert.equal(stage.disk.usedBytes, capBytes)
  await village.close()
})
