// The wire of proofs and holds: what a challenger asks and what a keeper may answer.
// Normative text: docs/protocol/proofs.md and docs/protocol/release.md.

import type { RecordType } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { RequestType } from '../dialogue.ts'
import { bytesField, hashField, rootField, seqField } from '../fields.ts'
import { nonceBytes, pathBlocksMax } from './proof.ts'

const nonceField: z.ZodType<Uint8Array> = bytesField(nonceBytes).refine(
  (b) => b.length === nonceBytes,
  'not 32 bytes'
)

/** Bound of the format; how many we ask at once is `proofObjectsMax`. */
const objectsMax = 256

export interface Challenge {
  nonce: Uint8Array
  roots: CID[]
  /** Also promise not to release these for `holdMs`. */
  hold: boolean
}

/** In the order of the roots. Only `proof` can be right or wrong; all others are no failure. */
export type ProofAnswer =
  | { kind: 'proof'; digest: Uint8Array; held: boolean }
  | { kind: 'absent' }
  | { kind: 'declined' }
  | { kind: 'busy' }

export interface ChallengeAnswer {
  storeEpoch: Uint8Array
  answers: ProofAnswer[]
}

const answerSchema: z.ZodType<ProofAnswer> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('proof'), digest: hashField, held: z.boolean() }),
  z.strictObject({ kind: z.literal('absent') }),
  z.strictObject({ kind: z.literal('declined') }),
  z.strictObject({ kind: z.literal('busy') })
])

export const challengeRequest: RequestType<Challenge, ChallengeAnswer> = {
  name: 'challenge/1',
  request: {
    kind: 'challenge',
    bytesMax: 16 * 1024,
    schema: z.strictObject({
      nonce: nonceField,
      roots: z.array(rootField).min(1).max(objectsMax),
      hold: z.boolean()
    })
  },
  answer: {
    kind: 'challenge-answer',
    bytesMax: 32 * 1024,
    schema: z.strictObject({ storeEpoch: bytesField(32), answers: z.array(answerSchema).max(objectsMax) })
  }
}

export interface PathChallenge {
  nonce: Uint8Array
  root: CID
  hold: boolean
}

export interface PathAnswer {
  storeEpoch: Uint8Array
  answer: { kind: 'path'; blocks: Uint8Array[]; held: boolean } | { kind: 'absent' | 'declined' | 'busy' }
}

const blockBytesMax = 2 * 1024 * 1024

export const pathRequest: RequestType<PathChallenge, PathAnswer> = {
  name: 'challenge-path/1',
  request: {
    kind: 'path-challenge',
    bytesMax: 256,
    schema: z.strictObject({ nonce: nonceField, root: rootField, hold: z.boolean() })
  },
  answer: {
    kind: 'path-answer',
    bytesMax: 4 * 1024 * 1024 - 4096,
    schema: z.strictObject({
      storeEpoch: bytesField(32),
      answer: z.discriminatedUnion('kind', [
        z.strictObject({
          kind: z.literal('path'),
          blocks: z.array(bytesField(blockBytesMax)).min(1).max(pathBlocksMax),
          held: z.boolean()
        }),
        z.strictObject({ kind: z.enum(['absent', 'declined', 'busy']) })
      ])
    })
  }
}

/** A challenger's signed word about one keeper: these objects were proven (or answered wrongly). */
export interface ProofReceipt {
  pool: Uint8Array
  keeper: string
  storeEpoch: Uint8Array
  roots: CID[]
  right: boolean
  /** Position among this challenger's receipts. */
  seq: number
  /** Wall time after which it counts for nothing. */
  expiresMs: number
}

export const proofReceiptRecord: RecordType<ProofReceipt> = {
  kind: 'proof-receipt',
  bytesMax: 16 * 1024,
  schema: z.strictObject({
    pool: hashField,
    keeper: z.string().min(1).max(80),
    storeEpoch: bytesField(32),
    roots: z.array(rootField).min(1).max(objectsMax),
    right: z.boolean(),
    seq: seqField,
    expiresMs: z.int().min(0).max(Number.MAX_SAFE_INTEGER)
  })
}

export interface ReceiptsPage {
  /** Signed receipts in order of seq. */
  receipts: Uint8Array[]
  /** Seq up to which all are told. */
  upTo: number
  more: boolean
}

export const receiptsRequest: RequestType<{ after: number }, ReceiptsPage> = {
  name: 'proof-receipts/1',
  request: {
    kind: 'receipts-question',
    bytesMax: 64,
    schema: z.strictObject({ after: seqField.or(z.literal(0)) })
  },
  answer: {
    kind: 'receipts-page',
    bytesMax: 2 * 1024 * 1024,
    schema: z.strictObject({
      receipts: z.array(bytesField(17 * 1024)).max(256),
      upTo: seqField.or(z.literal(0)),
      more: z.boolean()
    })
  }
}
