// What a node offers can change after it joined: everybody ranks it by what it says now, and saying the same again
// is no news. Seen red with the comparison left out (each start would be an entry in everybody's roster), and with
// a leaving node taken for one that stays.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { server, Village } from './harness/village.ts'

test('what a node offers now is what everybody reads in the roster, said once', async () => {
  const village = await Village.of(3, 90)
  const [, keeper] = village.nodes
  assert.ok(keeper)
  const offered = (): (number | undefined)[] =>
    village.nodes.map((house) => house.pool.member(keeper.id)?.capacityBytes)
  assert.equal(await village.during(keeper.pool.pledge(server)), false)
  const less = { ...server, capacityBytes: 2 ** 30 }
  assert.equal(await village.during(keeper.pool.pledge(less)), true)
  assert.equal(await village.during(keeper.pool.pledge(less)), false)
  await village.until('all know', () => offered().every((bytes) => bytes === 2 ** 30))
  await village.during(keeper.pool.leave({ now: false }))
  assert.equal(await village.during(keeper.pool.pledge(server)), false, 'who leaves offers nothing')
  await village.until('all know that it leaves', () =>
    offered().every((bytes) => bytes === 0 || bytes === undefined)
  )
  await village.close()
})
