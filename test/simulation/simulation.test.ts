// A few months of a small pool. Seen to fail: with `repairDelayMs` and `fillDelayMs` of a century the promise is kept no better
// than by doing nothing; with a rule of glance.ts narrowed the sample finds who was spared.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type RunOptions, run } from './run.ts'

const small: RunOptions = {
  seed: 11,
  profile: 'homes',
  years: 0.25,
  members: 30,
  groups: 24,
  objects: 24,
  objectBytes: 2 ** 30,
  copiesMin: 3,
  options: {},
  arms: ['commonhold', 'none']
}

test('home machines come and go: nothing is lost, and the promise is kept far better than without repair', () => {
  const [ours, nothing] = run(small).arms
  assert.ok(ours?.deeds !== undefined && nothing !== undefined, `seed ${small.seed}`)
  assert.equal(ours.lost, 0, `seed ${small.seed}`)
  assert.equal(ours.deeds.releasesUnsafe, 0, `seed ${small.seed}`)
  assert.equal(ours.deeds.falseAccusations, 0, `seed ${small.seed}`)
  assert.ok(ours.deeds.checked > 0)
  assert.ok(
    ours.belowMin < nothing.belowMin / 10,
    `seed ${small.seed}: ${ours.belowMin}, ${nothing.belowMin}`
  )
})

test('a seed repeats exactly', () => {
  const shorter = { ...small, years: 0.05 }
  assert.deepEqual(run(shorter).arms, run(shorter).arms)
})
