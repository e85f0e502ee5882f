// Several ranges of one object in one answer: a part for each, with a head of its own. RFC 9110 §14.6.

import { randomBytes } from 'node:crypto'
import type { AbortOptions } from '@commonhold/core'
import type { ByteRange } from './components.ts'
import type { ObjectReader, Source } from './pass-through.ts'

/** How the parts are set: what is between them, and how long it all is. */
export class Parts {
  readonly ranges: readonly ByteRange[]
  readonly contentType: string
  readonly tail: Buffer
  /** Of the whole answer. */
  readonly bytes: number
  readonly #heads: readonly Buffer[]

  /** @param size of the object; @param type of the object itself */
  constructor(ranges: readonly ByteRange[], size: number, type: string) {
    // Nobody can have put into an object what was drawn for this answer.
    const boundary = randomBytes(18).toString('base64url')
    this.ranges = ranges
    this.contentType = `multipart/byteranges; boundary=${boundary}`
    this.#heads = ranges.map(({ from, to }) =>
      Buffer.from(
        `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${from}-${to - 1}/${size}\r\n\r\n`
      )
    )
    this.tail = Buffer.from(`\r\n--${boundary}--\r\n`)
    this.bytes = ranges.reduce(
      (sum, { from, to }, i) => sum + this.head(i).length + to - from,
      this.tail.length
    )
  }

  head(index: number): Buffer {
    return this.#heads[index] ?? Buffer.alloc(0)
  }

  /** All of it, of bytes that are in hand. */
  of(bytes: Uint8Array): Buffer {
    const parts = this.ranges.map(({ from, to }, i) => [this.head(i), bytes.subarray(from, to)])
    return Buffer.concat([...parts.flat(), this.tail])
  }
}

/** Reads one range after another; no head is handed out before the first bytes of its part. */
export class PartsReader implements ObjectReader {
  readonly #parts: Parts
  readonly #open: (range: ByteRange) => ObjectReader
  #current: ObjectReader | undefined
  #index = 0
  #source: Source = 'fetch'

  constructor(parts: Parts, open: (range: ByteRange) => ObjectReader) {
    this.#parts = parts
    this.#open = open
  }

  get source(): Source {
    return this.#source
  }

  atHand(): undefined {
    return undefined
  }

  async next(options?: AbortOptions): Promise<Uint8Array | undefined> {
    for (;;) {
      const range = this.#parts.ranges[this.#index]
      if (range === undefined) {
        const isEnd = this.#index > this.#parts.ranges.length
        this.#index += 1
        return isEnd ? undefined : this.#parts.tail
      }
      const isFirst = this.#current === undefined
      this.#current ??= this.#open(range)
      const bytes = this.#current.atHand() ?? (await this.#current.next(options))
      this.#source = this.#current.source
      if (bytes !== undefined) return isFirst ? Buffer.concat([this.#parts.head(this.#index), bytes]) : bytes
      this[Symbol.dispose]()
      this.#index += 1
    }
  }

  [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]()
    this.#current = undefined
  }
}
