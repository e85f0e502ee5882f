// `npm run bench traffic`: bytes each member sends and receives per day to stay a member that knows how things
// stand, in pools of 10 to 10,000 members and of one and ten million pins. Every message is made by the
// production code (questions through two dialogues over a wire that counts), at the production intervals;
// only how often they are due is arithmetic. What grows with the pins (proofs) or with how many are made and
// lapse (journals, and reports of changes) is apart from what every member costs every other.

import { createHash } from 'node:crypto'
import {
  encodeRecord,
  nodeIdOf,
  operatorIdOf,
  rawCidOf,
  seededRandom,
  signingKeyFromSeed,
  signRecord,
  toHex
} from '@commonhold/core'
import { keepingDefaults, type Member, type RequestType } from '@commonhold/pinning'
import { greetRequest, type Standing } from '../../packages/pinning/src/census/presence.ts'
import { type Report, reportRequest, writeGroup } from '../../packages/pinning/src/census/report.ts'
import { sealBatch, sha256, signOpening } from '../../packages/pinning/src/journal/journal-records.ts'
import {
  type Announcement,
  batchesRequest,
  headsRequest,
  rosterEntriesRequest,
  rosterRequest
} from '../../packages/pinning/src/journal/sync-requests.ts'
import { answerRanges, compareNames, NameSet } from '../../packages/pinning/src/name-set.ts'
import { defaults } from '../../packages/pinning/src/options.ts'
import { RankedGroups } from '../../packages/pinning/src/plan/ranked-groups.ts'
import {
  challengeRequest,
  proofReceiptRecord,
  receiptsRequest
} from '../../packages/pinning/src/proof/challenge.ts'
import { rootKey } from '../../packages/pinning/src/root-key.ts'
import { consentTo, signRosterEntry } from '../../packages/pinning/src/roster/roster-entries.ts'
import { type BenchRow, reportBench } from './report.ts'
import { bytesOnWire } from './wire-bytes.ts'

const k = 12
const groups = 2 ** k
const copies = 3
const daySeconds = 86_400
const dayMs = 1000 * daySeconds
/** What happens besides: each member starts anew once a day, and every pin is a hundred days old on average. */
const startsPerDay = 1
const pinAgeDays = 100
/** Until an announced wish is known everywhere. */
const spreadSeconds = 2

const random = seededRandom(7)
const node = signingKeyFromSeed(random.bytes(32))
const operator = signingKeyFromSeed(random.bytes(32))
const poolId = random.bytes(32)
const storeEpoch = random.bytes(16)
const run = random.bytes(16)
const gib = 2 ** 30

const standing: Standing = {
  storeEpoch,
  run,
  reportSeq: 123_456,
  receiptSeq: 1_790_000_123_456,
  full: false,
  usedBytes: 612 * gib + 77,
  freeBytes: 388 * gib - 77,
  capacityBytes: 1000 * gib
}

const rows: BenchRow[] = []
for (const pins of [1_000_000, 10_000_000]) {
  for (const members of [10, 100, 1000, 10_000]) {
    const day = await perDay(members, pins)
    const title = `${members.toLocaleString('en-US')} members, ${pins / 1e6} M pins`
    for (const [what, bytes] of Object.entries(day)) {
      rows.push({ what: `${title}: ${what}`, value: bytes / 2 ** 20, unit: 'MiB/day' })
    }
  }
}
await reportBench(
  'Traffic per member',
  rows,
  `Sent and received together. Membership: greetings, rosters compared, delegations renewed. Reports: every member starts anew once a day and is then read in full by all. Changes, journals: ${pinAgeDays}-day pins, each told by its author and in the reports of its ${copies} keepers, and read by everybody; heads compared. Proofs: two challenges of each copy per ${keepingDefaults.proofEveryMs / dayMs} days among holders, their receipts read by everybody. DHT, connections, what gossip sends twice and the copies themselves are not in it.`
)

interface PerDay {
  readonly membership: number
  readonly reports: number
  readonly 'reports of changes': number
  readonly journals: number
  readonly proofs: number
}

