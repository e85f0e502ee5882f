// What an admin can read about a keeper.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import type { KeepingParts } from '../src/keep/keeping-parts.ts'
import { KeeperRecords } from '../src/proof/keeper-records.ts'
import { rootFor } from './harness/disk.ts'
import { Village } from './harness/village.ts'

test('a wrong answer is on record with its reason, across a restart; silence is none', async () => {
  const village = await Village.of(4, 31, { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 } })
  const { root } = await village.house(0).put('kept, they say')
  await village.until('three copies', () => village.holders(root).size >= 3)
  await village.run(600_000)
  const [judge, liar] = village.holdingHouses(root)
  assert.ok(judge && liar)
  liar.disk.dropBytes(root)
  await village.during(judge.pool.prove(root))
  const check = async (): Promise<void> => {
    const record = await judge.pool.keeperRecord(liar.id)
    assert.ok(record.wrong >= 1 && record.right >= 1)
    assert.equal(record.lastWrong?.root.toString(), root.toString())
    assert.equal(record.lastWrong?.by, 'digest')
  }
  await check()
  await village.during(judge.end())
  await judge.restart()
  await check()
  await village.close()
})

test('silence strikes only when the keeper answered about something else in between', async () => {
  const village = await Village.of(1, 32)
  const { database } = await village.house(0).components()
  let nowMs = 0
  const parts = {
    components: { database },
    options: keepingDefaults,
    time: { nowMs: () => ++nowMs }
  } as unknown as KeepingParts
  const records = new KeeperRecords(parts)
  const struck: string[] = []
  records.onStruck = async (root) => void struck.push(root.toString())
  const [parked, other] = [rootFor(Uint8Array.of(1)), rootFor(Uint8Array.of(2))]
  const silent = { root: parked, outcome: 'silent', by: 'none' } as const
  const right = { root: other, outcome: 'proven', by: 'digest' } as const
  for (let i = 0; i < 10; i++) await records.note('k', [silent])
  assert.deepEqual(struck, [], 'merely away')
  for (let i = 0; i < 3; i++) {
    await records.note('k', [right])
    assert.deepEqual(struck, [])
    await records.note('k', [silent])
  }
  assert.deepEqual(struck, [parked.toString()])
  const about = await records.of('k', { suspectGroups: 0, suspectProofsLeft: 0 })
  assert.deepEqual(about.silentAbout.map(String), [parked.toString()])
  assert.deepEqual([about.silent, about.right, about.wrong], [13, 3, 0])
  await records.note('k', [{ root: parked, outcome: 'absent', by: 'none' }])
  assert.deepEqual((await records.of('k', { suspectGroups: 0, suspectProofsLeft: 0 })).silentAbout, [])
  await village.close()
})
