// ISO base media boxes (ISO/IEC 14496-12 §4.2) in a buffer: walking them, and blanking one where it stands. Sizes
// never change, because sample tables and item locations are file offsets.

import { InvalidInputError } from '@commonhold/core'

export interface Box {
  readonly type: string
  readonly start: number
  /** First byte after size, type and, for `uuid`, the extended type. */
  readonly body: number
  readonly end: number
  /** Extended type in hex, for `uuid`. */
  readonly uuid?: string
}

export interface BoxHead {
  readonly type: string
  readonly headBytes: number
  /** Whole box with its head; infinite when it reaches to the end of the file. */
  readonly length: number
}

/** Enough for a head with 64-bit size. */
export const boxHeadBytesMax = 16

/** @throws InvalidInputError when no box can begin so */
export function boxHeadOf(bytes: Uint8Array, at: string): BoxHead {
  if (bytes.length < 8) throw damaged(at)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const type = Buffer.from(bytes.subarray(4, 8)).toString('latin1')
  const short = view.getUint32(0)
  if (!/^[\x20-\x7e\xa9]{4}$/.test(type)) throw damaged(at)
  if (short === 0) return { type, headBytes: 8, length: Number.POSITIVE_INFINITY }
  if (short !== 1) {
    if (short < 8) throw damaged(at)
    return { type, headBytes: 8, length: short }
  }
  if (bytes.length < 16) throw damaged(at)
  const length = Number(view.getBigUint64(8))
  if (length < 16 || !Number.isSafeInteger(length)) throw damaged(at)
  return { type, headBytes: 16, length }
}

/** @throws InvalidInputError when a box does not fit into its parent */
export function* boxesIn(bytes: Uint8Array, from: number, to: number): Generator<Box> {
  let start = from
  // Some QuickTime writers end a list with four zero bytes.
  while (to - start >= 8) {
    const head = boxHeadOf(
      bytes.subarray(start, Math.min(start + boxHeadBytesMax, to)),
      `inside a box, ${start} in`
    )
    const end = head.length === Number.POSITIVE_INFINITY ? to : start + head.length
    if (end > to) throw damaged(`inside a box, ${start} in`)
    const body = start + head.headBytes
    if (head.type === 'uuid' && end - body >= 16) {
      const uuid = Buffer.from(bytes.subarray(body, body + 16)).toString('hex')
      yield { type: 'uuid', start, body: body + 16, end, uuid }
    } else {
      yield { type: head.type, start, body, end }
    }
    start = end
  }
}

/** `free` of the same length (§8.1.2): readers skip it, and nothing is left in it. */
export function blank(bytes: Uint8Array, box: Box): void {
  bytes.set(freeType, box.start + 4)
  const large = new DataView(bytes.buffer, bytes.byteOffset).getUint32(box.start) === 1
  bytes.fill(0, box.start + (large ? 16 : 8), box.end)
}

export const freeType: Uint8Array = Buffer.from('free', 'latin1')

export function damaged(at: string): InvalidInputError {
  return new InvalidInputError(
    `This file is damaged ${at}: no box of ISO base media begins there, so its metadata cannot be removed. ` +
      'Repair it, or store it as it is with metadata=keep.'
  )
}
