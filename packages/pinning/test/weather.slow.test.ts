// Random lives of whole pools. What must hold: no release ever leaves fewer than the minimum (watched from
// outside at every removal), nothing acknowledged is lost, and after healing everything is back.

import { test } from 'node:test'
import { live } from './harness/weather.ts'

for (let seed = 1; seed <= 12; seed++) {
  test(`a random day of six nodes, at most two away at a time (seed ${seed})`, async () => {
    const village = await live(seed, { nodes: 6, hours: 24, awayMax: 2 })
    await village.close()
  })
}

test('a random week of eight nodes', async () => {
  const village = await live(100, { nodes: 8, hours: 168, awayMax: 2 })
  await village.close()
})
