// How long a keeper that drops bytes right after a proof goes unnoticed, measured over many pools beside the formula.
// It waits for the next question about what is missing. That comes `proofEveryMs` × (1 − `proofSpreadShare` × U)
// after the last, U uniform for each of the M = 2 × missing objects questions; the accusation at the least of them.
// Renewals are not gathered here: that adds at most `proofGatherMs`, a day, to each.
// Keyed digests read all bytes, so it is missing objects that count and not missing bytes: one byte is the whole.
// Seen to fail with the spread of `renewalAgeMs` in `plan.ts` doubled, halved, and left out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import { drop } from './harness/liars.ts'
import { accusedMs, dayMs, hourMs, provenVillage, until } from './harness/proven-village.ts'

const objects = 100
/** Between a proof falling due and the answer: the tick, and the minutes between the first proofs and the drop. */
const slackMs = 4 * hourMs

for (const [share, seeds] of [
  [1, 3],
  [0.1, 5],
  [0.01, 9]
] as const) {
  test(`a keeper that drops ${share * 100} % after one proof is found when the formula says`, async (t) => {
    const tookMs: number[] = []
    for (let seed = 1; seed <= seeds; seed++) {
      const { village, roots } = await provenVillage(seed * 1000 + share * 100, objects)
      const liar = village.house(seed % 3)
      drop(liar, roots.slice(0, objects * share))
      const beganMs = village.clock.monotonicMs()
      await until(
        village,
        6 * hourMs,
        keepingDefaults.proofEveryMs + slackMs,
        async () => (await accusedMs(liar)) !== undefined
      )
      tookMs.push(((await accusedMs(liar)) ?? Number.NaN) - beganMs)
      await village.close()
    }
    const meanMs = tookMs.reduce((sum, ms) => sum + ms, 0) / seeds
    const least = leastWait(2 * objects * share)
    const bandMs = (3 * least.deviationMs) / Math.sqrt(seeds)
    const found = `${days(meanMs)} days (${tookMs.map(days).join(', ')})`
    const formula = `${days(least.meanMs)} ± ${days(bandMs)} days, and up to ${days(slackMs)} of ticks and of minutes between the first proofs`
    t.diagnostic(`${share * 100} % dropped: found after ${found}; formula ${formula}`)
    assert.ok(Math.abs(meanMs - least.meanMs) <= bandMs + slackMs, found)
  })
}

/** Of so many waits, each uniform between the earliest and the latest renewal. */
function leastWait(questions: number): { meanMs: number; deviationMs: number } {
  const { proofEveryMs, proofSpreadShare } = keepingDefaults
  const widthMs = proofEveryMs * proofSpreadShare
  return {
    meanMs: proofEveryMs - widthMs + widthMs / (questions + 1),
    deviationMs: (widthMs / (questions + 1)) * Math.sqrt(questions / (questions + 2))
  }
}

function days(ms: number): string {
  return (ms / dayMs).toFixed(2)
}
