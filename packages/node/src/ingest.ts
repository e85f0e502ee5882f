// The way in for new files: one streaming pass that hashes, chunks and stores. The root follows the
// profile `unixfs-v1-2025` (IPIP-499): CIDv1, sha2-256, raw leaves of 1 MiB, balanced, 1024 links; a file
// of at most 1 MiB is one raw block. Memory is bounded by `ingestPutsMax` leaves whatever the size.
// Leaves nothing behind when it fails.

import { createHash } from 'node:crypto'
import {
  type AbortOptions,
  type ContentPolicy,
  DeniedError,
  InvalidInputError,
  limits,
  TooLargeError,
  unlessAborted
} from '@commonhold/core'
import { importFile, type WritableStorage } from 'ipfs-unixfs-importer'
import type { CID } from 'multiformats/cid'
import { balancedFile } from './file-layout.ts'
import type { IntakeOptions, ObjectIntake } from './object-intake.ts'
import { defaults } from './options.ts'

export interface IngestComponents {
  readonly objects: { begin(options: IntakeOptions): Promise<ObjectIntake> }
  readonly policy: ContentPolicy
}

export interface IngestOptions extends AbortOptions {
  /** Longest file taken, in bytes. @default limits.objectBytesMax */
  readonly bytesMax?: number
  /** Exact or greatest size, when known beforehand: without room for it the file is refused at once. */
  readonly sizeMax?: number
  /**
   * Runs when the object is durable and while nothing can remove it: the place to append the pin. When
   * it throws, the object stays, wanted by nobody, for the collection to take: the same bytes may have
   * been pinned by a concurrent upload.
   */
  readonly whileHeld?: (ingested: Ingested) => Promise<void>
}

export interface Ingested {
  readonly root: CID
  /** Plain sha2-256 of the whole file. */
  readonly digest: Uint8Array
  /** File bytes. */
  readonly size: number
}

/** @throws NoSpaceError, TooLargeError, DeniedError, and whatever the source throws; nothing is kept then. */
export async function ingest(
  source: AsyncIterable<Uint8Array>,
  components: IngestComponents,
  options: IngestOptions = {}
): Promise<Ingested> {
  const { sizeMax } = options
  const bytesMax = Math.min(options.bytesMax ?? limits.objectBytesMax, limits.objectBytesMax)
  if (sizeMax !== undefined && sizeMax > bytesMax) throw new TooLargeError('The file', bytesMax)
  await using intake = await components.objects.begin({
    origin: 'upload',
    ...(sizeMax === undefined ? {} : { sizeMax })
  })
  const file = new HashedFile(source, sizeMax ?? bytesMax, options)
  const storage = storageOf(intake, options)
  const { cid: root } = await importFile({ content: file }, storage, {
    profile: 'unixfs-v1-2025',
    layout: balancedFile(storage),
    blockWriteConcurrency: defaults.ingestPutsMax
  })
  const ingested: Ingested = { root, digest: file.digest(), size: file.size }
  const decision = await components.policy.decide(ingested)
  if (decision.verdict === 'deny') throw new DeniedError(`The file ${root}`, decision.reasons)
  options.signal?.throwIfAborted()
  await intake.complete(ingested)
  await options.whileHeld?.(ingested)
  return ingested
}

/** What the importer needs of a block store. */
function storageOf(intake: ObjectIntake, options: AbortOptions): WritableStorage {
  return {
    put: async (cid, bytes) => {
      // The importer gives whole blocks; the interface it is written to would allow streams.
      if (!(bytes instanceof Uint8Array)) throw new InvalidInputError('A block must be given whole.')
      await intake.put(cid, bytes, options)
      return cid
    }
  }
}

/** The file as it streams past: measured, hashed, and cut off when it is too long or called off. */
class HashedFile implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array>
  readonly #bytesMax: number
  readonly #signal: AbortSignal | undefined
  readonly #hash = createHash('sha256')
  size = 0

  constructor(source: AsyncIterable<Uint8Array>, bytesMax: number, options: AbortOptions) {
    this.#source = source
    this.#bytesMax = bytesMax
    this.#signal = options.signal
  }

  digest(): Uint8Array {
    return new Uint8Array(this.#hash.digest())
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const bytes of untilAborted(this.#source, this.#signal)) {
      this.size += bytes.length
      if (this.size > this.#bytesMax) throw new TooLargeError('The file', this.#bytesMax)
      this.#hash.update(bytes)
      yield bytes
    }
  }
}

/** Ends with the signal even while the source says nothing: an upload that hangs must not hold its space. */
async function* untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]()
  let finished = false
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), signal)
      if (next.done === true) {
        finished = true
        return
      }
      yield next.value
    }
  } finally {
    // Not awaited: a source that hangs would hang its end as well.
    if (!finished) iterator.return?.()?.catch(() => {})
  }
}
