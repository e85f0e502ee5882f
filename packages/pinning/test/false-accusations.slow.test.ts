// Honest keepers that are anything but reliable: they die in the middle of an answer, answer late, are cut off in the
// middle of a message, say busy, sleep, have clocks that jump, and copies come and go while they are asked about.
// None of it may ever be taken for a lie. Seen to fail with silence, and with `absent`, recorded as wrong in `prove.ts`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UnreachableError } from '@commonhold/core'
import { isChallenge } from './harness/liars.ts'
import { type House, Village } from './harness/village.ts'
import type { Twist } from './harness/wires.ts'

const minuteMs = 60_000
const proofsMin = 10_000
const objects = 90

test(`${proofsMin} proofs among honest keepers in bad weather: nobody is accused`, async (t) => {
  const village = await Village.of(6, 51, {
    keeping: {
      presenceIntervalMs: 5 * minuteMs,
      tickMs: minuteMs,
      // A month in an hour.
      proofEveryMs: 36 * minuteMs,
      proofAgeMsMax: 60 * minuteMs,
      proofGatherMs: 5 * minuteMs,
      proofRetryMs: 2 * minuteMs,
      proofSettleMs: minuteMs,
      // So little that they are often busy.
      answerConcurrency: 2,
      answerBytesPerSecondMax: 8192,
      answerBurstBytesMax: 65_536,
      proofObjectsMax: 16
    },
    sync: { syncIntervalMs: 5 * minuteMs }
  })
  // Keepers die between a promise and a removal: what is left then is watched in other tests.
  village.mayDrop = () => true
  const chance = (share: number): boolean => village.random.unit() < share
  const oneOf = <T>(all: readonly T[]): T => {
    const one = all[Math.floor(village.random.unit() * all.length)]
    assert.ok(one !== undefined)
    return one
  }
  const faults = { died: 0, cut: 0, truncated: 0, late: 0, slept: 0, clock: 0, spare: 0, released: 0 }
  const dead = new Set<House>()
  const flaky = (house: House): Twist => {
    return async (from, message, honest) => {
      if (!isChallenge(message) || chance(0.7)) return await honest(from, message)
      if (dead.size === 0 && chance(0.1)) {
        faults.died++
        dead.add(house)
        void honest(from, message).catch(() => {
          // Nobody is left to answer.
        })
        await village.clock.sleep(village.random.unit() * 200)
        house.kill()
        throw new UnreachableError('the connection was reset')
      }
      const answer = await honest(from, message)
      switch (oneOf(['late', 'truncated', 'cut', 'well'] as const)) {
        case 'late':
          faults.late++
          await village.clock.sleep(village.random.unit() * 2 * minuteMs)
          break
        case 'truncated':
          faults.truncated++
          return answer.slice(0, Math.floor(village.random.unit() * answer.length))
        case 'cut':
          faults.cut++
          throw new UnreachableError('the connection was reset')
        case 'well':
          break
      }
      return answer
    }
  }
  for (const house of village.nodes) {
    village.wires.twists.set(house.id, flaky(house))
    house.disk.work = () => village.clock.sleep(village.random.unit() * 300)
  }
  for (let i = 0; i < objects; i++) {
    await oneOf(village.nodes.filter(({ alive }) => alive)).put(`object ${i}`)
    for (const house of dead) await house.restart()
    dead.clear()
  }
  let seen = await verdicts(village)
  while (seen.right < proofsMin) {
    const house = oneOf(village.nodes)
    const root = oneOf(village.roots)
    if (house.alive) {
      if (chance(0.2)) {
        faults.slept++
        village.wires.stop(house.id)
      }
      if (chance(0.3)) {
        faults.clock++
        house.wallSkewMs = (village.random.unit() - 0.5) * 12 * 60 * minuteMs
      }
      const [holder] = village.holdingHouses(root)
      if (holder !== undefined && !house.disk.trulyHolds(root)) {
        faults.spare++
        house.disk.put(holder.disk.bytesOf(root), 'repair')
        await house.pool.reconsider([root])
      } else if (village.holders(root).size > 3) {
        const others = village.holdingHouses(root).filter((other) => other !== house)
        const outcome = house.pool.releaseNow(
          root,
          others.map(({ id }) => id)
        )
        outcome.then(
          (what) => {
            if (what === 'released') faults.released++
          },
          () => {
            // It died meanwhile.
          }
        )
      }
    }
    await village.run((2 + village.random.unit() * 6) * minuteMs)
    village.wires.resume(house.id)
    // Away for longer than repairs wait, now and then.
    if (chance(0.5)) {
      for (const one of dead) await one.restart()
      dead.clear()
    }
    seen = await verdicts(village)
    assert.deepEqual([seen.wrong, seen.suspects], [0, 0], `seed ${village.seed}`)
  }
  const { right, silent, busy, absent } = seen
  t.diagnostic(
    `${right} right, 0 wrong, ${silent} silent, ${busy} busy, ${absent} absent; ${JSON.stringify(faults)}`
  )
  for (const [fault, times] of Object.entries(faults)) assert.ok(times > 0, `no ${fault} was tried`)
  await village.close()
})

interface Verdicts {
  right: number
  wrong: number
  silent: number
  busy: number
  absent: number
  suspects: number
}

/** What all that run now have on record about all. */
async function verdicts(village: Village): Promise<Verdicts> {
  const sum: Verdicts = { right: 0, wrong: 0, silent: 0, busy: 0, absent: 0, suspects: 0 }
  for (const house of village.nodes.filter(({ alive }) => alive)) {
    for (const other of village.nodes) {
      if (other === house) continue
      const record = await house.pool.keeperRecord(other.id)
      sum.right += record.right
      sum.wrong += record.wrong
      sum.silent += record.silent
      sum.busy += record.busy
      sum.absent += record.absent
      sum.suspects += record.suspectGroups
    }
  }
  return sum
}
