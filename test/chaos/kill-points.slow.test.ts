// Must hold for any crash: everything that was acknowledged for n copies is there and proven after a SIGKILL at
// any named point; no torn block, no temporary file, no forked journal. Seen to fail when the receipt is signed
// before the blocks are durable (`offer.ts`) and when the sweep of temporary files at the start is left out
// (`file-block-store.ts`). What a power loss takes beyond that is in packages/node/test/crash.test.ts.

import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { type KillLoopResult, killLoop, pointNames } from './kill-points.ts'

const seed = Number(process.env['CHAOS_SEED'] ?? randomInt(2 ** 31))

test(`at least 100 kills of real operators at ${pointNames.length} named points (CHAOS_SEED=${seed})`, {
  timeout: 16 * 60_000
}, async (t) => {
  const result = await killLoop({
    seed,
    timeMsMax: 14 * 60_000,
    onKill: (kill, count) =>
      t.diagnostic(`${count}. ${kill.point} (${kill.role} ${kill.victim}): ${kill.lastWords}`)
  })
  assertEnough(result)
})

function assertEnough({ kills }: KillLoopResult): void {
  assert.ok(kills.length >= 100, `${kills.length} kills`)
  for (const point of pointNames) {
    const count = kills.filter((kill) => kill.point === point).length
    assert.ok(count >= 5, `${point} was hit ${count} times`)
  }
  const inFlight = kills.filter((kill) => kill.inFlight).length
  assert.ok(inFlight >= 90, `${inFlight} kills hit an operation in flight`)
}