async function perDay(members: number, pins: number): Promise<PerDay> {
  const others = members - 1
  const greeting = await bytesOf(greetRequest, standing, standing)
  const near = neighbours(members)
  const nearRate = dayMs / keepingDefaults.presenceIntervalMs
  const far = others - near
  const farRate = Math.min(
    nearRate,
    far === 0 ? 0 : (keepingDefaults.presenceFarPerSecondMax * daySeconds) / far
  )
  const greetings = (near * nearRate + far * farRate) * greeting

  // Groups in which it holds something: all it is placed for, in the short form.
  const held = Math.min(groups, Math.ceil((groups * copies) / members))
  const reading = (count: number): Promise<number> =>
    bytesOf(reportRequest, { run, after: 0, explicit: [] }, groupsReport(count, pins))

  // Each pin, when it is made and when it lapses, changes the report of each of its keepers; changes between
  // two greetings are read together.
  const changesOfOne = ((pins / pinAgeDays) * 2 * copies) / members
  const changesRead = async (from: number, rate: number): Promise<number> => {
    if (from === 0) return 0
    const reads = Math.min(rate, changesOfOne)
    return from * 2 * reads * (await reading(Math.max(1, Math.round(Math.min(held, changesOfOne / reads)))))
  }

  const turns = (dayMs / defaults.syncIntervalMs) * defaults.syncPeers * 2
  const roster = setOf(2 * members)
  const rostersAlike = await comparison(rosterRequest, roster, 0)
  // Two delegations of each in their life, each fetched once by everybody who then compares.
  const entry = await bytesOf(
    rosterEntriesRequest,
    { hashes: [random.bytes(32)] },
    { entries: [rosterEntry()] }
  )
  const renewal = (await comparison(rosterRequest, roster, 1)) + entry
  const renewalsPerDay = (others * dayMs) / (defaults.delegationLifeMs / 2)

  const heads = setOf(members)
  const pinsPerDay = pins / pinAgeDays
  // Wishes on their way when two compare: they differ in these.
  const onTheirWay = (2 * pinsPerDay * spreadSeconds) / daySeconds
  const headsAlike = await comparison(headsRequest, heads, 0)
  const headsApart = await comparison(headsRequest, heads, Math.max(1, Math.round(onTheirWay)))
  const alike = Math.exp(-onTheirWay)
  const headsBytes = turns * (alike * headsAlike + (1 - alike) * headsApart)

  const objects = keepingDefaults.proofObjectsMax
  const roots = Array.from({ length: objects }, (_, i) => rootOfNumber(i))
  const challenge = await bytesOf(
    challengeRequest,
    { nonce: random.bytes(32), roots, hold: false },
    {
      storeEpoch,
      answers: roots.map(() => ({ kind: 'proof' as const, digest: random.bytes(32), held: false }))
    }
  )
  const proofsPerDay =
    (pins * copies * keepingDefaults.challengersPerCopy * dayMs) / keepingDefaults.proofEveryMs
  const challengesPerMember = (proofsPerDay / objects / members) * 2
  const receipt = signRecord(
    proofReceiptRecord,
    {
      pool: poolId,
      keeper: nodeIdOf(node.publicKey),
      storeEpoch,
      roots,
      right: true,
      seq: 1_790_000_123_456,
      expiresMs: 1_792_000_000_000
    },
    node
  ).bytes
  const page = 16
  const receipts =
    (await bytesOf(
      receiptsRequest,
      { after: 1 },
      { receipts: Array.from({ length: page }, () => receipt), upTo: 2, more: false }
    )) / page
  // Everybody reads all receipts of all others, and is read.
  const receiptBytes = (proofsPerDay / objects) * receipts * ((2 * others) / members)

  return {
    membership: greetings + turns * rostersAlike + 2 * renewalsPerDay * renewal,
    reports: others * startsPerDay * 2 * (await reading(held)),
    'reports of changes': (await changesRead(near, nearRate)) + (await changesRead(far, farRate)),
    journals: headsBytes + 2 * 2 * pinsPerDay * (await bytesPerChange()),
    proofs: challengesPerMember * challenge + receiptBytes
  }
}

