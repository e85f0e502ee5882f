// The founding record of a pool: its name, the number of its groups, who administers it and by which rules.
// Its hash is the pool's id, so nothing in it can ever change; what may change is the charter, by amendment.
// Normative text: docs/protocol/genesis.md.

import { createHash } from 'node:crypto'
import {
  InvalidInputError,
  MalformedRecordError,
  openSigned,
  type Random,
  type RecordType,
  type Signed,
  type SigningKey,
  signingKeyFromSeed,
  signRecord
} from '@commonhold/core'
import { base58btc } from 'multiformats/bases/base58'
import { z } from 'zod'
import { bytesField, keyField, lineField, sizeField } from '../fields.ts'

export type Admission = 'open' | 'vouch'

/** Rules all members apply alike. Part of the charter. */
export interface PoolPolicy {
  /** Copies an object gets when its pin does not say otherwise. */
  copiesMin: number
  /** Receipts at distinct operators, the author's own copy included, that make an acknowledgement. */
  ackCopies: number
  /** `open`: whoever joins counts. `vouch`: an administrator or two counted operators must speak for them. */
  admission: Admission
  /** Grant of an operator nobody gave another one: sum of size × copiesMin its wishes may bind, in bytes. */
  pinBytesMax: number
}

/** What administrators can change together: who they are, the key that stands in, the policy. */
export interface Charter {
  /** Operator public keys, sorted by bytes, distinct. */
  administrators: Uint8Array[]
  /** Public key that can stand in for one administrator's signature under an amendment; kept on paper. */
  recovery: Uint8Array
  policy: PoolPolicy
}

export interface Genesis {
  name: string
  /** Bits of a root's digest that make its group, 4 to 16. */
  k: number
  charter: Charter
  /** 16 random bytes: two pools founded alike are still two pools. */
  nonce: Uint8Array
}

export const administratorsMax = 32

export const charterSchema: z.ZodType<Charter> = z.strictObject({
  administrators: z
    .array(keyField)
    .min(1)
    .max(administratorsMax)
    .refine(
      (keys) => keys.every((key, i) => i === 0 || Buffer.compare(keys[i - 1] ?? key, key) < 0),
      'not sorted'
    ),
  recovery: keyField,
  policy: z.strictObject({
    copiesMin: z.int().min(1).max(32),
    ackCopies: z.int().min(1).max(32),
    admission: z.enum(['open', 'vouch']),
    pinBytesMax: sizeField
  })
})

export const genesisRecord: RecordType<Genesis> = {
  kind: 'genesis',
  bytesMax: 4096,
  schema: z.strictObject({
    name: lineField(64),
    k: z.int().min(4).max(16),
    charter: charterSchema,
    nonce: bytesField(16).refine((b) => b.length === 16, 'not 16 bytes')
  })
}

export const defaultPolicy: Readonly<PoolPolicy> = Object.freeze({
  copiesMin: 3,
  ackCopies: 2,
  admission: 'open',
  pinBytesMax: 1024 ** 4
})

export interface FoundOptions {
  readonly name: string
  /** @default 12: 4,096 groups, right up to about 1,000 nodes; 16 beyond. */
  readonly k?: number
  readonly policy?: Partial<PoolPolicy>
}

export interface Founding {
  readonly genesis: Signed<Genesis>
  /** To be shown once and kept on paper: with it a pool whose administrators lost their keys is recovered. */
  readonly recoverySeed: Uint8Array
}

/** Signs a new pool's genesis with the founder's operator key. */
export function foundPool(founder: SigningKey, random: Random, options: FoundOptions): Founding {
  const recoverySeed = random.bytes(32)
  const body: Genesis = {
    name: options.name,
    k: options.k ?? 12,
    charter: {
      administrators: [founder.publicKey],
      recovery: signingKeyFromSeed(recoverySeed).publicKey,
      policy: { ...defaultPolicy, ...options.policy }
    },
    nonce: random.bytes(16)
  }
  const checked = genesisRecord.schema.safeParse(body)
  if (!checked.success) {
    const issue = checked.error.issues[0]
    throw new InvalidInputError(`A pool cannot be founded so: ${issue?.path.join('.')}: ${issue?.message}.`)
  }
  return { genesis: signRecord(genesisRecord, body, founder), recoverySeed }
}

/**
 * @throws MalformedRecordError, also when the signer is not among the administrators it names: a pool
 * nobody founded could be presented with somebody else as its administrator.
 */
export function openGenesis(bytes: Uint8Array): Signed<Genesis> {
  const genesis = openSigned(genesisRecord, bytes)
  if (!genesis.body.charter.administrators.some((key) => Buffer.compare(key, genesis.signer) === 0)) {
    throw new MalformedRecordError('genesis', 'it is not signed by an administrator it names')
  }
  return genesis
}

const recoveryPrefix = 'commonhold-recovery-'

/** The recovery seed as one line of text, with a checksum of four bytes against slips of the pen. */
export function printRecoveryKey(seed: Uint8Array): string {
  return recoveryPrefix + base58btc.baseEncode(Buffer.concat([seed, checksum(seed)]))
}

/** @throws InvalidInputError when it is not one, or was copied wrongly. */
export function readRecoveryKey(text: string): SigningKey {
  const trimmed = text.trim()
  const wrong = 'This is not a recovery key, or a character of it is wrong.'
  if (!trimmed.startsWith(recoveryPrefix) || trimmed.length > 100) throw new InvalidInputError(wrong)
  let bytes: Uint8Array
  try {
    bytes = base58btc.baseDecode(trimmed.slice(recoveryPrefix.length))
  } catch (err) {
    throw new InvalidInputError(wrong, { cause: err })
  }
  const seed = bytes.slice(0, 32)
  if (bytes.length !== 36 || Buffer.compare(checksum(seed), bytes.subarray(32)) !== 0) {
    throw new InvalidInputError(wrong)
  }
  return signingKeyFromSeed(seed)
}

function checksum(seed: Uint8Array): Uint8Array {
  return createHash('sha256').update('commonhold/recovery/v1\0').update(seed).digest().subarray(0, 4)
}
