// `npm run bench ranking`: ten thousand members, 4,096 groups: every group ranked from nothing, a member that
// joins and one that leaves taken in everywhere, and what that holds in memory. Beside it what evaluating the
// roster's entries anew costs, which comes before on every change of it.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nodeIdOf, operatorIdOf, seededRandom, signingKeyFromSeed } from '@commonhold/core'
import { foundPool, type Member } from '@commonhold/pinning'
import { RankedGroups } from '../../packages/pinning/src/ranked-groups.ts'
import {
  consentTo,
  openRosterEntry,
  signRosterEntry
} from '../../packages/pinning/src/roster/roster-entries.ts'
import { evaluateRoster } from '../../packages/pinning/src/roster/roster-state.ts'
import { median, reportBench } from './report.ts'

const members = 10_000
const k = 12
const rounds = 5
const gib = 2 ** 30

const random = seededRandom(1)
const poolId = random.bytes(32)
const member = (i: number): Member => ({
  node: nodeIdOf(random.bytes(32)),
  operator: operatorIdOf(random.bytes(32)),
  class: 'server',
  capacityBytes: (1 + (i % 40)) * 50 * gib,
  counted: true,
  ...(i % 3 === 0 ? { zone: `zone ${i % 60}` } : {})
})
const all = Array.from({ length: members }, (_, i) => member(i))

const groups = new RankedGroups(poolId, k)
const before = heapBytes()
const coldMs = msOf(() => {
  groups.update(all)
  rankAll()
})
const held = heapBytes() - before
const joins: number[] = []
const leaves: number[] = []
let now = all
for (let round = 0; round < rounds; round++) {
  const more = [...now, member(round)]
  joins.push(msOf(() => update(more)))
  const fewer = more.filter((_, i) => i !== round * 17)
  leaves.push(msOf(() => update(fewer)))
  now = fewer
}
const rosterMs = await evaluation()
await reportBench('Ranking: 10,000 members, 4,096 groups', [
  { what: 'every group, cold', value: coldMs, unit: 'ms', against: { what: 'goal', value: 10_000 } },
  {
    what: 'a member joins: all groups again',
    value: median(joins),
    unit: 'ms',
    against: { what: 'goal', value: 100 }
  },
  {
    what: 'a member leaves: all groups again',
    value: median(leaves),
    unit: 'ms',
    against: { what: 'goal', value: 100 }
  },
  { what: 'memory of it', value: held / 2 ** 20, unit: 'MiB' },
  { what: 'evaluate the roster anew (20,000 entries)', value: rosterMs, unit: 'ms' }
])

function rankAll(): void {
  for (let group = 0; group < 2 ** k; group++) groups.of(group)
}

/** As planning sees it: taken in, and every group asked for once. */
function update(next: readonly Member[]): void {
  groups.update(next)
  rankAll()
}

function msOf(work: () => void): number {
  const startMs = performance.now()
  work()
  return performance.now() - startMs
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

/** Join and delegation of ten thousand operators. */
async function evaluation(): Promise<number> {
  const { genesis } = foundPool(signingKeyFromSeed(random.bytes(32)), random, { name: 'many' })
  const entries = all.flatMap((_, i) => {
    const node = signingKeyFromSeed(random.bytes(32))
    const operator = signingKeyFromSeed(random.bytes(32))
    const pool = genesis.hash
    const delegation = {
      is: 'delegate' as const,
      node: node.publicKey,
      class: 'server' as const,
      capacityBytes: (1 + (i % 40)) * 50 * gib,
      zone: null,
      expiresAt: 2_000_000_000_000,
      consent: consentTo(pool, operator.publicKey, node)
    }
    return [
      signRosterEntry({ pool, seq: 1, act: { is: 'join', domain: null } }, operator),
      signRosterEntry({ pool, seq: 2, act: delegation }, operator)
    ].map(({ bytes }) => openRosterEntry(pool, bytes))
  })
  return msOf(() => evaluateRoster(genesis, entries))
}
