// Questions between the author of a file larger than its own room and the keepers it goes through to.
// Normative text: docs/protocol/offers.md, "Segments".

import type { RecordType } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { RequestType } from '../dialogue.ts'
import { bytesField, hashField, rootField, seqField } from '../fields.ts'

export const uploadIdBytes = 16

/** Largest segment, in bytes of its blocks without the root's. */
const segmentBytesMax = 64 * 1024 * 1024

export interface SegmentOffer {
  /** Random, chosen by the author: names the upload between these two nodes. */
  upload: Uint8Array
  /** 0 opens the upload at the keeper. */
  index: number
  /** Bytes of all blocks to come: room set aside by the first. */
  room: number
  root: CID
  size: number
  /** Root of the whole file, with the last segment. */
  file: CID | null
  /** For the proof over the segment that the answer carries. */
  nonce: Uint8Array
}

export type SegmentAnswer =
  | { kind: 'kept'; digest: Uint8Array }
  /** `unknown`: the keeper does not remember the upload, so what came before is gone there. */
  | { kind: 'full' | 'busy' | 'unknown' }

const uploadField: z.ZodType<Uint8Array> = bytesField(uploadIdBytes).refine(
  (b) => b.length === uploadIdBytes,
  `not ${uploadIdBytes} bytes`
)

export const segmentRequest: RequestType<SegmentOffer, SegmentAnswer> = {
  name: 'segment/1',
  request: {
    kind: 'segment',
    bytesMax: 512,
    schema: z.strictObject({
      upload: uploadField,
      index: seqField.or(z.literal(0)),
      room: seqField,
      root: rootField,
      size: z.int().min(1).max(segmentBytesMax),
      file: rootField.nullable(),
      nonce: hashField
    })
  } satisfies RecordType<SegmentOffer>,
  answer: {
    kind: 'segment-answer',
    bytesMax: 128,
    schema: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('kept'), digest: hashField }),
      z.strictObject({ kind: z.enum(['full', 'busy', 'unknown']) })
    ])
  }
}

/** The author gives up: what was kept of the upload may go at once. */
export const segmentsEndRequest: RequestType<{ upload: Uint8Array }, { ended: boolean }> = {
  name: 'segments-end/1',
  request: { kind: 'segments-end', bytesMax: 64, schema: z.strictObject({ upload: uploadField }) },
  answer: { kind: 'segments-ended', bytesMax: 64, schema: z.strictObject({ ended: z.boolean() }) }
}
