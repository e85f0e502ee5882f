// The records of a journal: the opening that names it, batches of changes split by group, and the signed
// head over each batch. Owns their form and what can be checked from the bytes alone; whether the author is
// a member is for journals.ts. Normative text and vectors: docs/protocol/journal.md.

import { createHash } from 'node:crypto'
import {
  decodeRecord,
  encodeRecord,
  MalformedRecordError,
  openSigned,
  type RecordType,
  type Signed,
  type SigningKey,
  sha256Code,
  signRecord
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { bytesField, hashField, keyField, rootField, sameBytes, seqField, sizeField } from '../fields.ts'
import { defaults } from '../options.ts'
import { compareRoots, groupOf } from '../root-key.ts'
import type { Wish } from './wish.ts'

/** Names a journal: its hash is the journal's id. Signed by the node that will write it. */
export interface Opening {
  pool: Uint8Array
  operator: Uint8Array
  node: Uint8Array
  nonce: Uint8Array
  /** Journals whose wishes stand here until this one names the object itself; sorted, distinct. */
  imports: Uint8Array[]
}

/** The author's word that this batch stands at this place. One per batch; the newest is the journal's head. */
export interface Head {
  journal: Uint8Array
  seq: number
  /** sha2-256 of the batch header. */
  batch: Uint8Array
}

export interface BatchHeader {
  journal: Uint8Array
  seq: number
  /** Hash of the header before; `null` exactly for seq 1. */
  prev: Uint8Array | null
  /** Group, sha2-256 of the part, entries in it: one part per group with changes, in order of groups. */
  parts: [group: number, hash: Uint8Array, entries: number][]
}

/** Changes of one group: a member that keeps only some groups needs only their parts. */
export interface Part {
  group: number
  /** In order of roots, each root once. */
  entries: (PinEntry | UnpinEntry)[]
}

export type PinEntry = [root: CID, size: number, copiesMin: number, open: boolean, digest: Uint8Array | null]
export type UnpinEntry = [root: CID]

/** What an author changes: a wish made (or made anew with other terms), or taken back. */
export type Change =
  | { readonly kind: 'pin'; readonly wish: Wish }
  | { readonly kind: 'unpin'; readonly root: CID }

/** A batch as it is stored and sent: complete and verifiable by itself, whatever is missing before it. */
interface SealedRecord {
  head: Uint8Array
  header: Uint8Array
  parts: Uint8Array[]
}

export interface SealedBatch {
  readonly journal: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array | null
  /** sha2-256 of the header: the batch's name. */
  readonly hash: Uint8Array
  /** Node key that signed the head. */
  readonly signer: Uint8Array
  /** In order of roots. */
  readonly changes: readonly Change[]
  readonly bytes: Uint8Array
}

const copiesMinMax = 32
const pinBytesMax = 128
const partOverheadBytesMax = 64
const entriesMax = defaults.batchEntriesMax

export const openingRecord: RecordType<Opening> = {
  kind: 'journal-opening',
  bytesMax: 512 + 40 * defaults.importsMax,
  schema: z.strictObject({
    pool: hashField,
    operator: keyField,
    node: keyField,
    nonce: bytesField(16).refine((b) => b.length === 16, 'not 16 bytes'),
    imports: z
      .array(hashField)
      .max(defaults.importsMax)
      .refine((all) => isAscending(all, Buffer.compare), 'not sorted')
  })
}

export const headRecord: RecordType<Head> = {
  kind: 'journal-head',
  bytesMax: 256,
  schema: z.strictObject({ journal: hashField, seq: seqField, batch: hashField })
}

const headerRecord: RecordType<BatchHeader> = {
  kind: 'journal-batch',
  bytesMax: 256 + 64 * entriesMax,
  schema: z
    .strictObject({
      journal: hashField,
      seq: seqField,
      prev: hashField.nullable(),
      parts: z
        .array(z.tuple([z.int().min(0).max(0xffff), hashField, z.int().min(1).max(entriesMax)]))
        .min(1)
        .max(entriesMax)
    })
    .refine((b) => (b.prev === null) === (b.seq === 1), 'prev and seq do not fit')
    .refine((b) => isAscending(b.parts, (x, y) => x[0] - y[0]), 'parts not in order of groups')
    .refine((b) => b.parts.reduce((sum, part) => sum + part[2], 0) <= entriesMax, 'too many entries')
}

const pinEntry: z.ZodType<PinEntry> = z
  .tuple([rootField, sizeField, z.int().min(1).max(copiesMinMax), z.boolean(), hashField.nullable()])
  .refine(
    ([root, , , , digest]) => digest === null || mayHaveDigest(root, digest),
    'the digest is not the root’s'
  )

const partRecord: RecordType<Part> = {
  kind: 'journal-part',
  bytesMax: partOverheadBytesMax + pinBytesMax * entriesMax,
  schema: z.strictObject({
    group: z.int().min(0).max(0xffff),
    entries: z
      .array(z.union([pinEntry, z.tuple([rootField])]))
      .min(1)
      .max(entriesMax)
      .refine((all) => isAscending(all, (x, y) => compareRoots(x[0], y[0])), 'roots not in order')
  })
}

const sealedRecord: RecordType<SealedRecord> = {
  kind: 'sealed-batch',
  bytesMax: 2048 + entriesMax * (pinBytesMax + partOverheadBytesMax + 64),
  schema: z.strictObject({
    head: bytesField(headRecord.bytesMax + 256),
    header: bytesField(headerRecord.bytesMax),
    parts: z.array(bytesField(partRecord.bytesMax)).min(1).max(entriesMax)
  })
}

/** Largest sealed batch, in bytes. */
export const sealedBytesMax: number = sealedRecord.bytesMax
/** Largest opening with its signature, in bytes. */
export const openingBytesMax: number = openingRecord.bytesMax + 256

export function signOpening(opening: Opening, node: SigningKey): Signed<Opening> {
  return signRecord(openingRecord, opening, node)
}

/** @throws MalformedRecordError, also when another key than the node's signed it. */
export function openOpening(bytes: Uint8Array): Signed<Opening> {
  const opening = openSigned(openingRecord, bytes)
  if (!sameBytes(opening.signer, opening.body.node)) {
    throw new MalformedRecordError('journal-opening', 'it is not signed by the node it names')
  }
  return opening
}

export interface BatchPlace {
  readonly journal: Uint8Array
  readonly seq: number
  readonly prev: Uint8Array | null
}

/**
 * @param changes at least one; of several for one root the last counts
 * @param k bits of a group in this pool
 */
export function sealBatch(
  place: BatchPlace,
  changes: readonly Change[],
  k: number,
  node: SigningKey
): SealedBatch {
  const latest = new Map<string, Change>()
  for (const change of changes) latest.set(rootOf(change).toString(), change)
  const sorted = [...latest.values()].sort((a, b) => compareRoots(rootOf(a), rootOf(b)))
  const parts = Map.groupBy(sorted, (change) => groupOf(rootOf(change), k))
  const encoded = [...parts].map(([group, own]) => {
    const bytes = encodeRecord({ group, entries: own.map(entryOf) } satisfies Part)
    return { group, bytes, entries: own.length }
  })
  const header = encodeRecord({
    ...place,
    parts: encoded.map(({ group, bytes, entries }) => [group, sha256(bytes), entries])
  } satisfies BatchHeader)
  const hash = sha256(header)
  const head = signRecord(headRecord, { journal: place.journal, seq: place.seq, batch: hash }, node)
  const sealed: SealedRecord = { head: head.bytes, header, parts: encoded.map(({ bytes }) => bytes) }
  return { ...place, hash, signer: node.publicKey, changes: sorted, bytes: encodeRecord(sealed) }
}

/** @throws MalformedRecordError when any part of it is not what its head signs. */
export function openSealed(bytes: Uint8Array, k: number): SealedBatch {
  const sealed = decodeRecord(sealedRecord, bytes)
  const head = openSigned(headRecord, sealed.head)
  const hash = sha256(sealed.header)
  const header = decodeRecord(headerRecord, sealed.header)
  const stands =
    sameBytes(hash, head.body.batch) &&
    sameBytes(header.journal, head.body.journal) &&
    header.seq === head.body.seq &&
    header.parts.length === sealed.parts.length
  if (!stands) throw new MalformedRecordError('sealed-batch', 'the head is not over this batch')
  const changes = header.parts.flatMap(([group, partHash, entries], i) => {
    const partBytes = sealed.parts[i] ?? new Uint8Array()
    if (!sameBytes(sha256(partBytes), partHash)) {
      throw new MalformedRecordError('sealed-batch', `part ${i} does not match its hash`)
    }
    const part = decodeRecord(partRecord, partBytes)
    if (part.group !== group || part.entries.length !== entries) {
      throw new MalformedRecordError('sealed-batch', `part ${i} is not what the header says`)
    }
    for (const [root] of part.entries) {
      if (groupOf(root, k) !== group)
        throw new MalformedRecordError('sealed-batch', `part ${i} has a foreign root`)
    }
    return part.entries.map(changeOf)
  })
  const { journal, seq, prev } = header
  // A slice: the caller keeps it while the message it came in is freed.
  return { journal, seq, prev, hash, signer: head.signer, changes, bytes: bytes.slice() }
}

export function rootOf(change: Change): CID {
  return change.kind === 'pin' ? change.wish.root : change.root
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function entryOf(change: Change): PinEntry | UnpinEntry {
  if (change.kind === 'unpin') return [change.root]
  const { root, size, copiesMin, visibility, digest } = change.wish
  return [root, size, copiesMin, visibility === 'public', digest ?? null]
}

function changeOf(entry: PinEntry | UnpinEntry): Change {
  const [root, size, copiesMin, open, digest] = entry
  if (size === undefined || copiesMin === undefined) return { kind: 'unpin', root }
  const wish: Wish = { root, size, copiesMin, visibility: open === true ? 'public' : 'members' }
  return { kind: 'pin', wish: digest === null || digest === undefined ? wish : { ...wish, digest } }
}

/** A raw root is the whole file, so its digest is known; nobody may claim another one for it. */
function mayHaveDigest(root: CID, digest: Uint8Array): boolean {
  const rawCode = 0x55
  return (
    root.code !== rawCode || (root.multihash.code === sha256Code && sameBytes(root.multihash.digest, digest))
  )
}

/** Strictly: sorted and without doubles. */
function isAscending<T>(all: readonly T[], compare: (a: T, b: T) => number): boolean {
  return all.every((one, i) => i === 0 || compare(all[i - 1] as T, one) < 0)
}
