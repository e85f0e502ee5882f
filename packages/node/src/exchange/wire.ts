// The exchange on the wire: every message as a value, and its one spelling in bytes. Pure; the frames
// around it are frame-stream.ts. Numbers are big-endian. A reader checks everything before it believes
// anything, and allocates nothing larger than the frame it was given.
// Normative text and vectors: docs/protocol/exchange.md, test/vectors/exchange.json.

import { MalformedRecordError } from '@commonhold/core'
import { CID } from 'multiformats/cid'
import type { Uint8ArrayList } from 'uint8arraylist'
import { encodeFrame, type Frame } from '../frame-stream.ts'
import type { ByteRange } from '../object-dag.ts'
import type { RangeUnit } from '../object-walk.ts'
import { defaults } from '../options.ts'

export const exchangeProtocol = '/commonhold/exchange/1.0.0'

/** Frame types; requester to server below 0x10, server to requester from there. */
const wire = Object.freeze({
  get: 0x01,
  have: 0x02,
  credit: 0x03,
  cancel: 0x04,
  block: 0x11,
  more: 0x12,
  end: 0x13,
  refusal: 0x14,
  bitmap: 0x15
})

/** Why a server does not answer, or stops answering. */
export type Refusal = 'not-found' | 'denied' | 'busy' | 'too-large' | 'enough' | 'failed' | 'stalled'

/** Codes are for ever. */
const refusalCodes: Readonly<Record<Refusal, number>> = Object.freeze({
  'not-found': 1,
  denied: 2,
  busy: 3,
  'too-large': 4,
  enough: 5,
  failed: 6,
  stalled: 7
})

export type Question =
  | {
      readonly kind: 'get'
      readonly root: CID
      /** The object that `root` is a part of; absent when `root` is an object itself. */
      readonly within?: CID
      readonly range: ByteRange
      readonly unit: RangeUnit
      /** The asker means to keep a copy: the server may answer `enough`. */
      readonly repair: boolean
      /** Bytes of blocks the server may send before it is given more credit. */
      readonly credit: number
    }
  | { readonly kind: 'have'; readonly roots: readonly CID[] }
  | { readonly kind: 'credit'; readonly bytes: number }
  | { readonly kind: 'cancel' }

export type Answer =
  /** The first bytes of a block of `length` bytes. */
  | { readonly kind: 'block'; readonly length: number; readonly data: Uint8ArrayList }
  /** The next bytes of the same block. */
  | { readonly kind: 'more'; readonly data: Uint8ArrayList }
  | { readonly kind: 'end' }
  | { readonly kind: 'refusal'; readonly reason: Refusal }
  /** Bit i, from the highest bit of the first byte: whether the i-th root can be had here. */
  | { readonly kind: 'bitmap'; readonly bits: Uint8Array }

const getFlags = Object.freeze({ repair: 0x01, blocks: 0x02, within: 0x04 })
const getFlagsKnown = 0x07
/** flags (1), credit (4), from (8), to (8). */
const getHeadBytes = 21
const cidBytesMax = 64

export function encodeQuestion(id: number, question: Question): Uint8ArrayList {
  switch (question.kind) {
    case 'get': {
      const head = new Uint8Array(getHeadBytes)
      const view = new DataView(head.buffer)
      const { within, unit, repair } = question
      const flags =
        (repair ? getFlags.repair : 0) |
        (unit === 'blocks' ? getFlags.blocks : 0) |
        (within === undefined ? 0 : getFlags.within)
      view.setUint8(0, flags)
      view.setUint32(1, question.credit)
      view.setBigUint64(5, BigInt(question.range.from))
      view.setBigUint64(13, BigInt(Math.min(question.range.to, Number.MAX_SAFE_INTEGER)))
      const part = within === undefined ? [] : [Uint8Array.of(within.bytes.length), within.bytes]
      return encodeFrame(wire.get, id, head, ...part, question.root.bytes)
    }
    case 'have':
      return encodeFrame(
        wire.have,
        id,
        ...question.roots.flatMap(({ bytes }) => [Uint8Array.of(bytes.length), bytes])
      )
    case 'credit':
      return encodeFrame(wire.credit, id, uint32(question.bytes))
    case 'cancel':
      return encodeFrame(wire.cancel, id)
  }
}

export function encodeAnswer(id: number, answer: Exclude<Answer, { data: unknown }>): Uint8ArrayList {
  switch (answer.kind) {
    case 'end':
      return encodeFrame(wire.end, id)
    case 'refusal':
      return encodeFrame(wire.refusal, id, Uint8Array.of(refusalCodes[answer.reason]))
    case 'bitmap':
      return encodeFrame(wire.bitmap, id, answer.bits)
  }
}

