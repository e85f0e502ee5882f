// A year of a pool of instances: the promise is live copies, and at most a thousandth of object-time may miss it. Seen to fail
// with `repairDelayMs` of a day.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run } from './run.ts'

test('every life of instances: nothing is lost, no release is unsafe, few copies are missing for long', () => {
  const seed = 1
  const [ours] = run({
    seed,
    profile: 'instances',
    years: 1,
    members: 60,
    groups: 80,
    objects: 80,
    objectBytes: 2 ** 30,
    copiesMin: 3,
    options: {},
    arms: ['commonhold']
  }).arms
  assert.ok(ours?.deeds !== undefined, `seed ${seed}`)
  assert.equal(ours.lost, 0, `seed ${seed}`)
  assert.equal(ours.deeds.releasesUnsafe, 0, `seed ${seed}`)
  assert.ok(ours.belowMin <= 0.001, `seed ${seed}: ${ours.belowMin}`)
})
