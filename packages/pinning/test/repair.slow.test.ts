// The promise, on whole pools: copies are made, proven, lost and made again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { type House, home, server, Village } from './harness/village.ts'

/** Greetings and ticks are slowed where a test lasts long: the delays of the promise are the defaults. */
const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 } }

async function settled(village: Village, root: CID, copies = 3): Promise<void> {
  await village.until(`${copies} proven copies, as everybody sees it`, async () => {
    if (village.holders(root).size < copies) return false
    for (const house of village.nodes.filter((other) => other.alive)) {
      const status = await house.pool.status(root)
      if (status === undefined || status.copiesLive < copies) return false
    }
    return true
  })
}

test('a new object ends at exactly three operators, all proven, seen alike by everybody', async () => {
  for (const author of [0, 1, 2, 3, 4, 5]) {
    const village = await Village.of(6, 100 + author, calm)
    const { root, result } = await village.house(author).put('a picture of a cat')
    assert.ok(result.copiesPromised >= 2)
    assert.equal(result.existed, false)
    await settled(village, root)
    await village.until('exactly three', () => village.holders(root).size === 3)
    await village.run(3_600_000)
    assert.equal(village.holders(root).size, 3, `seed ${village.seed}`)
    await village.close()
  }
})

test('any two of three holders are killed: three proven live copies come back within an hour', async () => {
  for (const [i, pair] of [
    [0, 1],
    [0, 2],
    [1, 2]
  ].entries()) {
    const village = await Village.of(6, 200 + i, calm)
    const { root } = await village.house(0).put('killed twice')
    await settled(village, root)
    await village.until('exactly three', () => village.holders(root).size === 3)
    const holders = village.holdingHouses(root)
    for (const at of pair) holders[at]?.kill()
    // One live copy left: after one minute of absence, not after fifteen.
    const tookMs = await village.until('two more copies', () => village.holders(root).size >= 3, 1_200_000)
    assert.ok(tookMs < 600_000, `one live copy waits a minute and staggers, not ${tookMs} ms`)
    await settled(village, root)
    await village.close()
  }
})

test('killed holders that come back are counted again, and nothing is trimmed below the maximum', async () => {
  const village = await Village.of(6, 300, calm)
  const { root } = await village.house(0).put('gone and back')
  await settled(village, root)
  await village.until('exactly three', () => village.holders(root).size === 3)
  const gone = village.holdingHouses(root).slice(0, 2)
  for (const house of gone) house.kill()
  await village.until('repaired', () => village.holders(root).size >= 3)
  for (const house of gone) await house.restart()
  await settled(village, root, 5)
  await village.run(7_200_000)
  assert.equal(village.holders(root).size, 5)
  await village.close()
})

test('a holder that sleeps for ten minutes costs no copy', async () => {
  const village = await Village.of(6, 400, calm)
  const { root } = await village.house(0).put('a laptop closes')
  await settled(village, root)
  await village.until('exactly three', () => village.holders(root).size === 3)
  const [laptop] = village.holdingHouses(root)
  assert.ok(laptop)
  for (let night = 0; night < 3; night++) {
    laptop.kill()
    await village.run(600_000)
    await laptop.restart()
    await village.run(600_000)
  }
  assert.equal(village.holders(root).size, 3)
  await settled(village, root)
  await village.close()
})

test('a stopped process keeps its connections and is noticed by its silence', async () => {
  const village = await Village.of(5, 500, calm)
  const { root } = await village.house(0).put('SIGSTOP')
  await settled(village, root)
  await village.until('exactly three', () => village.holders(root).size === 3)
  const [silent] = village.holdingHouses(root)
  const witness = village.nodes.find((house) => house !== silent)
  assert.ok(silent && witness)
  village.wires.stop(silent.id)
  await village.until(
    'noticed',
    () => witness.pool.members().find((member) => member.node === silent.id)?.reachable === false,
    300_000
  )
  await village.until(
    'repaired',
    () => village.holdingHouses(root).filter((house) => house !== silent).length >= 3
  )
  village.wires.resume(silent.id)
  await settled(village, root, 4)
  await village.close()
})

