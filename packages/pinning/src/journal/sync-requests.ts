// The questions by which members keep roster and journals alike, and the announcement that makes a new head
// known at once. Form only; who asks what when is sync.ts. Normative text: docs/protocol/sync.md.

import { type RecordType, toHex } from '@commonhold/core'
import { z } from 'zod'
import type { RequestType } from '../dialogue.ts'
import { bytesField, hashField, keyField, seqField } from '../fields.ts'
import { type Range, type RangeAnswer, rangeAnswersField, rangesField } from '../name-set.ts'
import { defaults } from '../options.ts'
import { rosterEntryBytesMax } from '../roster/roster-entries.ts'
import { type KnownHead, locatorHashesMax } from './journal-index.ts'
import { openingBytesMax, sealedBytesMax } from './journal-records.ts'

/** Entries in one message: 256 of the largest are 2.1 MiB. */
export const entriesPerMessageMax = 256
/** Entries a stranger may push at once: joining needs two. */
export const strangerEntriesMax = 16

export type WireHead = [journal: Uint8Array, seq: number, batch: Uint8Array]

const wireHead: z.ZodType<WireHead> = z.tuple([hashField, seqField, hashField])
const wireHeads: z.ZodType<WireHead[]> = z.array(wireHead).max(defaults.headsPerMessageMax)
const entriesField: z.ZodType<Uint8Array[]> = z
  .array(bytesField(rosterEntryBytesMax))
  .max(entriesPerMessageMax)

function recordOf<T>(kind: string, schema: z.ZodType<T>, bytesMax: number = smallBytesMax): RecordType<T> {
  return { kind, bytesMax, schema }
}

const smallBytesMax = 1024
const headsBytesMax = defaults.headsPerMessageMax * 96 + smallBytesMax
const entriesBytesMax = entriesPerMessageMax * (rosterEntryBytesMax + 8) + smallBytesMax

/** Which pool are you in? The one question that may leave the pool open. */
export const genesisRequest: RequestType<Record<string, never>, { genesis: Uint8Array }> = {
  name: 'genesis/1',
  strangers: true,
  request: recordOf('genesis-question', z.strictObject({})),
  answer: recordOf('genesis-answer', z.strictObject({ genesis: bytesField(8192) }), 8192 + smallBytesMax)
}

const rangesBytesMax = defaults.rangesPerMessageMax * 112 + smallBytesMax
const rangeAnswersBytesMax = defaults.rangesPerMessageMax * (defaults.rangeNamesMax * 35 + 16) + smallBytesMax

/** Ranges of a set of names, each with the asker's digest: name-set.ts. */
interface RangesQuestion {
  ranges: Range[]
}

interface RangesAnswer {
  ranges: RangeAnswer[]
}

/** In which ranges do our rosters differ? The names are the hashes of the entries. */
export const rosterRequest: RequestType<RangesQuestion, RangesAnswer> = {
  name: 'roster/2',
  strangers: true,
  request: recordOf('roster-question', z.strictObject({ ranges: rangesField }), rangesBytesMax),
  answer: recordOf('roster-answer', z.strictObject({ ranges: rangeAnswersField }), rangeAnswersBytesMax)
}

export const rosterEntriesRequest: RequestType<{ hashes: Uint8Array[] }, { entries: Uint8Array[] }> = {
  name: 'roster-entries/1',
  strangers: true,
  request: recordOf(
    'roster-entries-question',
    z.strictObject({ hashes: z.array(hashField).min(1).max(entriesPerMessageMax) }),
    entriesPerMessageMax * 40 + smallBytesMax
  ),
  answer: recordOf('roster-entries-answer', z.strictObject({ entries: entriesField }), entriesBytesMax)
}

/** Entries you lack. How somebody becomes known who is not a member yet. */
export const rosterPush: RequestType<{ entries: Uint8Array[] }, { taken: number }> = {
  name: 'roster-push/1',
  strangers: true,
  request: recordOf('roster-push', z.strictObject({ entries: entriesField }), entriesBytesMax),
  answer: recordOf('roster-push-answer', z.strictObject({ taken: z.int().min(0).max(entriesPerMessageMax) }))
}

/** In which ranges do the ends of our journals differ? The names are the hashes of their last batches. */
export const headsRequest: RequestType<RangesQuestion, RangesAnswer> = {
  name: 'heads/2',
  request: recordOf('heads-question', z.strictObject({ ranges: rangesField }), rangesBytesMax),
  answer: recordOf('heads-answer', z.strictObject({ ranges: rangeAnswersField }), rangeAnswersBytesMax)
}

/** Where are these batches, which a comparison named as ends? Unknown ones are left out. */
export const endsRequest: RequestType<{ batches: Uint8Array[] }, { heads: WireHead[] }> = {
  name: 'ends/1',
  request: recordOf(
    'ends-question',
    z.strictObject({ batches: z.array(hashField).min(1).max(defaults.headsPerMessageMax) }),
    defaults.headsPerMessageMax * 36 + smallBytesMax
  ),
  answer: recordOf('ends-answer', z.strictObject({ heads: wireHeads }), headsBytesMax)
}

/** The ends of the journals this node wrote, as you know them. */
export const ownHeadsRequest: RequestType<{ node: Uint8Array }, { heads: WireHead[] }> = {
  name: 'own-heads/1',
  request: recordOf('own-heads-question', z.strictObject({ node: keyField })),
  answer: recordOf('own-heads-answer', z.strictObject({ heads: wireHeads }), headsBytesMax)
}

/** What of this journal do I lack, who have these batches and all before them? */
export const batchesRequest: RequestType<
  { journal: Uint8Array; have: Uint8Array[] },
  { opening: Uint8Array | null; batches: Uint8Array[]; more: boolean }
> = {
  name: 'batches/1',
  request: recordOf(
    'batches-question',
    z.strictObject({ journal: hashField, have: z.array(hashField).max(locatorHashesMax) }),
    locatorHashesMax * 36 + smallBytesMax
  ),
  answer: recordOf(
    'batches-answer',
    z.strictObject({
      opening: bytesField(openingBytesMax).nullable(),
      batches: z.array(bytesField(sealedBytesMax)).max(4096),
      more: z.boolean()
    }),
    defaults.batchPageBytesMax + sealedBytesMax + openingBytesMax + 4096 * 8
  )
}

/** Said by gossip after an own append or a change of the roster. A hint, never a fact: the rest is asked for. */
export interface Announcement {
  heads: WireHead[]
  /** Hash of the announcer's set of roster entries. */
  roster: Uint8Array
}

export const announcementRecord: RecordType<Announcement> = recordOf(
  'heads-announcement',
  z.strictObject({ heads: z.array(wireHead).max(16), roster: hashField }),
  4096
)

export function headsTopic(poolId: Uint8Array): string {
  return `commonhold/${toHex(poolId)}/heads/1`
}

export function toWire(head: KnownHead): WireHead {
  return [head.journal, head.seq, head.batch]
}
