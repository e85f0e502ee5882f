// One running fetch of a stretch of one object, shared by all who read there. The fastest reader pulls, so an
// object is fetched no faster than somebody takes it; whoever lags behind the window is put off and goes on alone.
// A flight keeps only the chunks its readers have still to take.

import { UnreachableError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { PieceCache, Reservation } from './cache.ts'
import type { Chunk, Library } from './components.ts'

/** Unit of the cache and of where flights begin and end: a leaf of our own ingest. */
export interface FlightSpan {
  readonly root: CID
  readonly within: CID | undefined
  readonly key: string
  readonly size: number
  readonly from: number
  readonly to: number
}

export interface FlightReader {
  /** File position of the next byte this reader wants. */
  readonly position: number
  /** Called when the reader lags too far behind; it is no longer of this flight then. */
  putOff(): void
}

export class Flight {
  readonly #span: FlightSpan
  readonly #pieceBytes: number
  readonly #lagBytesMax: number
  readonly #cache: PieceCache
  readonly #onEnd: (flight: Flight) => void
  readonly #abort = new AbortController()
  readonly #upstream: AsyncIterator<Chunk>
  readonly #readers = new Set<FlightReader>()
  #window: Chunk[] = []
  #head: number
  #to: number
  #pulling: Promise<void> | undefined
  #failure: { readonly reason: unknown } | undefined
  #ended = false
  #piece: Uint8Array[] = []
  #reservation: Reservation | undefined

  constructor(
    library: Library,
    cache: PieceCache,
    span: FlightSpan,
    pieceBytes: number,
    lagBytesMax: number,
    onEnd: (flight: Flight) => void
  ) {
    this.#cache = cache
    this.#span = span
    this.#pieceBytes = pieceBytes
    this.#lagBytesMax = lagBytesMax
    this.#onEnd = onEnd
    this.#head = span.from
    this.#to = span.to
    const range = { from: span.from, to: span.to }
    const options = { within: span.within, signal: this.#abort.signal }
    this.#upstream = library.read(span.root, range, options)[Symbol.asyncIterator]()
  }

  /** Next byte to be fetched. */
  get head(): number {
    return this.#head
  }

  /** Where this flight will stop. */
  get to(): number {
    return this.#to
  }

  /** Whether a reader at this position can join without fetching anything twice. */
  covers(position: number): boolean {
    if (this.#ended || this.#failure !== undefined || position >= this.#to) return false
    const oldest = this.#window[0]?.offset ?? this.#head
    const pieceStart = position - (position % this.#pieceBytes)
    return position >= oldest && pieceStart <= this.#head
  }

  get hasReaders(): boolean {
    return this.#readers.size > 0
  }

  join(reader: FlightReader): void {
    this.#readers.add(reader)
  }

  /** The last one out stops the fetch. */
  leave(reader: FlightReader): void {
    if (!this.#readers.delete(reader)) return
    if (this.#readers.size === 0) this.#end()
    else this.#trim()
  }

  /** Stops earlier, at a piece boundary ahead, because another flight has begun there. */
  stopAt(position: number): void {
    if (position > this.#head) this.#to = Math.min(this.#to, position)
  }

  /** What was fetched from `position` on, up to the end of its chunk; undefined when `pull` must come first. */
  take(position: number): Uint8Array | undefined {
    for (const chunk of this.#window) {
      const end = chunk.offset + chunk.bytes.length
      if (position >= chunk.offset && position < end) return chunk.bytes.subarray(position - chunk.offset)
    }
    if (this.#failure !== undefined) throw this.#failure.reason
    return undefined
  }

  /** Whether nothing will come for this position any more. */
  isOver(position: number): boolean {
    return this.#ended || (position >= this.#to && this.#head >= this.#to)
  }

  /** A reader has moved on. */
  moved(): void {
    this.#trim()
  }

  /** Fetches the next chunk, once for all who wait for it. */
  pull(): Promise<void> {
    this.#pulling ??= this.#fetch().finally(() => {
      this.#pulling = undefined
    })
    return this.#pulling
  }

  async #fetch(): Promise<void> {
    try {
      const next = await this.#upstream.next()
      if (this.#ended) return
      if (next.done === true) throw new UnreachableError('The source ended before the object did.')
      const chunk = next.value
      if (chunk.offset !== this.#head) {
        throw new Error(`Chunk at ${chunk.offset} where ${this.#head} was due.`)
      }
      if (chunk.bytes.length === 0) return
      this.#head += chunk.bytes.length
      this.#collect(chunk)
      this.#window.push(chunk)
      this.#putOffLaggards()
      this.#trim()
      if (this.#head >= this.#to) this.#finish()
    } catch (err) {
      this.#failure = { reason: err }
      this.#finish()
      throw err
    }
  }

  /** Cuts what arrives into cache pieces; a chunk may hold several pieces or a part of one. */
  #collect(chunk: Chunk): void {
    let offset = chunk.offset
    let bytes = chunk.bytes
    while (bytes.length > 0) {
      const index = Math.floor(offset / this.#pieceBytes)
      const start = index * this.#pieceBytes
      const end = Math.min(start + this.#pieceBytes, this.#span.size)
      if (offset === start) {
        this.#reservation?.drop()
        this.#reservation = this.#cache.reserve(this.#span.key, index, end - start)
      }
      const part = bytes.subarray(0, end - offset)
      if (this.#reservation !== undefined) {
        this.#piece.push(part)
        if (offset + part.length === end) {
          this.#reservation.keep(this.#piece.length === 1 ? part : Buffer.concat(this.#piece))
          this.#reservation = undefined
          this.#piece = []
        }
      }
      offset += part.length
      bytes = bytes.subarray(part.length)
    }
  }

  /** Memory is bounded by putting the slow off, never by making the fast wait. */
  #putOffLaggards(): void {
    for (const reader of this.#readers) {
      if (this.#head - reader.position <= this.#lagBytesMax + this.#pieceBytes) continue
      this.#readers.delete(reader)
      reader.putOff()
    }
  }

  #trim(): void {
    let slowest = this.#head
    for (const reader of this.#readers) slowest = Math.min(slowest, reader.position)
    let drop = 0
    for (const chunk of this.#window) {
      if (chunk.offset + chunk.bytes.length > slowest) break
      drop++
    }
    if (drop > 0) this.#window.splice(0, drop)
  }

  /** Nothing more is fetched; readers may still take what the window has. */
  #finish(): void {
    this.#reservation?.drop()
    this.#reservation = undefined
    this.#piece = []
    this.#onEnd(this)
    this.#abort.abort()
    // The source is told to clean up; what it says to that has no reader any more.
    this.#upstream.return?.().catch(() => {})
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#window = []
    this.#finish()
  }
}
