// `npm run bench ranking`: ten thousand members, 4,096 groups: every group ranked from nothing, a member that
// joins and one that leaves taken in everywhere, and what that holds in memory. Before it comes the roster: its
// entries evaluated from nothing, and with one entry more.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { nodeIdOf, operatorIdOf, type Signed, seededRandom, signingKeyFromSeed } from '@commonhold/core'
import { foundPool, type Member } from '@commonhold/pinning'
import { RankedGroups } from '../../packages/pinning/src/plan/ranked-groups.ts'
import {
  consentTo,
  openRosterEntry,
  type RosterEntry,
  signRosterEntry
} from '../../packages/pinning/src/roster/roster-entries.ts'
import { RosterLedger } from '../../packages/pinning/src/roster/roster-ledger.ts'
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
const roster = evaluation()
await reportBench('Ranking: 10,000 members, 4,096 groups (processor time)', [
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
  { what: 'evaluate the roster from nothing (20,000 entries)', value: roster.coldMs, unit: 'ms' },
  {
    what: 'evaluate it with one entry more',
    value: roster.changeMs,
    unit: 'ms',
    against: { what: 'goal', value: 100 }
  }
])

function rankAll(): void {
  for (let group = 0; group < 2 ** k; group++) groups.of(group)
}

/** As planning sees it: taken in, and every group asked for once. */
function update(next: readonly Member[]): void {
  groups.update(next)
  rankAll()
}

/** Of the processor, helpers of V8 included: the time on the wall of a shared machine says little. */
function msOf(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function heapBytes(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

/** Join and delegation of ten thousand operators, then of one more, who changes his mind and leaves. */
function evaluation(): { coldMs: number; changeMs: number } {
  const { genesis } = foundPool(signingKeyFromSeed(random.bytes(32)), random, { name: 'many' })
  const pool = genesis.hash
  const joining = (i: number): Signed<RosterEntry>[] => {
    const node = signingKeyFromSeed(random.bytes(32))
    const operator = signingKeyFromSeed(random.bytes(32))
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
      signRosterEntry({ pool, seq: 2, act: delegation }, operator),
      signRosterEntry({ pool, seq: 3, act: { is: 'leave' } }, operator)
    ].map(({ bytes }) => openRosterEntry(pool, bytes))
  }
  const entries = all.flatMap((_, i) => joining(i).slice(0, 2))
  let ledger = new RosterLedger(genesis)
  const coldMs = msOf(() => {
    ledger = new RosterLedger(genesis, entries)
    ledger.state()
  })
  const changes: number[] = []
  for (const entry of Array.from({ length: rounds }, (_, i) => joining(i)).flat()) {
    changes.push(
      msOf(() => {
        ledger.apply(ledger.change([entry]))
        ledger.state()
        ledger.names.digest()
      })
    )
  }
  return { coldMs, changeMs: median(changes) }
}