test('a keeper comes back with another disk: its proofs are void and its copies made again', async () => {
  const village = await Village.of(5, 600, calm)
  const { root } = await village.house(0).put('swapped')
  await settled(village, root)
  await village.until('exactly three', () => village.holders(root).size === 3)
  const [swapped] = village.holdingHouses(root)
  assert.ok(swapped)
  swapped.kill()
  swapped.disk.swap()
  await swapped.restart()
  await village.run(60_000)
  for (const house of village.nodes.filter((other) => other !== swapped)) {
    const status = await house.pool.status(root)
    const holder = status?.holders.find((other) => other.node === swapped.id)
    assert.notEqual(holder?.state, 'live', 'nothing proven on the old disk counts on the new one')
  }
  await village.until('three again', () => village.holders(root).size >= 3)
  await settled(village, root)
  await village.close()
})

test('a pool grows from one to five: everything everywhere while it is small, then placed', async () => {
  const village = new Village(700, calm)
  await village.add(server)
  const { root, result } = await village.house(0).put('alone')
  assert.deepEqual(result, { copiesPromised: 1, existed: false })
  await village.run(600_000)
  assert.ok((await village.house(0).pool.status(root))?.reasons.includes('POOL_TOO_SMALL'))
  await village.add(server)
  await village.until('both hold it', () => village.holders(root).size === 2)
  await village.add(server)
  await village.until('all three hold it', () => village.holders(root).size === 3)
  await settled(village, root)
  await village.add(server)
  await village.add(server)
  await village.run(4 * 3_600_000)
  assert.ok(village.holders(root).size >= 3)
  await settled(village, root)
  await village.close()
})

test('a shrinking pool holds on: below the minimum everybody left keeps everything', async () => {
  const village = await Village.of(5, 800, calm)
  const { root } = await village.house(1).put('shrinking')
  await settled(village, root)
  // A release under way when its keeper dies is nobody's fault, and not what this is about.
  await village.until('exactly three', () => village.holders(root).size === 3)
  for (const index of [4, 3, 2]) {
    village.house(index).kill()
    await village.run(3_600_000)
  }
  assert.equal(village.holders(root).size, 2)
  await village.close()
})

test('home keepers: two spare copies, and no churn while they come and go', async () => {
  const village = await Village.of(7, 900, calm, home)
  const { root } = await village.house(0).put('at home')
  await village.until('five proven copies', () => village.holders(root).size === 5)
  await settled(village, root, 5)
  await village.run(3_600_000)
  assert.equal(village.holders(root).size, 5)
  await village.close()
})

test('a partition heals: each side repairs for itself, and afterwards nothing is below the minimum', async () => {
  const village = await Village.of(6, 1000, calm)
  const { root } = await village.house(0).put('divided')
  await settled(village, root)
  await village.until('exactly three', () => village.holders(root).size === 3)
  village.wires.part(new Map(village.nodes.slice(0, 3).map((house): [string, number] => [house.id, 1])))
  await village.run(2 * 3_600_000)
  village.wires.heal()
  await village.run(2 * 3_600_000)
  assert.ok(village.holders(root).size >= 3)
  // What the division made too much is trimmed to the maximum, never below the minimum.
  assert.ok(village.holders(root).size <= 5, `${village.holders(root).size} copies`)
  await settled(village, root)
  await village.close()
})

test('a node that reaches no other operator decides nothing', async () => {
  const village = await Village.of(5, 1100, calm)
  const { root } = await village.house(0).put('lonely')
  await settled(village, root)
  const [lonely] = village.nodes.filter((house) => village.holders(root).has(house.operator))
  assert.ok(lonely)
  village.wires.part(new Map([[lonely.id, 1]]))
  await village.run(600_000)
  assert.deepEqual(
    (await lonely.pool.status(root))?.reasons.filter((reason) => reason === 'ISOLATED'),
    ['ISOLATED']
  )
  assert.equal(lonely.disk.trulyHolds(root), true)
  village.wires.heal()
  await village.run(600_000)
  await settled(village, root)
  await village.close()
})

test('waitUntilHealthy proves at once and, outside the placement, waits for the release', async () => {
  for (const author of [0, 1, 2, 3]) {
    const village = await Village.of(6, 1200 + author)
    const house: House = village.house(author)
    const { root } = await house.put('add --wait')
    const beganMs = village.clock.monotonicMs()
    const status = await village.during(house.pool.waitUntilHealthy(root))
    assert.equal(status.health, 'healthy')
    assert.equal(status.copiesLive, 3)
    assert.equal(village.holders(root).size, 3)
    assert.ok(village.clock.monotonicMs() - beganMs < 60_000, 'it does not wait for proofs to settle')
    await village.close()
  }
})