/** `length` bytes of `block` from `at`, not copied. */
export function encodeBlockPart(id: number, block: Uint8Array, at: number, length: number): Uint8ArrayList {
  const data = block.subarray(at, at + length)
  return at === 0 ? encodeFrame(wire.block, id, uint32(block.length), data) : encodeFrame(wire.more, id, data)
}

/** @throws MalformedRecordError */
export function decodeQuestion({ type, body }: Frame): Question {
  switch (type) {
    case wire.get: {
      if (body.byteLength <= getHeadBytes || body.byteLength > getHeadBytes + 1 + 2 * cidBytesMax) {
        throw malformed(`a get of ${body.byteLength} bytes`)
      }
      const flags = body.getUint8(0)
      // An unknown flag asks for something this version cannot do; ignoring it would be a wrong answer.
      if ((flags & ~getFlagsKnown) !== 0) throw malformed(`flags ${flags}`)
      const from = safeInteger(body.getBigInt64(5))
      const to = safeInteger(body.getBigInt64(13))
      if (from > to) throw malformed(`a range from ${from} to ${to}`)
      const hasOwner = (flags & getFlags.within) !== 0
      const rootAt = getHeadBytes + (hasOwner ? 1 + body.getUint8(getHeadBytes) : 0)
      if (rootAt >= body.byteLength) throw malformed('a get without a root')
      return {
        kind: 'get',
        root: decodeCid(body.slice(rootAt)),
        ...(hasOwner ? { within: decodeCid(body.slice(getHeadBytes + 1, rootAt)) } : {}),
        range: { from, to },
        unit: (flags & getFlags.blocks) === 0 ? 'bytes' : 'blocks',
        repair: (flags & getFlags.repair) !== 0,
        credit: body.getUint32(1)
      }
    }
    case wire.have:
      return { kind: 'have', roots: decodeRoots(body.subarray()) }
    case wire.credit:
      if (body.byteLength !== 4) throw malformed(`a credit of ${body.byteLength} bytes`)
      return { kind: 'credit', bytes: body.getUint32(0) }
    case wire.cancel:
      if (body.byteLength !== 0) throw malformed('a cancel with a body')
      return { kind: 'cancel' }
    default:
      throw malformed(`question type ${type}`)
  }
}

/** @throws MalformedRecordError */
export function decodeAnswer({ type, body }: Frame): Answer {
  switch (type) {
    case wire.block: {
      if (body.byteLength < 4) throw malformed('a block without its length')
      const length = body.getUint32(0)
      body.consume(4)
      if (body.byteLength > length) throw malformed('a block longer than it says')
      return { kind: 'block', length, data: body }
    }
    case wire.more:
      if (body.byteLength === 0) throw malformed('more of nothing')
      return { kind: 'more', data: body }
    case wire.end:
      if (body.byteLength !== 0) throw malformed('an end with a body')
      return { kind: 'end' }
    case wire.refusal: {
      const code = body.byteLength === 1 ? body.getUint8(0) : 0
      for (const [reason, value] of Object.entries(refusalCodes)) {
        if (value === code) return { kind: 'refusal', reason: reason as Refusal }
      }
      throw malformed('a refusal without a known reason')
    }
    case wire.bitmap:
      if (body.byteLength > Math.ceil(defaults.haveRootsMax / 8))
        throw malformed('a bitmap for too many roots')
      return { kind: 'bitmap', bits: body.slice() }
    default:
      throw malformed(`answer type ${type}`)
  }
}

function decodeRoots(body: Uint8Array): readonly CID[] {
  const roots: CID[] = []
  for (let at = 0; at < body.length; ) {
    const end = at + 1 + (body[at] ?? 0)
    if (end > body.length) throw malformed('a list of roots that is cut off')
    if (roots.length === defaults.haveRootsMax) throw malformed(`more than ${defaults.haveRootsMax} roots`)
    // A slice, because a CID keeps its bytes and they would keep the received chunk alive.
    roots.push(decodeCid(body.slice(at + 1, end)))
    at = end
  }
  return roots
}

function decodeCid(bytes: Uint8Array): CID {
  if (bytes.length > cidBytesMax) throw malformed(`a CID of ${bytes.length} bytes`)
  try {
    return CID.decode(bytes)
  } catch (err) {
    throw new MalformedRecordError('exchange message', 'it names no CID', { cause: err })
  }
}

function safeInteger(value: bigint): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`an offset of ${value}`)
  return Number(value)
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

function malformed(what: string): MalformedRecordError {
  return new MalformedRecordError('exchange message', what)
}
