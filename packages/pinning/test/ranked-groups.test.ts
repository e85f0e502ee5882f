// Kept places are always those of a ranking anew, whatever came and went between. Seen to fail with the
// comparison against the last place taken away, with a group kept that had become too short, with a list kept
// whose places had changed, and with the second node of an operator forgotten.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeIdOf, operatorIdOf, type Random, seededRandom } from '@commonhold/core'
import { placesMax, RankedGroups } from '../src/ranked-groups.ts'
import { Ranking } from '../src/ranking.ts'
import type { Member } from '../src/roster/member.ts'

const k = 3
const gib = 2 ** 30

function newcomer(random: Random, members: readonly Member[]): Member {
  const of = random.unit() < 0.2 ? members[Math.floor(random.unit() * members.length)] : undefined
  return {
    node: nodeIdOf(random.bytes(32)),
    operator: of?.operator ?? operatorIdOf(random.bytes(32)),
    class: random.unit() < 0.5 ? 'server' : 'home',
    capacityBytes: Math.floor(random.unit() * 10) * 100 * gib,
    counted: of?.counted ?? random.unit() < 0.9,
    ...(random.unit() < 0.5 ? { zone: `zone ${Math.floor(random.unit() * 5)}` } : {})
  }
}

for (const [size, seed] of [
  [5, 1],
  [placesMax, 2],
  [150, 3],
  [400, 4]
] as const) {
  test(`first places of about ${size} operators, through many changes (seed ${seed})`, () => {
    const random = seededRandom(seed)
    const poolId = random.bytes(32)
    let members: Member[] = []
    for (let i = 0; i < size; i++) members.push(newcomer(random, members))
    const groups = new RankedGroups(poolId, k)
    groups.update(members)
    for (let change = 0; change < 150; change++) {
      const dice = random.unit()
      // Who leaves is somebody's first: spares run out, and places that were never kept come up.
      const [first] = groups.of(change % 2 ** k)
      const at = members.findIndex((one) => one.node === first?.node)
      if (dice < 0.3) members.push(newcomer(random, members))
      else if (dice < 0.9) members = members.filter((_, i) => i !== at)
      else
        members = members.map((one, i) => (i === at ? { ...one, capacityBytes: one.capacityBytes * 2 } : one))
      groups.update(members)
      const anew = new Ranking(poolId, members)
      for (let group = 0; group < 2 ** k; group++) {
        const expected = anew.of(group).counted.slice(0, placesMax)
        assert.deepEqual(
          groups.of(group).map((one) => one.node),
          expected.map((one) => one.node),
          `group ${group} after change ${change}`
        )
      }
    }
  })
}
