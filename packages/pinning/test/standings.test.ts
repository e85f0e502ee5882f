// The counts beside the standings are always what a recount of the rows would say, whatever was written, by
// whatever statement; and what is marked comes in order of need. Seen to fail with the trigger on changes
// taken away, with `overdue` left out of its condition, with wanted rows deleted without their standings,
// and with `marked` ordered by root.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowEverything, type Clock, seededRandom, silentLog } from '@commonhold/core'
import fc from 'fast-check'
import { type Kysely, sql } from 'kysely'
import type { CID } from 'multiformats/cid'
import { Standings } from '../src/census/standings.ts'
import type { PinningTables } from '../src/database.ts'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import type { KeepingParts } from '../src/keep/keeping-parts.ts'
import type { Plan, Reason } from '../src/plan/plan.ts'
import type { Health } from '../src/plan/tally.ts'
import { groupOf, rootKey, rootOfKey } from '../src/root-key.ts'
import { memoryDatabase } from './commons/memory-database.ts'

const k = 4
const healths: readonly Health[] = ['healthy', 'at risk']

function rootNumber(i: number): CID {
  const key = new Uint8Array(33).fill(i * 37)
  key[32] = 0x55
  return rootOfKey(key)
}

function partsOver(database: Kysely<PinningTables>, nowMs: () => number): KeepingParts {
  const parts = {
    components: {
      database,
      clock: {} as Clock,
      policy: allowEverything,
      random: seededRandom(1),
      log: silentLog
    },
    roster: { k },
    options: keepingDefaults,
    time: { nowMs }
  }
  return parts as unknown as KeepingParts
}

const planArbitrary: fc.Arbitrary<Plan> = fc.record({
  health: fc.constantFrom(...healths),
  copiesLive: fc.integer({ min: 2, max: 3 }),
  proofsOverdue: fc.integer({ min: 0, max: 2 }),
  reasons: fc.constantFrom<readonly Reason[]>([], ['BELOW_MIN', 'NO_ROOM']),
  copiesClaimed: fc.constant(0),
  copiesTarget: fc.constant(3),
  actions: fc.constant([])
})

type Step =
  | { readonly is: 'want' | 'unwant'; readonly object: number; readonly size: number }
  | { readonly is: 'look'; readonly object: number; readonly plan: Plan; readonly reviewMs: number }
  | { readonly is: 'look away'; readonly object: number }

/** Few objects and few plans, so that the same object is often looked at with one thing changed. */
const object = fc.integer({ min: 0, max: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ is: fc.constantFrom('want', 'unwant'), object, size: fc.integer({ min: 0, max: 99 }) }),
  fc.record({
    is: fc.constant('look' as const),
    object,
    plan: planArbitrary,
    reviewMs: fc.integer({ min: 0, max: 100 }).map((n) => n * 1000)
  }),
  fc.record({ is: fc.constant('look away' as const), object })
)

test('counts are always those of a recount', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const database = await memoryDatabase()
      const standings = new Standings(partsOver(database, () => 50_000))
      for (const one of steps) {
        await take(database, standings, one)
        await assertCounted(database, standings)
      }
      await database.destroy()
    }),
    { numRuns: 60 }
  )
})

async function take(database: Kysely<PinningTables>, standings: Standings, one: Step): Promise<void> {
  const root = rootNumber(one.object)
  const key = rootKey(root)
  if (one.is === 'look') await standings.write([{ root, plan: one.plan, reviewMs: one.reviewMs }], [])
  if (one.is === 'look away') await standings.write([], [root])
  if (one.is === 'unwant') {
    const { numDeletedRows } = await database
      .deleteFrom('wanted')
      .where('root', '=', key)
      .executeTakeFirstOrThrow()
    const left = await database.selectFrom('standing').select('root').where('root', '=', key).execute()
    assert.ok(numDeletedRows === 0n || left.length === 0, 'what nobody wants stands nowhere')
  }
  if (one.is === 'want') {
    const row = {
      root: key,
      hash_group: groupOf(root, k),
      size: one.size,
      copies_min: 3,
      public: 1,
      digest: null,
      authors: 'a'
    }
    await database
      .insertInto('wanted')
      .values(row)
      .onConflict((c) => c.column('root').doUpdateSet({ size: one.size }))
      .execute()
  }
}

async function assertCounted(database: Kysely<PinningTables>, standings: Standings): Promise<void> {
  const recount = async (query: string, table: string): Promise<void> => {
    const counted = await sql.raw<object>(query).execute(database)
    const kept = await sql.raw<object>(`SELECT * FROM ${table}`).execute(database)
    assert.deepEqual(
      new Set(kept.rows.map((row) => JSON.stringify(row))),
      new Set(counted.rows.map((row) => JSON.stringify(row)))
    )
  }
  await recount(
    `SELECT health, copies_live, reasons, count(*) AS objects, sum(overdue) AS overdue FROM standing
      GROUP BY health, copies_live, reasons`,
    'standing_count'
  )
  await recount(
    'SELECT hash_group, health, count(*) AS objects FROM standing GROUP BY hash_group, health',
    'group_count'
  )
  await recount(
    'SELECT 1 AS id, count(*) AS objects, coalesce(sum(size), 0) AS bytes FROM wanted',
    'wanted_count'
  )
  const { objects, byHealth } = await standings.counts()
  assert.equal(
    Object.values(byHealth).reduce((sum, n) => sum + n, 0),
    objects
  )
}

test('what is marked comes fewest live copies first; what is due by age, longest due first; each until it was looked at', async () => {
  const database = await memoryDatabase()
  let nowMs = 10_000
  const standings = new Standings(partsOver(database, () => nowMs))
  const plan = (copiesLive: number): Plan => ({
    health: copiesLive >= 3 ? 'healthy' : 'at risk',
    copiesLive,
    proofsOverdue: 0,
    reasons: [],
    copiesClaimed: copiesLive,
    copiesTarget: 3,
    actions: []
  })
  const lives = [3, 1, 2, 3, 0, 2]
  await standings.write(
    lives.map((live, i) => ({ root: rootNumber(i), plan: plan(live), reviewMs: 20_000 + i * 10_000 })),
    []
  )
  assert.deepEqual(await standings.marked(9), [])
  assert.deepEqual(await standings.due(9), [])
  for (const [i] of lives.entries()) {
    const root = rootNumber(i)
    const copy = {
      root: rootKey(root),
      keeper: i === 3 ? 'other' : 'gone',
      hash_group: groupOf(root, k),
      claimed_ms: 0
    }
    const rest = { proven_ms: 0, asked_ms: null, corrupt_ms: null, declined_ms: null, doubted: 0 }
    await database
      .insertInto('copy')
      .values({ ...copy, ...rest })
      .execute()
  }
  await standings.markOfKeeper('gone', 0, 2 ** k)
  const marked = await standings.marked(9)
  assert.deepEqual(marked.map(liveOf), [0, 1, 2, 2, 3])
  assert.deepEqual((await standings.marked(2)).map(liveOf), [0, 1])

  nowMs = 55_000
  const due = await standings.due(9)
  assert.deepEqual(due.map(String), [rootNumber(3).toString()], 'of the others nobody knows a time any more')
  await standings.write(
    [...marked, ...due].map((root) => ({ root, plan: plan(liveOf(root)), reviewMs: 90_000 })),
    []
  )
  assert.deepEqual([...(await standings.marked(9)), ...(await standings.due(9))], [])

  function liveOf(root: CID): number {
    return lives[lives.findIndex((_, i) => rootNumber(i).equals(root))] ?? -1
  }
})
