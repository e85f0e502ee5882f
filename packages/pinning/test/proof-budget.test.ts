// What proofs may cost, on both sides.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { type KeepingOptions, keepingDefaults } from '../src/keep/keeping-options.ts'
import type { KeepingParts } from '../src/keep/keeping-parts.ts'
import { AnswerBudget } from '../src/proof/answer-budget.ts'
import { ChallengeQueue } from '../src/proof/challenge-queue.ts'
import { rootFor } from './harness/disk.ts'

const mebibyte = 2 ** 20

test('one challenger cannot use up what is there for all, however many nodes it runs', async () => {
  const clock = new VirtualClock()
  const budget = new AnswerBudget(clock, keepingDefaults)
  let greedy = 0
  for (let i = 0; i < 10_000; i++) {
    const end = budget.begin('greedy', 10 * mebibyte)
    if (end === undefined) break
    greedy += 10
    end()
  }
  assert.ok(greedy >= 500 && greedy <= 530, `${greedy} MiB at once, half of the burst`)
  const end = budget.begin('modest', 10 * mebibyte)
  assert.ok(end, 'another operator is answered')
  end()
  assert.equal(budget.begin('greedy', 1), undefined)
  await clock.advance(1000)
  budget.begin('greedy', 1)?.()
  assert.ok(budget.begin('greedy', 1), 'paid off after a while')
})

test('at once: an operator has half of the places, and one large reading runs at a time', () => {
  const budget = new AnswerBudget(new VirtualClock(), keepingDefaults)
  const ends = [budget.begin('a', 1), budget.begin('a', 1), budget.begin('a', 1)]
  assert.deepEqual(ends.map(Boolean), [true, true, false])
  assert.ok(budget.begin('b', 16 * mebibyte))
  assert.equal(budget.begin('c', 16 * mebibyte), undefined)
  assert.ok(budget.begin('c', 1))
  assert.equal(budget.begin('d', 1), undefined, 'all four places are taken')
})

test('an object larger than any burst is answered, and its debt is the asker’s, not everybody’s', async () => {
  const clock = new VirtualClock()
  const budget = new AnswerBudget(clock, keepingDefaults)
  budget.begin('film', 100 * 1024 * mebibyte)?.()
  await clock.advance(17_000)
  assert.ok(budget.begin('other', mebibyte), 'the others wait 16 seconds at most')
  assert.equal(budget.begin('film', 1), undefined)
  await clock.advance((100 * 1024 * 1000) / 32)
  assert.ok(budget.begin('film', 1))
})

function queueOf(options: Partial<KeepingOptions> = {}) {
  const clock = new VirtualClock()
  const sent: { keeper: string; roots: readonly CID[]; done: () => void }[] = []
  const parts = {
    components: { clock, log: { warn: () => {} } },
    options: { ...keepingDefaults, ...options },
    time: { nowMs: () => clock.monotonicMs() }
  } as unknown as KeepingParts
  const queue = new ChallengeQueue(parts, {
    isPending: () => false,
    challenge: (keeper, roots) =>
      new Promise((resolve) => {
        sent.push({ keeper, roots, done: resolve })
      })
  })
  return { clock, queue, sent }
}

function root(i: number): CID {
  return rootFor(Uint8Array.of(i & 255, i >> 8))
}

test('longest due first, many objects of one keeper in one question, one question at a time', async () => {
  const { clock, queue, sent } = queueOf({ proofObjectsMax: 3 })
  for (let i = 0; i < 5; i++) queue.want('young', { root: root(i), bytes: 10, overdueMs: i, mayWait: false })
  queue.want('old', { root: root(9), bytes: 10, overdueMs: 99, mayWait: false })
  queue.send()
  assert.deepEqual(
    sent.map(({ keeper, roots }) => [keeper, roots.map(String)]),
    [
      ['old', [root(9)].map(String)],
      ['young', [root(4), root(3), root(2)].map(String)]
    ]
  )
  queue.send()
  assert.equal(sent.length, 2, 'the rest waits for the answer')
  for (const { done } of sent) done()
  await clock.advance(1)
  queue.send()
  assert.deepEqual(sent[2]?.roots.map(String), [root(1), root(0)].map(String))
})

test('no more bytes per second than allowed; a larger object goes alone and is waited off', async () => {
  const { clock, queue, sent } = queueOf({ challengeBytesPerSecondMax: 100, challengeBurstBytesMax: 1000 })
  const large = keepingDefaults.challengeBytesMax + 1
  queue.want('a', { root: root(1), bytes: 600, overdueMs: 9, mayWait: false })
  queue.want('b', { root: root(2), bytes: 600, overdueMs: 8, mayWait: false })
  queue.want('c', { root: root(3), bytes: large, overdueMs: 7, mayWait: false })
  queue.want('c', { root: root(4), bytes: 1, overdueMs: 6, mayWait: false })
  queue.send()
  assert.deepEqual(
    sent.map(({ keeper }) => keeper),
    ['a', 'b']
  )
  await clock.advance(2100)
  queue.send()
  assert.deepEqual(
    sent.map(({ keeper }) => keeper),
    ['a', 'b', 'c']
  )
  assert.equal(sent[2]?.roots.length, 1)
})

test('the queue is bounded per keeper, and says what found no place', () => {
  const { queue } = queueOf({ challengesMax: 2 })
  const took = [1, 2, 3].map((i) =>
    queue.want('a', { root: root(i), bytes: 1, overdueMs: 0, mayWait: false })
  )
  assert.deepEqual(took, [true, true, false])
  assert.equal(
    queue.want('a', { root: root(1), bytes: 1, overdueMs: 0, mayWait: false }),
    true,
    'waiting already'
  )
})

// Seen to fail with everything sent at once, and with nothing sent before a question is full.
test('renewals wait for company: until a question is full, one is long due, or one cannot wait', async () => {
  const { clock, queue, sent } = queueOf({ proofObjectsMax: 3, proofGatherMs: 1000 })
  const due = (i: number, mayWait = true, bytes = 10): void => {
    queue.want('a', { root: root(i), bytes, overdueMs: 0, mayWait })
    queue.send()
  }
  const asked = async (): Promise<number> => {
    const { length } = sent.at(-1)?.roots ?? []
    for (const { done } of sent.splice(0)) done()
    await clock.advance(1)
    return length
  }
  due(1)
  due(2)
  assert.equal(await asked(), 0)
  due(3)
  assert.equal(await asked(), 3)
  due(4)
  await clock.advance(998)
  queue.send()
  assert.equal(await asked(), 0)
  await clock.advance(1)
  queue.send()
  assert.equal(await asked(), 1)
  due(5)
  due(6, false)
  assert.equal(await asked(), 2)
  due(7, true, keepingDefaults.proofTellBytesMin)
  assert.equal(await asked(), 1, 'a large one is asked about at once')
})
