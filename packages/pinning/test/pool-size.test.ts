// A pool that grows from one operator to five and shrinks again, step by step: what every member says of the object
// and of the pool, who holds it, and that nothing is released while there are fewer operators than copies.
// Seen to fail: with `isTooSmall` always false in `plan.ts` (copies are released, and nobody says why there are
// few); with `massLossOperatorsMin` 1 (the walk down waits for an hour
// instead of repairing).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import type { CID } from 'multiformats/cid'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import type { PoolReason } from '../src/status.ts'
import { type House, server, Village } from './harness/village.ts'

const copiesMin = 3
const hourMs = 3_600_000
/** Who died an hour ago is no spare copy here: hours of waiting would show nothing more. */
const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000, spareDelayMs: hourMs } }
const lookEveryMs = 20_000

/** Long enough for every delay of a repair: absence, stagger, settling; far below `massLossHoldMs`. */
const repairedMs = keepingDefaults.repairDelayMs + 10 * 60_000
/** The same while spare copies are taken to be only away. */
const sparedMs = hourMs + 10 * 60_000

interface Expected {
  readonly holders: number
  readonly health: string
  readonly tooSmall: boolean
  /** How long it may take; `repairedMs` unless said otherwise. */
  readonly withinMs?: number
  /** Codes of the pool's health, all of them. */
  readonly pool: readonly PoolReason['code'][]
}

function alive(village: Village): House[] {
  return village.nodes.filter((house) => house.alive)
}

async function expectStep(village: Village, root: CID, step: string, expected: Expected): Promise<void> {
  let seen: readonly object[] = []
  const withinMs = expected.withinMs ?? repairedMs
  for (let waitedMs = 0; waitedMs <= withinMs; waitedMs += lookEveryMs) {
    await village.run(lookEveryMs)
    seen = await Promise.all(alive(village).map((house) => viewOf(house, root)))
    if (village.holders(root).size < expected.holders) continue
    if (seen.every((view) => isDeepStrictEqual(view, viewFor(expected)))) return
  }
  assert.deepEqual(
    seen,
    seen.map(() => viewFor(expected)),
    `${step}, seed ${village.seed}`
  )
}

async function viewOf(house: House, root: CID): Promise<object> {
  const status = await house.pool.status(root)
  const { health } = await house.pool.summary()
  return {
    copiesLive: status?.copiesLive,
    health: status?.health,
    tooSmall: status?.reasons.includes('POOL_TOO_SMALL'),
    held: status?.reasons.includes('MASS_LOSS'),
    pool: health.reasons.map(({ code }) => code)
  }
}

function viewFor({ holders, health, tooSmall, pool }: Expected): object {
  return { copiesLive: holders, health, tooSmall, held: false, pool }
}

async function released(village: Village): Promise<number> {
  const summaries = await Promise.all(alive(village).map((house) => house.pool.summary()))
  return summaries.reduce((sum, { releases }) => sum + releases.done, 0)
}

async function grown(village: Village): Promise<CID> {
  await village.add(server)
  const { root, result } = await village.house(0).put('one picture')
  assert.equal(result.copiesPromised, 1, 'a receipt of nobody is promised')
  await expectStep(village, root, 'one', {
    holders: 1,
    health: 'at risk',
    tooSmall: true,
    pool: ['POOL_TOO_SMALL', 'BELOW_MIN']
  })
  await village.add(server)
  await expectStep(village, root, 'two', {
    holders: 2,
    health: 'at risk',
    tooSmall: true,
    pool: ['POOL_TOO_SMALL', 'BELOW_MIN']
  })
  await village.add(server)
  await expectStep(village, root, 'three', { holders: 3, health: 'healthy', tooSmall: false, pool: [] })
  assert.equal(await released(village), 0)
  await village.add(server)
  await village.add(server)
  await village.run(2 * hourMs)
  await expectStep(village, root, 'five', { holders: 3, health: 'healthy', tooSmall: false, pool: [] })
  return root
}

/** One operator of the pool, neither the administrator nor one that went already, which holds the object. */
function leaver(village: Village, root: CID): House {
  const founder = village.house(0)
  const holding = village.holdingHouses(root).filter((house) => house !== founder)
  const [last] = [...holding, ...alive(village).filter((house) => house !== founder)]
  assert.ok(last)
  return last
}

