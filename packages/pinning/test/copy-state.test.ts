// What makes a copy proven: seen to fail when an own proof, however old, came before the receipts of others (found by
// the simulator: members that were challengers a month ago took sound copies for claims, and planned more).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type CopyRow, type CopyView, claimed, copyOf, type WordRow } from '../src/census/copy-state.ts'

const dayMs = 86_400_000
const nowMs = 100 * dayMs
const root = new Uint8Array(32)

const view: CopyView = {
  nowMs,
  wallMs: nowMs,
  proofAgeMsMax: 30 * dayMs,
  countedOperators: 9,
  member: (node) => ({ operator: `operator of ${node}`, counted: true, class: 'server' }),
  isCounted: () => true,
  awayMs: () => 0,
  reachableSinceMs: () => 0,
  storeEpochOf: () => undefined,
  suspicionOf: () => undefined
}

function row(change: Partial<CopyRow> = {}): CopyRow {
  return { ...claimed(root, 'keeper', 0, nowMs - 50 * dayMs), ...change }
}

function word(challenger: string, daysAgo: number): WordRow {
  const receivedMs = nowMs - daysAgo * dayMs
  return {
    root,
    keeper: 'keeper',
    challenger,
    store_epoch: root,
    seq: 1,
    received_ms: receivedMs,
    expires_wall_ms: receivedMs + 30 * dayMs
  }
}

test('a copy is proven by ourselves or by two others, whichever is younger', () => {
  const state = (own: number | null, ...words: WordRow[]): unknown =>
    copyOf(row({ proven_ms: own === null ? null : nowMs - own * dayMs }), words, view)?.state
  assert.deepEqual(state(3), { kind: 'proven', ageMs: 3 * dayMs })
  assert.deepEqual(state(null, word('a', 2), word('b', 5)), { kind: 'proven', ageMs: 5 * dayMs })
  assert.deepEqual(state(31, word('a', 2), word('b', 5)), { kind: 'proven', ageMs: 5 * dayMs })
  assert.deepEqual(state(3, word('a', 2), word('b', 5)), { kind: 'proven', ageMs: 3 * dayMs })
  // One word is none, and a lapsed proof is a claim since it lapsed.
  assert.deepEqual(state(31, word('a', 2)), { kind: 'claimed', forMs: dayMs })
})
