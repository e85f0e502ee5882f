// The vectors of docs/protocol/{genesis,roster,journal,sync}.md: made again from the seeds and values they
// hold, byte for byte, and opened again from the bytes.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  decodeRecord,
  encodeRecord,
  fromHex,
  type Signed,
  type SigningKey,
  signingKeyFromSeed,
  signRecord,
  toHex
} from '@commonhold/core'
import { CID } from 'multiformats/cid'
import {
  type Change,
  openOpening,
  openSealed,
  sealBatch,
  signOpening
} from '../src/journal/journal-records.ts'
import { announcementRecord } from '../src/journal/sync-requests.ts'
import { rootKey } from '../src/root-key.ts'
import { type Charter, genesisRecord, openGenesis, printRecoveryKey } from '../src/roster/genesis.ts'
import {
  type Amend,
  charterId,
  consentTo,
  openRosterEntry,
  type RosterAct,
  signRosterEntry
} from '../src/roster/roster-entries.ts'
import { RosterLedger } from '../src/roster/roster-ledger.ts'

function key(number: number): SigningKey {
  return signingKeyFromSeed(new Uint8Array(32).fill(number))
}

const founder = key(1)
const other = key(2)
const node = key(3)
const recovery = key(4)

const charter: Charter = {
  administrators: [founder.publicKey],
  recovery: recovery.publicKey,
  policy: { copiesMin: 3, ackCopies: 2, admission: 'vouch', pinBytesMax: 2 ** 40 }
}
const genesis = signRecord(
  genesisRecord,
  { name: 'Friends of pictures', k: 12, charter, nonce: new Uint8Array(16).fill(7) },
  founder
)

function signedVector(one: Signed<unknown>): { signed: string; hash: string } {
  return { signed: toHex(one.bytes), hash: toHex(one.hash) }
}

function genesisVectors(): unknown {
  return {
    comment: 'docs/protocol/genesis.md. Keys are Ed25519 seeds of 32 equal bytes: founder 01, recovery 04.',
    genesis: { ...signedVector(genesis), payload: toHex(encodeRecord(genesis.body)) },
    recoveryKey: printRecoveryKey(new Uint8Array(32).fill(4))
  }
}

function rosterVectors(): unknown {
  const pool = genesis.hash
  const entry = (signer: SigningKey, seq: number, act: RosterAct): Signed<{ act: RosterAct }> =>
    signRosterEntry({ pool, seq, act }, signer)
  const delegation = entry(founder, 2, {
    is: 'delegate',
    node: node.publicKey,
    class: 'server',
    capacityBytes: 50_000_000_000,
    zone: 'eu-1',
    expiresAt: 1_800_000_000_000,
    consent: consentTo(pool, founder.publicKey, node)
  })
  const admit = entry(founder, 3, { is: 'admit', operator: other.publicKey, pinBytesMax: 1000, prev: null })
  const remove = entry(founder, 4, {
    is: 'remove',
    operator: other.publicKey,
    reason: 'gone',
    prev: admit.hash
  })
  const revoke = entry(founder, 5, { is: 'revoke', removal: remove.hash, prev: remove.hash })
  const administrators = [founder.publicKey, other.publicKey].sort(Buffer.compare)
  const amend: Amend = { is: 'amend', prev: pool, charter: { ...charter, administrators }, leaving: [] }
  const entries = [
    entry(founder, 1, { is: 'join', domain: 'media.example.org' }),
    delegation,
    admit,
    remove,
    revoke,
    entry(founder, 6, amend),
    entry(other, 1, { is: 'join', domain: null }),
    entry(other, 2, { is: 'vouch', operator: key(5).publicKey, stands: true }),
    entry(key(5), 1, { is: 'leave' })
  ]
  const state = new RosterLedger(
    genesis,
    entries.map((one) => openRosterEntry(pool, one.bytes))
  ).state()
  return {
    comment:
      'docs/protocol/roster.md. Keys: founder 01, another operator 02, node 03, recovery 04, a third operator 05.',
    pool: toHex(pool),
    entries: entries.map((one) => ({ is: one.body.act.is, ...signedVector(one) })),
    amendedCharterId: toHex(charterId(amend)),
    operators: [...state.operators.values()],
    delegations: [...state.delegations.values()]
  }
}

function journalVectors(): unknown {
  const opening = signOpening(
    {
      pool: genesis.hash,
      operator: founder.publicKey,
      node: node.publicKey,
      nonce: new Uint8Array(16).fill(9),
      imports: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)]
    },
    node
  )
  const small = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
  const large = CID.parse('bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi')
  const changes: Change[] = [
    {
      kind: 'pin',
      wish: { root: small, size: 1234, copiesMin: 3, visibility: 'public', digest: small.multihash.digest }
    },
    { kind: 'pin', wish: { root: large, size: 5_000_000_000, copiesMin: 5, visibility: 'members' } }
  ]
  const first = sealBatch({ journal: opening.hash, seq: 1, prev: null }, changes, 12, node)
  const second = sealBatch(
    { journal: opening.hash, seq: 2, prev: first.hash },
    [{ kind: 'unpin', root: small }],
    12,
    node
  )
  return {
    comment: 'docs/protocol/journal.md. Keys: operator 01, node 03; k = 12.',
    opening: signedVector(opening),
    batches: [first, second].map((batch) => ({
      seq: batch.seq,
      sealed: toHex(batch.bytes),
      hash: toHex(batch.hash),
      roots: batch.changes.map((change) =>
        toHex(rootKey(change.kind === 'pin' ? change.wish.root : change.root))
      )
    })),
    announcement: toHex(
      encodeRecord({ heads: [[opening.hash, second.seq, second.hash]], roster: new Uint8Array(32).fill(6) })
    )
  }
}

function stored(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}.json`, import.meta.url), 'utf8'))
}

/** As JSON holds it: without absent fields. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

test('genesis', () => {
  const vectors = stored('genesis') as { genesis: { signed: string; hash: string } }
  assert.deepEqual(plain(genesisVectors()), vectors)
  assert.equal(toHex(openGenesis(fromHex(vectors.genesis.signed)).hash), vectors.genesis.hash)
})

test('roster', () => {
  assert.deepEqual(plain(rosterVectors()), stored('roster'))
})

test('journal', () => {
  const vectors = stored('journal') as {
    opening: { signed: string; hash: string }
    batches: { sealed: string; hash: string; seq: number }[]
    announcement: string
  }
  assert.deepEqual(plain(journalVectors()), vectors)
  assert.equal(toHex(openOpening(fromHex(vectors.opening.signed)).hash), vectors.opening.hash)
  for (const batch of vectors.batches) {
    const opened = openSealed(fromHex(batch.sealed), 12)
    assert.equal(toHex(opened.hash), batch.hash)
    assert.equal(opened.seq, batch.seq)
  }
  assert.equal(decodeRecord(announcementRecord, fromHex(vectors.announcement)).heads[0]?.[1], 2)
})
