// A CAR (content-addressable archive) as it streams past: its roots, then its blocks one by one. Version 1, and the
// version 1 inside of a version 2, whose index is not needed. Every length is bounded before a byte of it is kept;
// whether a block is what its name says is for whoever stores it. https://ipld.io/specs/transport/car/

import { InvalidInputError, limits, MalformedRecordError } from '@commonhold/core'
import { decode as decodeDagCbor } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'

export interface Car {
  readonly roots: readonly CID[]
  readonly blocks: AsyncIterable<{ readonly cid: CID; readonly bytes: Uint8Array }>
}

/** Room for some 1,600 roots. */
const headBytesMax = 64 * 1024
/** The longest name in front of a block; ours have 36 bytes. */
const cidBytesMax = 128
/** What follows the pragma of version 2: 16 bytes of characteristics, then offset and size of the version 1 inside. */
const secondHeadBytes = 40

/** @throws InvalidInputError for what is no CAR; MalformedRecordError for one that is damaged or cut off */
export async function readCar(source: AsyncIterable<Uint8Array>): Promise<Car> {
  const bytes = new ByteSource(source)
  let head = await readHead(bytes)
  if (head.version === 2) {
    const fixed = await bytes.take(secondHeadBytes)
    if (fixed === undefined) throw cutOff('its second head')
    const view = new DataView(fixed.buffer, fixed.byteOffset)
    const from = safeInteger(view.getBigUint64(16, true))
    const size = safeInteger(view.getBigUint64(24, true))
    if (from < bytes.at) throw malformed(`its blocks are said to begin at byte ${from}, inside its head`)
    await bytes.skip(from - bytes.at)
    bytes.endAfter(size)
    head = await readHead(bytes)
  }
  if (head.version !== 1) throw malformed(`version ${head.version}`)
  if (head.roots.length === 0) {
    throw new InvalidInputError('This CAR names no root, so there is no object to keep. Give one that does.')
  }
  return { roots: head.roots, blocks: blocksOf(bytes) }
}

async function readHead(bytes: ByteSource): Promise<{ version: number; roots: readonly CID[] }> {
  const length = await bytes.length()
  if (length === undefined || length === 0 || length > headBytesMax) throw noCar()
  const head = await bytes.take(length)
  if (head === undefined) throw cutOff('its head')
  let value: unknown
  try {
    value = decodeDagCbor(head)
  } catch (err) {
    throw noCar(err)
  }
  const { version, roots } = (value ?? {}) as { version?: unknown; roots?: unknown }
  if (typeof version !== 'number') throw noCar()
  const named = Array.isArray(roots) ? roots.map((root) => CID.asCID(root)) : []
  return { version, roots: named.filter((root) => root !== null) }
}

async function* blocksOf(bytes: ByteSource): AsyncGenerator<{ cid: CID; bytes: Uint8Array }> {
  for (;;) {
    const at = bytes.at
    const length = await bytes.length()
    if (length === undefined) break
    // Archives padded with zeros to a size exist, and the specification calls them malformed.
    if (length === 0) throw malformed(`an empty section at byte ${at}`)
    if (length > limits.blockBytesMax + cidBytesMax) {
      throw malformed(
        `a block of ${length} bytes at byte ${at}; ${limits.blockBytesMax} is the most there is`
      )
    }
    const section = await bytes.take(length)
    if (section === undefined) throw cutOff(`the block at byte ${at}`)
    let block: [CID, Uint8Array]
    try {
      block = CID.decodeFirst(section)
    } catch (err) {
      throw new MalformedRecordError('CAR', `the block at byte ${at} has no CID in front of it`, {
        cause: err
      })
    }
    yield { cid: block[0], bytes: block[1] }
  }
  await bytes.drain()
}

/** So many bytes at a time, of chunks of any size. */
class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  #chunk: Uint8Array = new Uint8Array(0)
  #end = Number.POSITIVE_INFINITY
  /** Bytes taken. */
  at = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  endAfter(bytes: number): void {
    this.#end = this.at + bytes
  }

  /** Exactly so many; absent when fewer are left. */
  async take(count: number): Promise<Uint8Array | undefined> {
    const taken = new Uint8Array(count)
    for (let have = 0; have < count; ) {
      if (!(await this.#fill())) return undefined
      const part = this.#chunk.subarray(0, Math.min(count - have, this.#end - this.at))
      taken.set(part, have)
      have += part.length
      this.#drop(part.length)
    }
    return taken
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      if (!(await this.#fill())) throw cutOff('its blocks')
      const part = Math.min(left, this.#chunk.length)
      this.#drop(part)
      left -= part
    }
  }

  /** A varint in front of what it measures; absent at the end. */
  async length(): Promise<number | undefined> {
    let value = 0
    for (let shift = 0; shift < 49; shift += 7) {
      if (!(await this.#fill())) {
        if (shift === 0) return undefined
        throw cutOff('a length')
      }
      const byte = this.#chunk[0] ?? 0
      this.#drop(1)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw malformed(`a length of more than seven bytes before byte ${this.at}`)
  }

  /** What follows belongs to nobody, and whoever sends it is let finish. */
  async drain(): Promise<void> {
    this.#end = Number.POSITIVE_INFINITY
    while (await this.#fill()) this.#drop(this.#chunk.length)
  }

  #drop(count: number): void {
    this.#chunk = this.#chunk.subarray(count)
    this.at += count
  }

  async #fill(): Promise<boolean> {
    if (this.at >= this.#end) return false
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next()
      if (next.done === true) return false
      this.#chunk = next.value
    }
    return true
  }
}

function safeInteger(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`an offset of ${value}`)
  return Number(value)
}

function noCar(cause?: unknown): InvalidInputError {
  return new InvalidInputError('This is no CAR: it does not begin with the head of one.', { cause })
}

function cutOff(what: string): MalformedRecordError {
  return malformed(`it ends in the middle of ${what}`)
}

function malformed(reason: string): MalformedRecordError {
  return new MalformedRecordError('CAR', reason)
}
