// The signed entries a roster is made of: what an operator says about itself and others, and what an
// administrator decides. Owns their form and their signatures; what a set of them means is roster-state.ts.
// Normative text: docs/protocol/roster.md.

import { createHash } from 'node:crypto'
import {
  encodeRecord,
  MalformedRecordError,
  openSigned,
  type RecordType,
  type Signed,
  type SigningKey,
  signatureBytes,
  signRecord,
  verifySignature
} from '@commonhold/core'
import { z } from 'zod'
import {
  bytesField,
  hashField,
  keyField,
  lineField,
  sameBytes,
  seqField,
  sizeField,
  timeField
} from '../fields.ts'
import { administratorsMax, type Charter, charterSchema } from './genesis.ts'
import type { KeeperClass } from './member.ts'

/** I am in this pool. Signed by the operator. */
export interface Join {
  is: 'join'
  /** A name the operator claims; whoever shows it says whether it was checked. */
  domain: string | null
}

/** I am no longer: my nodes keep nothing for the pool from now on. Signed by the operator. */
export interface Leave {
  is: 'leave'
}

/** This node acts for me until `expiresAt`. Signed by the operator, with the node's consent. */
export interface Delegate {
  is: 'delegate'
  node: Uint8Array
  class: KeeperClass
  capacityBytes: number
  zone: string | null
  expiresAt: number
  /** Ed25519 signature of the node, see `consentTo`: nobody can claim a node that is not theirs. */
  consent: Uint8Array
}

/** I speak for this operator, or no longer. Signed by an operator; counts when that one is counted. */
export interface Vouch {
  is: 'vouch'
  operator: Uint8Array
  stands: boolean
}

/** Acts of an administrator form a chain by `prev`, so that those of a stolen key can be cut off exactly. */
export interface Admit {
  is: 'admit'
  operator: Uint8Array
  /** `null`: as the policy says. */
  pinBytesMax: number | null
  prev: Uint8Array | null
}

export interface Remove {
  is: 'remove'
  operator: Uint8Array
  reason: string | null
  prev: Uint8Array | null
}

/** Takes one removal back, by the hash of its entry. */
export interface Revoke {
  is: 'revoke'
  removal: Uint8Array
  prev: Uint8Array | null
}

/** My assent to this new charter. It comes into force when a majority of the old one's administrators signed it. */
export interface Amend {
  is: 'amend'
  /** Id of the charter it replaces; the pool id for the first. */
  prev: Uint8Array
  charter: Charter
  /** For each administrator who leaves: the last act of theirs that stays valid; `null` for none. */
  leaving: { administrator: Uint8Array; tip: Uint8Array | null }[]
}

export type RosterAct = Join | Leave | Delegate | Vouch | Admit | Remove | Revoke | Amend
export type AdministratorAct = Admit | Remove | Revoke

export interface RosterEntry {
  pool: Uint8Array
  /** Rises with every entry of this signer: among entries about the same thing the highest counts. */
  seq: number
  act: RosterAct
}

const act: z.ZodType<RosterAct> = z.discriminatedUnion('is', [
  z.strictObject({ is: z.literal('join'), domain: lineField(253).nullable() }),
  z.strictObject({ is: z.literal('leave') }),
  z.strictObject({
    is: z.literal('delegate'),
    node: keyField,
    class: z.enum(['server', 'home']),
    capacityBytes: sizeField,
    zone: lineField(64).nullable(),
    expiresAt: timeField,
    consent: bytesField(signatureBytes).refine((b) => b.length === signatureBytes, 'not a signature')
  }),
  z.strictObject({ is: z.literal('vouch'), operator: keyField, stands: z.boolean() }),
  z.strictObject({
    is: z.literal('admit'),
    operator: keyField,
    pinBytesMax: sizeField.nullable(),
    prev: hashField.nullable()
  }),
  z.strictObject({
    is: z.literal('remove'),
    operator: keyField,
    reason: lineField(256).nullable(),
    prev: hashField.nullable()
  }),
  z.strictObject({ is: z.literal('revoke'), removal: hashField, prev: hashField.nullable() }),
  z.strictObject({
    is: z.literal('amend'),
    prev: hashField,
    charter: charterSchema,
    leaving: z
      .array(z.strictObject({ administrator: keyField, tip: hashField.nullable() }))
      .max(administratorsMax)
  })
])

export const rosterEntryRecord: RecordType<RosterEntry> = {
  kind: 'roster-entry',
  bytesMax: 8192,
  schema: z.strictObject({ pool: hashField, seq: seqField, act })
}

/** Largest envelope of an entry, in bytes. */
export const rosterEntryBytesMax: number = rosterEntryRecord.bytesMax + 256

/** The node's signed word that it acts for this operator in this pool. */
export function consentTo(pool: Uint8Array, operator: Uint8Array, node: SigningKey): Uint8Array {
  return node.sign(consentMessage(pool, operator))
}

/** @throws MalformedRecordError for another pool's entry, and for a delegation the node did not consent to. */
export function openRosterEntry(pool: Uint8Array, bytes: Uint8Array): Signed<RosterEntry> {
  const entry = openSigned(rosterEntryRecord, bytes)
  if (!sameBytes(entry.body.pool, pool)) {
    throw new MalformedRecordError('roster-entry', 'it belongs to another pool')
  }
  const said = entry.body.act
  if (
    said.is === 'delegate' &&
    !verifySignature(said.node, consentMessage(pool, entry.signer), said.consent)
  ) {
    throw new MalformedRecordError('roster-entry', 'the node did not consent to this delegation')
  }
  return entry
}

export function signRosterEntry(entry: RosterEntry, key: SigningKey): Signed<RosterEntry> {
  return signRecord(rosterEntryRecord, entry, key)
}

/** Id of the charter an amendment would put in force: the same for all who sign it. */
export function charterId(amend: Amend): Uint8Array {
  const { prev, charter, leaving } = amend
  return new Uint8Array(createHash('sha256').update(encodeRecord({ prev, charter, leaving })).digest())
}

export function isAdministratorAct(said: RosterAct): said is AdministratorAct {
  return said.is === 'admit' || said.is === 'remove' || said.is === 'revoke'
}

function consentMessage(pool: Uint8Array, operator: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from('commonhold/consent/v1\0'), pool, operator])
}
