// The same in small: real processes, bridge cache 0, one object, two of its three holders SIGKILLed.
// The whole of it is in three-copies.slow.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { place, survive } from './three-copies.ts'

test('two of three holders die at once: served by every survivor, and three copies again', {
  timeout: 240_000
}, async () => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'd', 'e'],
    timeScale: 60,
    settings: { 'http.cache': 0 }
  })
  const [a] = pool.nodes
  assert.ok(a)
  const placed = await place(pool, a, 2_500_000)
  await survive(pool, placed, placed.holders.slice(0, 2))
  const { objects } = await (pool.running[0] ?? a).ask<StatusAnswer>('status')
  assert.equal(objects.total, 1)
})

test('with too few operators, add --wait fails fast and stores nothing', { timeout: 120_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['alone'], timeScale: 60 })
  const [alone] = pool.nodes
  assert.ok(alone)
  const result = await alone.command('add', 'test/fixtures/coffee.jpg', '--copies', '3', '--wait')
  assert.equal(result.code, 12)
  assert.match(result.stderr, /1 operator, 3 needed/)
  assert.deepEqual(await alone.blockFiles(), [])
})
