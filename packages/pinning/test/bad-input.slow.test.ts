// A hundred thousand damaged records at the doors of the shared half. The table of single faults, and a
// short run of this, are in bad-input.test.ts.

import { test } from 'node:test'
import { damageAtRandom, doorsOf } from './commons/doors.ts'
import { Town } from './commons/town.ts'

test('a hundred thousand damaged records', { timeout: 300_000 }, async () => {
  const town = new Town(1)
  const [a] = await town.pool(1)
  if (a === undefined) throw new Error('no node')
  await a.pin(1)
  damageAtRandom(doorsOf(a), 100_000)
  await town.close()
})
