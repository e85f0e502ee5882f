// How many copies is a wish and can change later: of one object, and of the pool for objects to come.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Village } from './harness/village.ts'

test('more copies are made when they are asked for, and what is above the maximum goes when fewer are', async () => {
  const village = await Village.of(7, 60, {
    keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 },
    copiesMin: 2
  })
  const author = village.house(0)
  const { root } = await author.put('wished for again', { copiesMin: 3 })
  await village.until('three', () => village.holders(root).size >= 3)
  const wish = { root, size: 16, visibility: 'public' } as const
  const again = await village.during(author.pool.want({ ...wish, copiesMin: 6 }))
  assert.equal(again.existed, true)
  await village.until('six', () => village.holders(root).size >= 6)
  await village.run(600_000)
  assert.equal((await village.house(5).pool.status(root))?.copiesMin, 6)
  await village.during(author.pool.want({ ...wish, copiesMin: 2 }))
  await village.until(
    'no more than two and two spare ones',
    () => village.holders(root).size <= 4,
    14_400_000
  )
  await village.run(3_600_000)
  assert.equal(village.holders(root).size, 4)
  await village.close()
})

test('an administrator changes the copies of the pool; nobody else does', async () => {
  const village = await Village.of(3, 61)
  await assert.rejects(village.house(1).pool.amend({ copiesMin: 2 }), { name: 'UnauthorizedError' })
  assert.equal(await village.during(village.house(0).pool.amend({ copiesMin: 2 })), true)
  await village.until('all know', () => village.nodes.every((house) => house.pool.copiesMinDefault === 2))
  await village.house(0).end()
  await village.house(0).restart()
  assert.equal(village.house(0).pool.copiesMinDefault, 2)
  await village.close()
})
