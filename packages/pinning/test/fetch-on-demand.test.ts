// Lateness: a keeper that has nothing and fetches what it is asked about, and honest ones with slow disks and far
// away. A right answer about `proofTellBytesMin` or more that took longer than a disk is no proof, and no fault.
// Seen to fail: with `isLate` in `prove.ts` always false, and with large objects asked about beside small ones (the
// fetcher is live); with late recorded as wrong there (slow disks are accused); with `retryMsOf` in `plan.ts`
// always `proofRetryMs` (too many late answers).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import { nameOf } from './harness/disk.ts'
import { fetchOnDemand } from './harness/liars.ts'
import { holderOf, hourMs, othersThan } from './harness/proven-village.ts'
import { type House, Village } from './harness/village.ts'

const mebibyte = 2 ** 20
/** 100 Mbit/s. */
const linkBytesPerSecond = 12_500_000

/** Six operators whose disks read so fast, one of them another way. */
async function readers(seed: number, bytesPerSecond: number): Promise<{ village: Village; odd: House }> {
  const village = await Village.of(6, seed, { keeping: { presenceIntervalMs: 300_000, tickMs: 60_000 } })
  for (const house of village.nodes) {
    house.disk.work = (bytes) => village.clock.sleep((bytes / bytesPerSecond) * 1000)
  }
  return { village, odd: village.house(1) }
}

/** Large and small ones, for every one of which this keeper is placed and says it has it. */
async function putAt(keeper: House, size: number): Promise<CID> {
  const { village } = keeper
  for (let i = 0; i < 40; i++) {
    const { root } = await village.house(0).put(`${size} bytes, number ${i}`, { size })
    await village.run(15_000)
    if (keeper.disk.objects.has(nameOf(root))) return root
  }
  throw new Error(`it is never placed there (seed ${village.seed})`)
}

test('fetch on demand over 100 Mbit/s: an object of 16 MiB or more never has a live copy there', async (t) => {
  const { village, odd: liar } = await readers(45, 100 * mebibyte)
  village.wires.latencyMs = { min: 1, max: 40 }
  fetchOnDemand(liar, linkBytesPerSecond)
  const everLive = new Set<string>()
  for (const house of othersThan(liar)) {
    house.pool.onPlan(async (root) => {
      if ((await holderOf(house, root, liar)) === 'live') everLive.add(nameOf(root))
    })
  }
  const large = [
    await putAt(liar, 16 * mebibyte),
    await putAt(liar, 17 * mebibyte),
    await putAt(liar, 200 * mebibyte)
  ]
  const beganMs = village.clock.monotonicMs()
  const late = async (): Promise<number> => {
    const records = await Promise.all(othersThan(liar).map((house) => house.pool.keeperRecord(liar.id)))
    return records.reduce((sum, record) => sum + record.late, 0)
  }
  await village.until('late answers', async () => (await late()) > 0)
  t.diagnostic(
    `found after ${((village.clock.monotonicMs() - beganMs) / 60_000).toFixed(1)} min; formula: proofSettleMs, ${keepingDefaults.proofSettleMs / 60_000} min`
  )
  await village.until('three true copies all the same', () =>
    large.every((root) => village.holders(root).size >= 3)
  )
  await village.run(2 * hourMs)
  assert.deepEqual(
    large.filter((root) => everLive.has(nameOf(root))),
    []
  )
  for (const house of othersThan(liar)) {
    assert.equal((await house.pool.keeperRecord(liar.id)).wrong, 0, 'lateness is no accusation')
  }
  // Geometric: not every five minutes, for each answer costs two readings.
  assert.ok((await late()) < 60, `${await late()} late answers in two hours`)
  // What is not promised: a small one is fetched faster than a slow disk reads, and counted on.
  for (const house of village.nodes) house.removesFreely = true
  const small = await putAt(liar, 4 * mebibyte)
  await village.until('live without a byte', async () => everLive.has(nameOf(small)))
  await village.close()
})

test('an honest keeper with a slow disk or a far one is not accused; the slowest only does not count', async () => {
  const { village, odd: slow } = await readers(46, 26 * mebibyte)
  village.wires.latencyMs = { min: 20, max: 120 }
  const root = await putAt(slow, 64 * mebibyte)
  const untilLive = (what: string): Promise<number> =>
    village.until(what, async () => {
      const states = othersThan(slow).map((house) => holderOf(house, root, slow))
      return (await Promise.all(states)).every((state) => state === 'live')
    })
  await untilLive('proven by 26 MiB/s over 240 ms')
  // Slower than any disk we take for one.
  slow.disk.work = (bytes) => village.clock.sleep((bytes / (10 * mebibyte)) * 1000)
  const rare = await putAt(slow, 65 * mebibyte)
  await village.run(hourMs)
  const states = await Promise.all(othersThan(slow).map((house) => holderOf(house, rare, slow)))
  assert.equal(states.includes('live'), false)
  assert.ok(village.holders(rare).size >= 4, 'one copy too many, never one too few')
  slow.disk.work = (bytes) => village.clock.sleep((bytes / (26 * mebibyte)) * 1000)
  await untilLive('and counts when it is not')
  for (const house of village.nodes) {
    for (const other of othersThan(house)) {
      const { wrong, suspectGroups } = await house.pool.keeperRecord(other.id)
      assert.deepEqual([wrong, suspectGroups], [0, 0])
    }
  }
  await village.close()
})
