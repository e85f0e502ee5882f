// Records of the journals' log on disk: openings and sealed batches as they came, one log per pool. What
// is in it was verified and is durable; the index is made from it. Normative text: docs/protocol/journal.md.

import { decodeRecord, encodeRecord, type RecordType, type Signed, toHex } from '@commonhold/core'
import { z } from 'zod'
import { bytesField } from '../fields.ts'
import {
  type Opening,
  openingBytesMax,
  openOpening,
  openSealed,
  type SealedBatch,
  sealedBytesMax
} from './journal-records.ts'

export type LoggedRecord =
  | { readonly kind: 'opening'; readonly opening: Signed<Opening> }
  | { readonly kind: 'batch'; readonly batch: SealedBatch }

interface Packed {
  opening?: Uint8Array
  batch?: Uint8Array
}

const packedRecord: RecordType<Packed> = {
  kind: 'journal-log-record',
  bytesMax: sealedBytesMax + 256,
  schema: z.union([
    z.strictObject({ opening: bytesField(openingBytesMax) }),
    z.strictObject({ batch: bytesField(sealedBytesMax) })
  ])
}

export function journalLogName(poolId: Uint8Array): string {
  return `journals-${toHex(poolId)}`
}

export function packLogged(record: LoggedRecord): Uint8Array {
  const packed: Packed =
    record.kind === 'opening' ? { opening: record.opening.bytes } : { batch: record.batch.bytes }
  return encodeRecord(packed)
}

/** @throws MalformedRecordError: the log was damaged or is not ours. */
export function openLogged(bytes: Uint8Array, k: number): LoggedRecord {
  const packed = decodeRecord(packedRecord, bytes)
  if (packed.opening !== undefined) return { kind: 'opening', opening: openOpening(packed.opening) }
  return { kind: 'batch', batch: openSealed(packed.batch ?? new Uint8Array(), k) }
}
