// A picture few people care about, when the last laptop that held it first is closed for good: with nine home nodes of
// which none is always on it is served all the while, by whoever is up. With repair off the same story loses it:
// that arm is how the other was seen able to fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FoundingOptions, founding } from './founding.ts'

const seed = Number(process.env['SEED'] ?? 7)
/** `repairDelayMs` becomes 7.5 s. A machine with a hundred things to do needs more: TIME_SCALE=60. */
const timeScale = Number(process.env['TIME_SCALE'] ?? 120)

const story = { seed, timeScale, readBoundMs: 30_000 } satisfies Partial<FoundingOptions>

test(`the uploader and every first holder leave for good, and the picture is served all the while (SEED=${seed})`, {
  timeout: 600_000
}, async (t) => {
  const result = await founding({ ...story, repairs: true, say: (line) => t.diagnostic(line) })
  t.diagnostic(JSON.stringify(result))
  assert.equal(result.missed, 0)
  assert.ok(result.reads > 10)
  assert.ok(result.nobodyAlwaysUp && result.upMin >= 1)
  assert.ok(result.lastHolders.length >= 2, 'made anew at those who are left')
  assert.ok(result.lastHolders.every((name) => !result.firstHolders.includes(name)))
})

test(`the same story with repair off loses it (SEED=${seed})`, { timeout: 600_000 }, async (t) => {
  const result = await founding({
    ...story,
    readBoundMs: 5000,
    repairs: false,
    say: (line) => t.diagnostic(line)
  })
  t.diagnostic(JSON.stringify(result))
  assert.deepEqual(result.lastHolders, [])
  assert.ok(result.missed > 0)
})