test('a pool grows from one to five and shrinks as its operators are removed: the roster says how many there are', async () => {
  const village = new Village(1, calm)
  const root = await grown(village)
  const steps: [string, Expected][] = [
    ['four left', { holders: 3, health: 'healthy', tooSmall: false, pool: [] }],
    ['three left', { holders: 3, health: 'healthy', tooSmall: false, pool: [] }],
    ['two left', { holders: 2, health: 'at risk', tooSmall: true, pool: ['POOL_TOO_SMALL', 'BELOW_MIN'] }],
    ['one left', { holders: 1, health: 'at risk', tooSmall: true, pool: ['POOL_TOO_SMALL', 'BELOW_MIN'] }]
  ]
  for (const [step, expected] of steps) {
    const gone = leaver(village, root)
    await village.during(village.house(0).pool.removeOperator(gone.operator, 'moved away'))
    await village.during(gone.end())
    await expectStep(village, root, step, expected)
  }
  assert.equal(village.house(0).disk.trulyHolds(root), true, 'the last one keeps everything')
  await village.close()
})

test('a pool grows to five and shrinks as its operators die: repaired while it can be, kept while it cannot', async () => {
  const village = new Village(3, calm)
  const root = await grown(village)
  const gone: House[] = []
  const steps: [string, Expected][] = [
    ['four up', { holders: 3, health: 'healthy', tooSmall: false, pool: ['MEMBERS_AWAY'] }],
    [
      'three up',
      { holders: 3, health: 'healthy', tooSmall: false, pool: ['MEMBERS_AWAY'], withinMs: sparedMs }
    ],
    [
      'two up',
      {
        holders: 2,
        health: 'at risk',
        tooSmall: false,
        pool: ['BELOW_MIN', 'NO_ROOM', 'MEMBERS_AWAY'],
        withinMs: sparedMs
      }
    ]
  ]
  for (const [step, expected] of steps) {
    const victim = leaver(village, root)
    victim.kill()
    gone.push(victim)
    await expectStep(village, root, step, expected)
  }
  const releasedBefore = await released(village)
  // The last one reaches nobody and decides nothing, for however long.
  const victim = leaver(village, root)
  victim.kill()
  gone.push(victim)
  await village.run(2 * hourMs)
  const [last] = alive(village)
  assert.ok(last)
  assert.ok(last.disk.trulyHolds(root))
  assert.ok((await last.pool.status(root))?.reasons.includes('ISOLATED'))
  assert.equal((await released(village)) - releasedBefore, 0)
  // All of them at once: everybody counts again, and nothing more is copied than is wanted.
  for (const house of gone) await house.restart()
  await village.run(2 * hourMs)
  assert.ok(village.holders(root).size >= copiesMin)
  for (const house of village.nodes) assert.equal((await house.pool.status(root))?.health, 'healthy')
  await village.close()
})

test('five of seven operators vanish at once: a pool this small repairs the last copy all the same', async () => {
  const village = await Village.of(7, 5, calm)
  const { root } = await village.house(0).put('the last copy')
  await village.until('three', () => village.holders(root).size === 3, hourMs)
  await village.run(hourMs)
  const holders = village.holdingHouses(root)
  const [kept, ...others] = holders
  const spare = village.nodes.find((house) => !holders.includes(house))
  assert.ok(kept && spare)
  for (const house of village.nodes) if (house !== kept && house !== spare) house.kill()
  assert.equal(others.length, 2)
  const tookMs = await village.until('a second copy', () => village.holders(root).size === 2, hourMs)
  assert.ok(tookMs < keepingDefaults.repairDelayMs, `the hold kept it back for ${tookMs} ms`)
  await village.close()
})

// Seen to fail with `massLossOperatorsMin` 2: two of five are two fifths, and the repair waits for an hour.
test('two of five operators vanish at once, one of them a holder: its copy is made again after the usual delay', async () => {
  const village = await Village.of(5, 7, calm)
  const { root } = await village.house(0).put('two fifths')
  await village.until('three', () => village.holders(root).size === 3, hourMs)
  await village.run(hourMs / 4)
  const holder = leaver(village, root)
  const bystander = village.nodes.find((house) => !house.disk.trulyHolds(root))
  assert.ok(bystander)
  const held = new Set<number>()
  for (const house of village.nodes) {
    house.pool.onPlan((_root, { reasons }) => {
      if (reasons.includes('MASS_LOSS')) held.add(house.index)
    })
  }
  holder.kill()
  bystander.kill()
  const tookMs = await village.until('three again', () => village.holders(root).size === 3, hourMs)
  assert.ok(tookMs <= repairedMs, `it took ${tookMs} ms`)
  assert.deepEqual([...held], [])
  await village.close()
})
