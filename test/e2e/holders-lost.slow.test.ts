// The holder that is sending is killed or frozen under a reader that keeps nothing: real processes, cache 0.
// `HOLDER_KILLS=100 npm run test:slow -- holders-lost` kills a hundred.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { seededRandom } from '@commonhold/core'
import { defaults } from '../../packages/node/src/options.ts'
import { until } from '../processes/until.ts'
import { HoldersUnderFire, size } from './holders-lost.ts'

const kills = Number(process.env['HOLDER_KILLS'] ?? 6)
const seed = Number(process.env['SEED'] ?? 1)
/** A hedge after at most half a budget, its answer, and a machine that does other things too. */
const gapMsMax = 2 * defaults.sourceBudgetMs

let fire: HoldersUnderFire
before(async () => {
  fire = await HoldersUnderFire.start()
})
after(async () => fire?.[Symbol.asyncDispose]())

test(`the sender killed ${kills} times, seed ${seed}`, { timeout: 60_000 + kills * 30_000 }, async () => {
  const random = seededRandom(seed)
  let longestMs = 0
  for (let round = 1; round <= kills; round++) {
    const at = Math.floor(size * (0.05 + 0.9 * random.unit()))
    const [before, switchedBefore] = [await fire.written(), await fire.switched()]
    let killed = 'nobody'
    const { sha256, bytes, longestGapMs } = await fire.download(at, async () => {
      const sender = await fire.sender(before)
      killed = sender.name
      await sender.kill()
    })
    const which = `round ${round}, seed ${seed}, ${killed} killed after ${at} bytes`
    assert.equal(bytes, size, which)
    assert.equal(sha256, fire.sha256, which)
    assert.ok((await fire.switched()) > switchedBefore, `${which}: a second source was used`)
    assert.ok(longestGapMs <= gapMsMax, `${which}: nothing came for ${longestGapMs} ms`)
    longestMs = Math.max(longestMs, longestGapMs)
    for (const holder of fire.holders) if (!holder.running) await holder.start()
    await fire.pool.untilAllMeet()
  }
  console.log(
    `${kills} kills, ${kills} identical downloads, nothing came for at most ${Math.round(longestMs)} ms`
  )
})

test('the sender frozen in mid-stream', { timeout: 120_000 }, async () => {
  for (const share of [0.1, 0.5, 0.9]) {
    const before = await fire.written()
    let frozen = fire.holders[0]
    const { sha256, longestGapMs } = await fire.download(Math.floor(size * share), async () => {
      frozen = await fire.sender(before)
      frozen.freeze(true)
    })
    frozen?.freeze(false)
    assert.equal(sha256, fire.sha256)
    assert.ok(longestGapMs <= gapMsMax, `frozen at ${share}: nothing came for ${longestGapMs} ms`)
  }
})

test('each holder in turn frozen before the first byte', { timeout: 120_000 }, async () => {
  for (const frozen of fire.holders) {
    frozen.freeze(true)
    try {
      const { sha256, longestGapMs } = await fire.download(size, () => {})
      assert.equal(sha256, fire.sha256)
      assert.ok(longestGapMs <= gapMsMax, `${frozen.name} frozen: nothing came for ${longestGapMs} ms`)
    } finally {
      frozen.freeze(false)
    }
  }
})

test('a holder that was frozen when the reader started: its dial is part of the budget', {
  timeout: 120_000
}, async () => {
  for (const frozen of fire.holders) {
    await fire.reader.stop()
    frozen.freeze(true)
    try {
      await fire.reader.start()
      const other = fire.holders.find((holder) => holder !== frozen)
      await until('the reader has the other', 30_000, async () => {
        const { peers } = await fire.reader.ask<{ peers: readonly { node: string }[] }>('peers')
        return peers.some(({ node }) => node === other?.nodeId) || undefined
      })
      const { sha256, longestGapMs } = await fire.download(size, () => {})
      assert.equal(sha256, fire.sha256)
      assert.ok(longestGapMs <= gapMsMax, `${frozen.name} frozen: nothing came for ${longestGapMs} ms`)
    } finally {
      frozen.freeze(false)
    }
  }
})

test('all holders killed in mid-stream: the connection is cut, never a clean short end', {
  timeout: 120_000
}, async () => {
  await fire.pool.untilAllMeet()
  let blown = false
  await assert.rejects(
    fire.download(Math.floor(size / 3), async () => {
      await Promise.all(fire.holders.map((holder) => holder.kill()))
      blown = true
    }),
    /terminated/
  )
  assert.ok(blown)
})
