// The promise, on whole pools: copies are made, proven, lost and made again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Village } from './harness/village.ts'

test('a new object ends at exactly three operators, all proven, seen alike by everybody', async () => {
  const village = await Village.of(6, 1)
  const { root, result } = await village.house(0).put('a picture of a cat')
  assert.ok(result.copiesPromised >= 2)
  await village.until('three proven copies, as everybody sees it', async () => {
    if (village.holders(root).size !== 3) return false
    for (const house of village.nodes) {
      const status = await house.pool.status(root)
      if (status?.health !== 'healthy' || status.copiesLive !== 3) return false
    }
    return true
  })
  await village.run(3_600_000)
  assert.equal(village.holders(root).size, 3)
  await village.close()
})
