// The bytes of a record log: a header with a secret salt, then frames, each one batch of records made
// durable together. Knows how to tell a tail torn by a crash from damage. Does no I/O of its own but
// positional reads it is given. Normative text: docs/protocol/record-log.md.

import { hash } from 'node:crypto'
import { MalformedRecordError } from '@commonhold/core'
import { defaults } from './options.ts'

/** Reads up to `into.length` bytes at `position`; fewer only at the end. */
export type ReadAt = (into: Uint8Array, position: number) => Promise<number>

const magic = Buffer.from('commonhold-log 1')
const saltBytes = 16
const headerCheckBytes = 8
export const headerBytes: number = magic.length + saltBytes + headerCheckBytes
/** length, check of the head, check of the payload */
const headBytes = 4 + 4 + 8
const recordHeadBytes = 4

export function encodeHeader(salt: Uint8Array): Uint8Array {
  const begin = Buffer.concat([magic, salt])
  return Buffer.concat([begin, check(begin, 0).subarray(0, headerCheckBytes)])
}

/** The salt, or `undefined` when these are not the bytes of a header. */
export function decodeHeader(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < headerBytes || !magic.equals(bytes.subarray(0, magic.length))) return undefined
  const begin = bytes.subarray(0, magic.length + saltBytes)
  // With another salt every frame would look torn, and all of them would be cut off.
  const sound = check(begin, 0)
    .subarray(0, headerCheckBytes)
    .equals(bytes.subarray(begin.length, headerBytes))
  return sound ? begin.slice(magic.length) : undefined
}

/** Bytes one record takes in a frame. */
export function framedBytes(record: Uint8Array): number {
  return recordHeadBytes + record.length
}

/** @param position where in the file the frame will stand: a frame moved elsewhere does not check. */
export function encodeFrame(salt: Uint8Array, position: number, records: readonly Uint8Array[]): Uint8Array {
  const payloadBytes = records.reduce((sum, record) => sum + framedBytes(record), 0)
  const frame = Buffer.alloc(headBytes + payloadBytes)
  let at = headBytes
  for (const record of records) {
    frame.writeUInt32BE(record.length, at)
    frame.set(record, at + recordHeadBytes)
    at += framedBytes(record)
  }
  frame.writeUInt32BE(payloadBytes, 0)
  check(salt, position, frame.subarray(0, 4)).copy(frame, 4, 0, 4)
  check(salt, position, frame.subarray(0, 4), frame.subarray(headBytes)).copy(frame, 8, 0, 8)
  return frame
}

export interface Frame {
  readonly records: readonly Uint8Array[]
  /** Position of the next frame. */
  readonly end: number
}

/**
 * The frame at `position`. `undefined` when the log ends there: exactly, or with the torn remains of one
 * frame that was being written. At most one can be, because a frame is written only after the one
 * before it was fsynced.
 * @throws MalformedRecordError when acknowledged frames follow or the remains are too long for one frame.
 */
export async function readFrame(
  readAt: ReadAt,
  salt: Uint8Array,
  position: number,
  size: number
): Promise<Frame | undefined> {
  if (size - position < headBytes) return undefined
  const head = await readExactly(readAt, position, headBytes)
  const length = lengthIn(salt, position, head)
  if (length === undefined) {
    await assertTorn(readAt, salt, position, size)
    return undefined
  }
  const end = position + headBytes + length
  if (end > size) return undefined
  const payload = await readExactly(readAt, position + headBytes, length)
  const sound = check(salt, position, head.subarray(0, 4), payload)
    .subarray(0, 8)
    .equals(head.subarray(8, 16))
  if (sound) return { records: recordsIn(payload), end }
  if (end === size) return undefined
  throw damaged(position)
}

/** The length a sound head gives. The salt is secret, so no record can contain the bytes of a sound head. */
function lengthIn(salt: Uint8Array, position: number, head: Buffer): number | undefined {
  const length = head.readUInt32BE(0)
  if (length < recordHeadBytes || length > defaults.logFrameBytesMax) return undefined
  const sound = check(salt, position, head.subarray(0, 4)).subarray(0, 4).equals(head.subarray(4, 8))
  return sound ? length : undefined
}

async function assertTorn(readAt: ReadAt, salt: Uint8Array, position: number, size: number): Promise<void> {
  const remains = size - position
  if (remains > headBytes + defaults.logFrameBytesMax) throw damaged(position)
  const bytes = await readExactly(readAt, position, remains)
  for (let at = 1; at + headBytes <= remains; at++) {
    if (lengthIn(salt, position + at, bytes.subarray(at, at + headBytes)) !== undefined)
      throw damaged(position)
  }
}

function recordsIn(payload: Buffer): Uint8Array[] {
  const records: Uint8Array[] = []
  for (let at = 0; at < payload.length; ) {
    const length = payload.readUInt32BE(at)
    records.push(new Uint8Array(payload.subarray(at + recordHeadBytes, at + recordHeadBytes + length)))
    at += recordHeadBytes + length
  }
  return records
}

function check(salt: Uint8Array, position: number, ...parts: readonly Uint8Array[]): Buffer {
  const place = Buffer.alloc(8)
  place.writeBigUInt64BE(BigInt(position))
  return hash('sha256', Buffer.concat([salt, place, ...parts]), 'buffer')
}

async function readExactly(readAt: ReadAt, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  let filled = 0
  while (filled < length) {
    const read = await readAt(bytes.subarray(filled), position + filled)
    if (read === 0) throw new MalformedRecordError('record log', 'it became shorter while it was read')
    filled += read
  }
  return bytes
}

function damaged(position: number): MalformedRecordError {
  return new MalformedRecordError(
    'record log',
    `the frame at byte ${position} is damaged and others follow it`
  )
}
