// A whole object from others onto this disk: every block durable, then the object complete, or nothing
// of it kept. Two who want the same object wait for one fetch.

import { createHash } from 'node:crypto'
import { type AbortOptions, type NodeId, TooLargeError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { blockKey } from './block-store.ts'
import { abortable } from './exchange/abortable.ts'
import type { FetchedBlock } from './exchange/link.ts'
import { wholeFile } from './file-walk.ts'
import type { ObjectIntake } from './object-intake.ts'
import type { Objects } from './objects.ts'
import { defaults } from './options.ts'
import type { Retrieval } from './retrieve.ts'

export interface FetchObjectOptions extends AbortOptions {
  /** File bytes at most, as the object's pin says. */
  readonly sizeMax?: number
  /** Peers may answer that there are `enough` copies, a ConflictError. @default true */
  readonly repair?: boolean
}

export interface FetchedObject {
  readonly root: CID
  /** File bytes. */
  readonly size: number
  readonly origin: 'upload' | 'repair'
}

interface Running {
  readonly done: Promise<FetchedObject>
  readonly abort: AbortController
  waiting: number
}

export class ObjectFetcher {
  readonly #objects: Pick<Objects, 'begin' | 'get'>
  readonly #retrieval: Retrieval
  readonly #running = new Map<string, Running>()

  constructor(objects: Pick<Objects, 'begin' | 'get'>, retrieval: Retrieval) {
    this.#objects = objects
    this.#retrieval = retrieval
  }

  /**
   * Durable and complete when it resolves. Asks only the peers named, first one first.
   * @throws NotFoundError, UnreachableError, BusyError, ConflictError (`enough`), NoSpaceError,
   * TooLargeError, CorruptBlockError, MalformedRecordError
   */
  async fetch(root: CID, from: readonly NodeId[], options: FetchObjectOptions = {}): Promise<FetchedObject> {
    const here = await this.#objects.get(root)
    if (here !== undefined) return here
    const key = blockKey(root)
    let running = this.#running.get(key)
    if (running === undefined) {
      const abort = new AbortController()
      const own: Running = {
        done: this.#pull(root, from, { ...options, signal: abort.signal }).finally(() =>
          this.#forget(key, own)
        ),
        abort,
        waiting: 0
      }
      running = own
      this.#running.set(key, running)
    }
    running.waiting += 1
    try {
      return await abortable(running.done, options.signal)
    } finally {
      running.waiting -= 1
      if (running.waiting === 0) {
        // Forgotten first, so that whoever comes now begins anew instead of joining what ends.
        this.#forget(key, running)
        running.abort.abort(new Error('nobody waits for this object any more'))
      }
    }
  }

  #forget(key: string, running: Running): void {
    if (this.#running.get(key) === running) this.#running.delete(key)
  }

  async #pull(root: CID, hints: readonly NodeId[], options: FetchObjectOptions): Promise<FetchedObject> {
    const { sizeMax, signal, repair = true } = options
    const intakeOptions = { origin: 'repair', root, ...(sizeMax === undefined ? {} : { sizeMax }) } as const
    await using intake = await this.#objects.begin(intakeOptions)
    const digest = createHash('sha256')
    let size = 0
    const writing = new Writing(intake)
    try {
      for await (const block of this.#retrieval.blocks(root, wholeFile, {
        hints,
        hintsOnly: true,
        repair,
        signal
      })) {
        if (sizeMax !== undefined && block.size > sizeMax) throw new TooLargeError(`Object ${root}`, sizeMax)
        size = block.size
        // In order and without gaps, whoever the source: the file's plain hash comes for free.
        if (block.piece !== undefined) digest.update(block.piece.bytes)
        await writing.put(block, { signal })
      }
    } finally {
      // Before the intake is disposed of: a write that is still under way would outlive it.
      await writing.finished()
    }
    writing.throwIfFailed()
    await intake.complete({ root, size, digest: new Uint8Array(digest.digest()) })
    return { root, size, origin: 'repair' }
  }
}

/** A few blocks being made durable at once; the first failure stops the fetch. */
class Writing {
  readonly #intake: ObjectIntake
  readonly #under = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(intake: ObjectIntake) {
    this.#intake = intake
  }

  async put({ cid, bytes }: FetchedBlock, options: AbortOptions): Promise<void> {
    while (this.#under.size >= defaults.fetchPutsMax) await Promise.race(this.#under)
    this.throwIfFailed()
    const write = this.#intake
      .put(cid, bytes, options)
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#under.delete(write))
    this.#under.add(write)
  }

  async finished(): Promise<void> {
    await Promise.all(this.#under)
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
