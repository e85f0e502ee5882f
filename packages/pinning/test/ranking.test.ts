// Placement is agreed without a word: the vectors hold for every implementation; the properties say what a
// change of members may cost.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fromHex, nodeIdOf, operatorIdOf, type Random, seededRandom } from '@commonhold/core'
import fc from 'fast-check'
import { log2Table, negativeLog2 } from '../src/plan/log-table.ts'
import { draw, groupOf, Ranking, rank } from '../src/plan/ranking.ts'
import { rootOfKey } from '../src/root-key.ts'
import type { Member } from '../src/roster/member.ts'

const GiB = 2 ** 30

function member(random: Random, changes: Partial<Member> = {}): Member {
  return {
    node: nodeIdOf(random.bytes(32)),
    operator: operatorIdOf(random.bytes(32)),
    class: 'server',
    capacityBytes: 100 * GiB,
    counted: true,
    ...changes
  }
}

function pool(
  seed: number,
  size: number,
  changes: (i: number) => Partial<Member> = () => ({})
): [Uint8Array, Member[]] {
  const random = seededRandom(seed)
  return [random.bytes(32), Array.from({ length: size }, (_, i) => member(random, changes(i)))]
}

interface RankingVectors {
  readonly tableSha256: string
  readonly logs: { readonly draw: number; readonly negativeLog2: number }[]
  readonly draws: { readonly seed: [number, number, number]; readonly group: number; readonly draw: number }[]
  readonly pool: string
  readonly members: Member[]
  readonly rankings: { readonly group: number; readonly counted: string[]; readonly volunteers: string[] }[]
}

test('the vectors of docs/protocol/ranking.md', () => {
  const url = new URL('../../../test/vectors/ranking.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(url, 'utf8')) as RankingVectors
  const table = createHash('sha256')
    .update([...log2Table()].join('\n'))
    .digest('hex')
  assert.equal(table, vectors.tableSha256)
  for (const v of vectors.logs) assert.equal(negativeLog2(v.draw), v.negativeLog2)
  for (const v of vectors.draws) assert.equal(draw(...v.seed, v.group), v.draw)
  const ranking = new Ranking(fromHex(vectors.pool), vectors.members)
  for (const v of vectors.rankings) {
    const { counted, volunteers } = ranking.of(v.group)
    assert.deepEqual(
      counted.map((m) => m.node),
      v.counted
    )
    assert.deepEqual(
      volunteers.map((m) => m.node),
      v.volunteers
    )
  }
})

test('the integer logarithm follows the real one within the error of its straight lines', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (d) => {
      const real = -Math.log2((2 * d + 1) / 2 ** 33) * 2 ** 40
      // log2(e) / 8 / 1024² of a step, and a unit of rounding.
      assert.ok(Math.abs(negativeLog2(d) - real) <= 1.8e-7 * 2 ** 40 + 2)
      assert.ok(Number.isSafeInteger(negativeLog2(d)) && negativeLog2(d) >= 1)
      if (d > 0) assert.ok(negativeLog2(d) <= negativeLog2(d - 1), 'falls as the draw rises')
    }),
    { numRuns: 3000 }
  )
})

test('a ranking is a total order of the operators, whatever the order of the members', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), fc.nat(4095), (seed, size, group) => {
      const [id, members] = pool(seed, size, (i) => ({
        counted: i % 5 !== 4,
        capacityBytes: (i % 7) * GiB,
        ...(i % 3 === 0 ? { zone: `z${i % 4}` } : {})
      }))
      const twins = members.map((one, i) => ({
        ...one,
        operator: members[i - (i % 2)]?.operator ?? one.operator
      }))
      const ranked = rank(id, group, twins)
      assert.deepEqual(rank(id, group, [...twins].reverse()), ranked)
      for (const [list, counted] of [
        [ranked.counted, true],
        [ranked.volunteers, false]
      ] as const) {
        const keepers = twins.filter((m) => m.counted === counted && m.capacityBytes > 0)
        assert.deepEqual(
          list.map((m) => m.operator).sort(),
          [...new Set(keepers.map((m) => m.operator))].sort(),
          'each operator once'
        )
      }
    }),
    { numRuns: 200 }
  )
})

