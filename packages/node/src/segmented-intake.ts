// The way in for a file larger than the room there is: its blocks are here only in short runs, segments,
// each of which is handed on while the next one comes. A segment travels as an object of its own, so it is
// named, served and verified like every other. Stands where a plain intake stands: ingest cannot tell.
// Leaves nothing behind: a segment's blocks go when it was handed on, or when the attempt ends.

import { hash, randomBytes } from 'node:crypto'
import { type AbortOptions, NotFoundError, rawCidOf } from '@commonhold/core'
import { code as dagPbCode, encode, prepare } from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { blockKey } from './block-store.ts'
import { encodeFileData } from './file-layout.ts'
import type { CompletedObject, IntakeOptions, ObjectIntake } from './object-intake.ts'
import { defaults } from './options.ts'

/** A run of a file's blocks as an object of its own. */
export interface Segment {
  readonly index: number
  readonly root: CID
  /** Bytes of its blocks without the root's. */
  readonly size: number
  /** Root of the whole file, known with the last segment. */
  readonly file?: CID
  /** Its blocks, the root first. */
  blocks(): AsyncIterable<Uint8Array>
}

/** Takes segments from here; resolves when the blocks may go. */
export type SegmentSink = (segment: Segment, options?: AbortOptions) => Promise<void>

export interface SegmentedIntakeInit {
  readonly objects: {
    begin(options: IntakeOptions): Promise<ObjectIntake>
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  }
  /** Where the exchange looks, beside complete objects, for what it may serve. */
  readonly served: ServedSegments
  readonly sink: SegmentSink
  /** Room this intake may take at once, in bytes. */
  readonly roomBytes: number
}

/** Roots of segments being handed on. */
export class ServedSegments {
  readonly #roots = new Set<string>()

  has(root: CID): boolean {
    return root.code === dagPbCode && this.#roots.has(blockKey(root))
  }

  add(root: CID): void {
    this.#roots.add(blockKey(root))
  }

  delete(root: CID): void {
    this.#roots.delete(blockKey(root))
  }
}

/** Room in a segment's reservation for its root. */
const rootBytesMax = 64 * 1024

interface OpenSegment {
  readonly index: number
  readonly intake: ObjectIntake
  readonly links: { readonly cid: CID; readonly size: number }[]
  readonly puts: Promise<void>[]
  size: number
}

export class SegmentedIntake implements ObjectIntake {
  readonly #init: SegmentedIntakeInit
  readonly #segmentBytes: number
  readonly #stop = new AbortController()
  readonly #handing = new Set<Promise<void>>()
  #current: OpenSegment | undefined
  #count = 0
  #failure: { readonly error: unknown } | undefined
  /** Blocks find their segment one after another. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(init: SegmentedIntakeInit) {
    this.#init = init
    const share = Math.floor(init.roomBytes / (defaults.segmentsInFlightMax + 1))
    this.#segmentBytes = Math.min(defaults.segmentBytesMax, Math.max(defaults.segmentBytesMin, share))
  }

  async put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void> {
    const placed = this.#turn.then(() => this.#place(cid, bytes, options))
    this.#turn = placed.catch(() => {
      // Told to whoever brought the block.
    })
    const stored = await placed
    await stored.done
  }

  /** What was handed on is not here any more. */
  async keep(): Promise<undefined> {
    return undefined
  }

  /** Resolves when every block of the file was handed on. */
  async complete({ root }: CompletedObject): Promise<void> {
    await this.#turn
    await Promise.all(this.#handing)
    this.#throwIfFailed()
    // The root came last, so there is a segment that holds it.
    if (this.#current === undefined) throw new NotFoundError(`No block of ${root} was brought.`)
    this.#handOn(root)
    await Promise.all(this.#handing)
    this.#throwIfFailed()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the upload has ended'))
    await this.#turn
    await Promise.allSettled(this.#handing)
    const current = this.#current
    this.#current = undefined
    await Promise.allSettled(current?.puts ?? [])
    await current?.intake[Symbol.asyncDispose]()
  }

  /** Wrapped, so that who waits for the place does not wait for the disk. */
  async #place(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<{ done: Promise<void> }> {
    options?.signal?.throwIfAborted()
    this.#throwIfFailed()
    const full = this.#current !== undefined && this.#current.size + bytes.length > this.#segmentBytes
    if (full) {
      this.#handOn()
      while (this.#handing.size >= defaults.segmentsInFlightMax) await Promise.race(this.#handing)
      this.#throwIfFailed()
    }
    this.#current ??= await this.#open(options)
    const done = this.#add(this.#current, cid, bytes, options)
    return { done }
  }

  async #open(options?: AbortOptions): Promise<OpenSegment> {
    const intake = await this.#init.objects.begin({
      origin: 'upload',
      sizeMax: this.#segmentBytes + rootBytesMax
    })
    const segment: OpenSegment = { index: this.#count++, intake, links: [], puts: [], size: 0 }
    // Something nobody can guess, so that no segment is ever the same object as somebody's file.
    const salt = randomBytes(32)
    await this.#add(segment, rawCidOf(hash('sha256', salt, 'buffer')), salt, options)
    return segment
  }

  #add(segment: OpenSegment, cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void> {
    // By its raw name whatever it is: an inner node is here one more run of bytes.
    const leaf = rawCidOf(cid.multihash.digest)
    segment.links.push({ cid: leaf, size: bytes.length })
    segment.size += bytes.length
    const put = segment.intake.put(leaf, bytes, options)
    put.catch(() => {
      // Told to whoever brought the block, and again when the segment is handed on.
    })
    segment.puts.push(put)
    return put
  }

  #handOn(file?: CID): void {
    const segment = this.#current
    this.#current = undefined
    if (segment === undefined) return
    const work = this.#deliver(segment, file)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#handing.delete(work))
    this.#handing.add(work)
  }

  async #deliver(segment: OpenSegment, file: CID | undefined): Promise<void> {
    const { objects, served, sink } = this.#init
    const { index, intake, links, size } = segment
    const { signal } = this.#stop
    try {
      await Promise.all(segment.puts)
      const bytes = encode(
        prepare({
          Data: encodeFileData(links.map((link) => link.size)),
          Links: links.map((link) => ({ Name: '', Tsize: link.size, Hash: link.cid }))
        })
      )
      const root = CID.createV1(dagPbCode, createDigest(0x12, hash('sha256', bytes, 'buffer')))
      await intake.put(root, bytes, { signal })
      served.add(root)
      try {
        const blocks = async function* (): AsyncGenerator<Uint8Array> {
          yield bytes
          for (const { cid } of links) {
            const block = await objects.block(cid, { signal })
            if (block === undefined) throw new NotFoundError(`Block ${cid} of a segment is gone.`)
            yield block
          }
        }
        await sink({ index, root, size, blocks, ...(file === undefined ? {} : { file }) }, { signal })
      } finally {
        served.delete(root)
      }
    } finally {
      await intake[Symbol.asyncDispose]()
    }
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
