// `npm run bench proofs`: bytes of one proof between holders on the wire: its part of the question, of the answer
// and of the receipt, all encoded by the production code, with envelopes and frames. Then what that makes per
// member per day. In it: records, envelopes of the dialogue, frames of the stream, the page a receipt travels in.
// Not in it: yamux (12 bytes per message), TLS (22 per record), TCP.

import { createHash } from 'node:crypto'
import { nodeIdOf, rawCidOf, seededRandom, signingKeyFromSeed, signRecord } from '@commonhold/core'
import { keepingDefaults } from '@commonhold/pinning'
import {
  challengeRequest,
  proofReceiptRecord,
  receiptsRequest
} from '../../packages/pinning/src/proof/challenge.ts'
import { type BenchRow, reportBench } from './report.ts'
import { bytesOnWire } from './wire-bytes.ts'

const bytesGoal = 200
const copies = 3
const groups = 2 ** 12
const dayMs = 86_400_000
const random = seededRandom(11)
const challenger = signingKeyFromSeed(random.bytes(32))
const poolId = random.bytes(32)
const storeEpoch = random.bytes(16)

const rows: BenchRow[] = []
for (const objects of [1, 4, 8, 16, keepingDefaults.proofObjectsMax]) {
  const { question, answer, receipt } = await bytesPerProof(objects)
  rows.push({
    what: `${objects} in one question: ${Math.round(question)} asked + ${Math.round(answer)} answered + ${Math.round(receipt)} receipt`,
    value: question + answer + receipt,
    unit: 'bytes',
    against: { what: 'goal', value: bytesGoal },
    ratioGoal: 1
  })
}
const days = (keepingDefaults.proofEveryMs * (1 - keepingDefaults.proofSpreadShare / 2)) / dayMs
for (const pins of [1_000_000, 10_000_000]) {
  for (const members of [10, 100, 1000]) {
    const proofsPerDay = (pins * copies * keepingDefaults.challengersPerCopy) / days
    const proofs = proofsPerDay / members
    // Who challenges whom, and what falls due there while it is gathered.
    const pairs = Math.min(members * (members - 1), groups * copies * keepingDefaults.challengersPerCopy)
    const gathered = (proofsPerDay / pairs) * (keepingDefaults.proofGatherMs / dayMs)
    const objects = Math.max(1, Math.min(keepingDefaults.proofObjectsMax, Math.round(gathered)))
    const { question, answer, receipt } = await bytesPerProof(objects)
    // Made and answered by each member; each receipt told to all others and those of all others read.
    const told = 2 * (members - 1) * receipt * proofs
    const value = 2 * (question + answer) * proofs + told
    rows.push({
      what: `${members.toLocaleString('en-US')} members, ${pins / 1e6} M pins: per member, ${objects} in a question, receipts ${Math.round((100 * told) / value)} %`,
      value: value / 2 ** 20,
      unit: 'MiB/day'
    })
  }
}
await reportBench(
  'Bytes of a proof',
  rows,
  `Between holders, keyed digests, three copies, two challengers each, renewed every ${days.toFixed(2)} days on average, with what falls due at one keeper in ${keepingDefaults.proofGatherMs / 3_600_000} hours in one question. With record, envelope and frame; without yamux (12 bytes per message), TLS (22 per record) and TCP. A receipt is counted once per proof above, and once per reader in the figures per day: everybody reads all of them.`
)

interface Parts {
  readonly question: number
  readonly answer: number
  readonly receipt: number
}

async function bytesPerProof(objects: number): Promise<Parts> {
  const roots = Array.from({ length: objects }, (_, i) =>
    rawCidOf(new Uint8Array(createHash('sha256').update(`proof ${i}`).digest()))
  )
  const [question, answer] = await bytesOnWire(
    challengeRequest,
    { nonce: random.bytes(32), roots, hold: false },
    {
      storeEpoch,
      answers: roots.map(() => ({ kind: 'proof' as const, digest: random.bytes(32), held: false }))
    }
  )
  const { bytes } = signRecord(
    proofReceiptRecord,
    {
      pool: poolId,
      keeper: nodeIdOf(challenger.publicKey),
      storeEpoch,
      roots,
      right: true,
      seq: 1_790_000_123_456,
      expiresMs: 1_792_000_000_000
    },
    challenger
  )
  // A page of as many as come in a round of greetings of a busy member.
  const page = 16
  const receipts = Array.from({ length: page }, () => bytes)
  const [ask, told] = await bytesOnWire(receiptsRequest, { after: 1 }, { receipts, upTo: 2, more: false })
  return { question: question / objects, answer: answer / objects, receipt: (ask + told) / page / objects }
}