test('who leaves or comes moves only its own share', () => {
  const [id, members] = pool(5, 60, (i) => ({ capacityBytes: (40 + i) * GiB }))
  const [gone, ...rest] = members
  assert.ok(gone)
  const before = new Ranking(id, members)
  const after = new Ranking(id, rest)
  for (let group = 0; group < 512; group++) {
    const expected: Member[] = before.of(group).counted.filter((m) => m.node !== gone.node)
    assert.deepEqual(after.of(group).counted, expected)
  }
})

test('shares follow capacity, and nobody carries more than four medians', () => {
  const [id, members] = pool(6, 40, (i) => ({
    capacityBytes: i === 0 ? 10_000 * GiB : i < 20 ? 200 * GiB : 100 * GiB
  }))
  const ranking = new Ranking(id, members)
  const held = new Map<string, number>()
  for (let group = 0; group < 4096; group++) {
    for (const m of ranking.of(group).counted.slice(0, 3)) held.set(m.node, (held.get(m.node) ?? 0) + 1)
  }
  const share = (from: number, to: number): number =>
    members.slice(from, to).reduce((sum, m) => sum + (held.get(m.node) ?? 0), 0) / (to - from)
  const [giant, large, small] = [share(0, 1), share(1, 20), share(20, 40)]
  assert.ok(large / small > 1.7 && large / small < 2.3, `twice the capacity, ${large / small} of the groups`)
  // The median is 100 GiB; three places of a group cannot hold one member twice, so a little less than four.
  assert.ok(
    giant / small > 3 && giant / small < 4.5,
    `capped at four medians, has ${giant / small} small shares`
  )
  for (const m of members.slice(20)) {
    const own = held.get(m.node) ?? 0
    assert.ok(own > small * 0.7 && own < small * 1.3, `${own} groups, ${small} on average`)
  }
})

test('a thousand volunteers take no place from those who count', () => {
  const [id, members] = pool(7, 10)
  const volunteers = pool(8, 1000, () => ({ counted: false, capacityBytes: 1e15 }))[1]
  for (let group = 0; group < 20; group++) {
    const with_ = rank(id, group, [...members, ...volunteers])
    assert.deepEqual(with_.counted, rank(id, group, members).counted)
    assert.equal(with_.volunteers.length, 1000)
  }
})

test('copies are spread over zones, and a lone member of a zone is not buried by it', () => {
  const [id, members] = pool(9, 40, (i) => ({ zone: i === 0 ? 'island' : `z${i % 3}` }))
  const ranking = new Ranking(id, members)
  let apart = 0
  let island = 0
  for (let group = 0; group < 1024; group++) {
    const first = ranking.of(group).counted.slice(0, 3)
    if (new Set(first.map((m) => m.zone)).size === 3) apart++
    if (first.some((m) => m.zone === 'island')) island++
  }
  // By chance alone 22 of 100; the rest are groups whose next four were all in the two zones.
  assert.ok(apart > 1024 * 0.85, `${apart} of 1024 groups have three zones`)
  const fair = (1024 * 3) / 40
  assert.ok(island < fair * 4, `the island holds ${island}, its fair share is ${fair}`)
})

test('groups follow the first bits of the digest', () => {
  const key = new Uint8Array(33).fill(0)
  key.set([0b1010_1100, 0b1111_0000])
  key[32] = 0x55
  assert.equal(groupOf(rootOfKey(key), 4), 0b1010)
  assert.equal(groupOf(rootOfKey(key), 12), 0b1010_1100_1111)
  assert.equal(groupOf(rootOfKey(key), 16), 0b1010_1100_1111_0000)
})

test('ranking ten thousand members stays a matter of milliseconds', () => {
  const [id, members] = pool(10, 10_000, (i) => ({ capacityBytes: (1 + (i % 100)) * GiB }))
  const ranking = new Ranking(id, members)
  for (let group = 0; group < 5; group++) ranking.of(group)
  const cpu = process.cpuUsage()
  for (let group = 0; group < 10; group++) ranking.of(group)
  const each = process.cpuUsage(cpu).user / 1000 / 10
  // Measured 5 ms; an order of magnitude is a change of algorithm, not a busy machine.
  assert.ok(each < 50, `${each} ms of processor time per group`)
})
