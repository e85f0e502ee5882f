// Random lives of whole pools. What must hold: no release ever leaves fewer than the minimum (watched from
// outside at every removal), nothing acknowledged is lost, and after healing everything is back.

import { test } from 'node:test'
import { live } from './harness/weather.ts'

for (let seed = 1; seed <= 4; seed++) {
  test(`ten random hours of six nodes, at most two away at a time (seed ${seed})`, async () => {
    const village = await live(seed, { nodes: 6, hours: 10, awayMax: 2, presenceIntervalMs: 240_000 })
    await village.close()
  })
}

test('a random week of five nodes', async () => {
  const village = await live(100, { nodes: 5, hours: 168, awayMax: 1, presenceIntervalMs: 1_800_000 })
  await village.close()
})