/** How many bytes two sets of this size cost to compare that differ in so many names. */
async function comparison(
  type: typeof headsRequest,
  theirs: readonly string[],
  differences: number
): Promise<number> {
  const ours = [
    ...theirs.slice(differences),
    ...Array.from({ length: differences }, () => toHex(random.bytes(32)))
  ]
  const other = new NameSet(theirs)
  let bytes = 0
  await compareNames(new NameSet(ours), async (ranges) => {
    const answer = { ranges: answerRanges(other, ranges) }
    bytes += await bytesOf(type, { ranges }, answer)
    return answer.ranges
  })
  return bytes
}

function setOf(size: number): string[] {
  return Array.from({ length: size }, () => toHex(random.bytes(32)))
}

/** With whom one greets at the full rate, on average of some members. */
function neighbours(members: number): number {
  if (members <= keepingDefaults.nearMembersMax) return members - 1
  const ranked = new RankedGroups(poolId, k)
  const all = Array.from({ length: members }, (): Member => {
    const id = random.bytes(32)
    return {
      node: nodeIdOf(id),
      operator: operatorIdOf(id),
      class: 'server',
      capacityBytes: 1000 * gib,
      counted: true
    }
  })
  ranked.update(all)
  const counts = all
    .slice(0, 1)
    .map(({ node: id }) => ranked.neighbours(id, keepingDefaults.nearPlaces, groups).size)
  for (let i = 1; i < 20; i++) {
    const near = new Set<string>()
    for (let group = 0; group < groups; group++) {
      const first = ranked.of(group).slice(0, keepingDefaults.nearPlaces)
      if (first.some((member) => member.node === all[i]?.node))
        for (const member of first) near.add(member.node)
    }
    counts.push(Math.max(0, near.size - 1))
  }
  return counts.reduce((sum, count) => sum + count, 0) / counts.length
}

/** By a keeper that holds all it is placed for less one per group, as a real one does now and then. */
function groupsReport(count: number, pins: number): Report {
  const perGroup = Math.max(1, Math.round(pins / groups))
  const wanted = Array.from({ length: Math.min(perGroup, 50) }, (_, i) => ({
    key: rootKey(rootOfNumber(i)),
    copiesMin: copies
  }))
  const keys = wanted.map(({ key }) => key).sort(Buffer.compare)
  const told = writeGroup(1, wanted, keys.slice(1))
  return { storeEpoch, run, seq: count, more: false, groups: Array.from({ length: count }, () => told) }
}

function rootOfNumber(i: number): ReturnType<typeof rawCidOf> {
  return rawCidOf(new Uint8Array(createHash('sha256').update(`traffic ${i}`).digest()))
}

function rosterEntry(): Uint8Array {
  const act = {
    is: 'delegate' as const,
    node: node.publicKey,
    class: 'server' as const,
    capacityBytes: 1000 * gib,
    zone: 'eu-central',
    expiresAt: 1_800_000_000_000,
    consent: consentTo(poolId, operator.publicKey, node)
  }
  return signRosterEntry({ pool: poolId, seq: 9, act }, operator).bytes
}

/** One pin in a batch of its own, as an upload makes it: announced, then asked for. */
async function bytesPerChange(): Promise<number> {
  const root = rootOfNumber(1)
  const wish = { root, size: 123_456, copiesMin: copies, visibility: 'public' as const }
  const place = { journal: sha256(poolId), seq: 40_000, prev: random.bytes(32) }
  const batch = sealBatch(place, [{ kind: 'pin', wish }], k, node)
  const body = { pool: poolId, operator: operator.publicKey, node: node.publicKey, imports: [] }
  const opening = signOpening({ ...body, nonce: random.bytes(16) }, node)
  const head: [Uint8Array, number, Uint8Array] = [batch.journal, batch.seq, batch.hash]
  const said = encodeRecord({ heads: [head], roster: sha256(poolId) } satisfies Announcement)
  const have = Array.from({ length: 18 }, () => random.bytes(32))
  const asked = await bytesOf(
    batchesRequest,
    { journal: batch.journal, have },
    { opening: opening.bytes, batches: [batch.bytes], more: false }
  )
  return said.length + asked
}

/** Question and answer together. */
async function bytesOf<Q, A>(type: RequestType<Q, A>, question: Q, answer: A): Promise<number> {
  const [asked, answered] = await bytesOnWire(type, question, answer)
  return asked + answered
}
