// Objects this node does not hold, on their way through: verified chunks from other nodes to the clients that
// asked, with the bounded cache beside it. Live flights of one object cover disjoint stretches, so no block is
// being fetched twice at once; a slow reader gets a flight of its own and delays nobody.

import { type AbortOptions, type Clock, limits, unlessAborted } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { PieceCache } from './cache.ts'
import type { ByteRange, Library } from './components.ts'
import { Flight, type FlightReader } from './flight.ts'
import type { BridgeOptions } from './options.ts'

const pieceBytes = limits.leafBytes

/** Where bytes came from: this node's disk, the cache, a fetch of their own, or one that others share. */
export type Source = 'disk' | 'cache' | 'fetch' | 'shared fetch'

export interface ObjectReader extends Disposable {
  /** Of the bytes handed out last. */
  readonly source: Source
  /** The next bytes if they are in memory already: spares the common case a promise and a timer. */
  atHand(): Uint8Array | undefined
  /**
   * The next bytes in order, at most one chunk; undefined after the last.
   * @throws what the library throws, or the signal's reason; the reader is closed then.
   */
  next(options?: AbortOptions): Promise<Uint8Array | undefined>
}

export class PassThrough implements Disposable {
  readonly #library: Library
  readonly #lagBytesMax: number
  readonly #flights = new Map<string, Set<Flight>>()
  readonly cache: PieceCache

  constructor(library: Library, clock: Clock, options: BridgeOptions) {
    this.#library = library
    this.#lagBytesMax = options.flightLagBytesMax
    this.cache = new PieceCache(clock, options.cacheBytesMax, options.cacheAgeMsMax)
  }

  get flightCount(): number {
    let count = 0
    for (const flights of this.#flights.values()) count += flights.size
    return count
  }

  /**
   * Nothing is fetched before the first `next`.
   * @param size of the file; `range` lies in it
   * @param within the object that the root is a part of
   */
  open(root: CID, size: number, range: ByteRange, within?: CID): ObjectReader {
    return new PassThroughReader(this, { root, within }, size, range)
  }

  [Symbol.dispose](): void {
    this.cache[Symbol.dispose]()
  }

  /** The flight that serves this position: a running one, or a new one that ends where another goes on. */
  board(part: Part, key: string, size: number, position: number, until: number): Flight {
    const flights = this.#flights.get(key) ?? new Set()
    for (const flight of flights) if (flight.covers(position)) return flight
    const from = startOfPiece(position)
    let to = Math.min(size, startOfPiece(until + pieceBytes - 1))
    for (const other of flights) {
      // It has come further: go up to there, and join or follow it later.
      if (other.head > from) to = Math.min(to, Math.max(startOfPiece(other.head), from + pieceBytes))
      // It would come here later: it stops here, and its readers go on with what we fetched.
      else other.stopAt(from)
    }
    to = Math.min(to, size)
    const flight = new Flight(
      this.#library,
      this.cache,
      { ...part, key, size, from, to },
      pieceBytes,
      this.#lagBytesMax,
      (ended) => {
        flights.delete(ended)
        if (flights.size === 0 && this.#flights.get(key) === flights) this.#flights.delete(key)
      }
    )
    flights.add(flight)
    this.#flights.set(key, flights)
    return flight
  }
}

interface Part {
  readonly root: CID
  readonly within: CID | undefined
}

class PassThroughReader implements ObjectReader, FlightReader {
  readonly #parent: PassThrough
  readonly #part: Part
  readonly #key: string
  readonly #size: number
  readonly #to: number
  #position: number
  #flight: Flight | undefined
  #source: Source = 'fetch'

  constructor(parent: PassThrough, part: Part, size: number, range: ByteRange) {
    this.#parent = parent
    this.#part = part
    this.#key = part.root.toString()
    this.#size = size
    this.#position = range.from
    this.#to = range.to
  }

  get position(): number {
    return this.#position
  }

  get source(): Source {
    return this.#source
  }

  putOff(): void {
    this.#flight = undefined
  }

  atHand(): Uint8Array | undefined {
    return this.#position < this.#to ? (this.#fromFlight() ?? this.#fromCache()) : undefined
  }

  async next(options?: AbortOptions): Promise<Uint8Array | undefined> {
    try {
      while (this.#position < this.#to) {
        options?.signal?.throwIfAborted()
        const bytes = this.#fromFlight() ?? this.#fromCache()
        if (bytes !== undefined) return bytes
        this.#flight ??= this.#board()
        await unlessAborted(this.#flight.pull(), options?.signal)
      }
      this[Symbol.dispose]()
      return undefined
    } catch (err) {
      this[Symbol.dispose]()
      throw err
    }
  }

  [Symbol.dispose](): void {
    const flight = this.#flight
    this.#flight = undefined
    flight?.leave(this)
  }

  #board(): Flight {
    const flight = this.#parent.board(this.#part, this.#key, this.#size, this.#position, this.#to)
    this.#source = flight.hasReaders ? 'shared fetch' : 'fetch'
    flight.join(this)
    return flight
  }

  #fromFlight(): Uint8Array | undefined {
    const flight = this.#flight
    if (flight === undefined) return undefined
    const found = flight.take(this.#position)
    if (found !== undefined) {
      const bytes = this.#advance(found)
      flight.moved()
      return bytes
    }
    if (flight.isOver(this.#position)) this[Symbol.dispose]()
    return undefined
  }

  #fromCache(): Uint8Array | undefined {
    if (this.#flight !== undefined) return undefined
    const index = Math.floor(this.#position / pieceBytes)
    const piece = this.#parent.cache.get(this.#key, index)
    if (piece === undefined) return undefined
    this.#source = 'cache'
    return this.#advance(piece.subarray(this.#position - index * pieceBytes))
  }

  #advance(available: Uint8Array): Uint8Array {
    const bytes = available.subarray(0, this.#to - this.#position)
    this.#position += bytes.length
    return bytes
  }
}

function startOfPiece(position: number): number {
  return position - (position % pieceBytes)
}
