// A whole object from others onto this disk: every block durable, then the object complete, or nothing
// of it kept; for a while also what an attempt brought before its sources broke off, for the next one. Only
// what is not here yet is asked for. Two who want the same object wait for one fetch.

import { createHash } from 'node:crypto'
import {
  type AbortOptions,
  BusyError,
  type NodeId,
  TooLargeError,
  UnreachableError,
  unlessAborted
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { blockKey } from './block-store.ts'
import type { FetchedBlock } from './exchange/link.ts'
import type { ByteRange } from './object-dag.ts'
import type { ObjectIntake } from './object-intake.ts'
import { ObjectWalk, wholeObject } from './object-walk.ts'
import type { Objects } from './objects.ts'
import { defaults } from './options.ts'
import { PausedIntakes, type PausedIntakesComponents } from './paused-intakes.ts'
import type { Retrieval } from './retrieve.ts'

export interface FetchObjectOptions extends AbortOptions {
  /** File bytes at most, as the object's pin says. */
  readonly sizeMax?: number
  /** Peers may answer that there are `enough` copies, a ConflictError. @default true */
  readonly repair?: boolean
  /** Its blocks are here, brought as segments: no room is set aside for them again. @default false */
  readonly present?: boolean
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

export interface ObjectFetcherComponents extends PausedIntakesComponents {
  readonly objects: Pick<Objects, 'begin' | 'get' | 'dropUnfinished'>
  readonly retrieval: Retrieval
}

export class ObjectFetcher implements AsyncDisposable {
  readonly #objects: Pick<Objects, 'begin' | 'get'>
  readonly #retrieval: Retrieval
  readonly #running = new Map<string, Running>()
  readonly #paused: PausedIntakes
  readonly #components: ObjectFetcherComponents
  readonly #stopped = new AbortController()

  constructor(components: ObjectFetcherComponents) {
    this.#components = components
    this.#objects = components.objects
    this.#retrieval = components.retrieval
    this.#paused = new PausedIntakes(components)
  }

  /** What a fetch had brought before the last end of the process is kept for as long as a paused one, from now. */
  start(): void {
    const { clock, objects, log } = this.#components
    clock
      .sleep(defaults.fetchResumeMs, { signal: this.#stopped.signal })
      .then(
        () => objects.dropUnfinished(),
        () => {
          // The next start finds it again.
        }
      )
      .catch((err: unknown) => log.warn('removing what is left of unfinished fetches failed', { err }))
  }

  /** From now on a fetch that is called off leaves its blocks to the next start. */
  stop(): void {
    this.#stopped.abort(new Error('stopping'))
  }

  /** Fetches under way end with their callers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop()
    await this.#paused[Symbol.asyncDispose]()
  }

  /**
   * Durable and complete when it resolves. Asks only the peers named, first one first.
   * @throws NotFoundError, UnreachableError, BusyError, ConflictError (`enough`), NoSpaceError,
   * TooLargeError, CorruptBlockError, MalformedRecordError
   */
  async fetch(root: CID, from: readonly NodeId[], options: FetchObjectOptions = {}): Promise<FetchedObject> {
    const here = await this.#objects.get(root)
    if (here !== undefined) {
      // Brought by somebody else meanwhile: what is left of our attempt would keep it from being removed.
      await this.#paused.drop(root)
      return here
    }
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
      return await unlessAborted(running.done, options.signal)
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
    // What our own operator fetches to pin it is like an upload: it may wait on the stage for its keepers.
    const origin = repair ? 'repair' : 'upload'
    const intakeOptions = {
      origin,
      root,
      ...(sizeMax === undefined ? {} : { sizeMax }),
      ...(options.present === true ? { setAside: 0 } : {})
    } as const
    await using attempt = new AsyncDisposableStack()
    const begun = (await this.#paused.take(root, sizeMax)) ?? (await this.#objects.begin(intakeOptions))
    const intake = attempt.use(begun)
    const digest = createHash('sha256')
    let size: number | undefined
    let isDag = false
    const writing = new Writing(intake)
    try {
      // In order and without gaps, whoever the source: the file's plain hash comes for free.
      const take = (kind: WalkKind, fileBytes: number, block: Uint8Array, piece?: Uint8Array): void => {
        isDag = kind === 'dag'
        // Parts of a DAG may be here and others not, so only adding up tells how large it is.
        size = within(sizeMax, isDag ? (size ?? 0) + block.length : fileBytes, root)
        if (piece !== undefined) digest.update(piece)
      }
      for await (const part of partsHere(root, intake, { signal })) {
        if (part.kind === 'here') {
          take(part.of, part.size, part.block, part.bytes)
          continue
        }
        // Nobody looks at a copy being made: a slow holder may be slow, as long as it sends.
        const asked = { hints, hintsOnly: true, repair, hedge: false, after: part.after, signal }
        for await (const block of this.#retrieval.blocks(root, part.range, asked)) {
          take(block.kind, block.size, block.bytes, block.piece?.bytes)
          await writing.put(block, { signal })
        }
      }
      await writing.finished()
      writing.throwIfFailed()
      const fetched = { root, size: size ?? 0 }
      await intake.complete(isDag ? fetched : { ...fetched, digest: new Uint8Array(digest.digest()) })
      return { ...fetched, origin }
    } catch (err) {
      // Before the intake is disposed of: a write that is still under way would outlive it.
      await writing.finished()
      if (this.#stopped.signal.aborted) attempt.move()
      else if (size !== undefined && isInterruption(err)) {
        attempt.move()
        await this.#paused.keep(root, intake, sizeMax)
      }
      throw err
    }
  }
}

function within(sizeMax: number | undefined, size: number, root: CID): number {
  if (sizeMax !== undefined && size > sizeMax) throw new TooLargeError(`Object ${root}`, sizeMax)
  return size
}

/** Nothing is wrong with the object or with us: the same sources, or others, can give the rest later. */
function isInterruption(err: unknown): boolean {
  return err instanceof UnreachableError || err instanceof BusyError
}

type WalkKind = ObjectWalk['kind']

type Part =
  | {
      readonly kind: 'here'
      readonly of: WalkKind
      readonly block: Uint8Array
      /** Its file bytes, when it is a leaf. */
      readonly bytes?: Uint8Array
      readonly size: number
    }
  | { readonly kind: 'missing'; readonly range: ByteRange; readonly after?: ObjectWalk | undefined }

/**
 * The whole object in order: what is on this disk already, and the ranges between that are not.
 * What an earlier attempt or another object left here, or what is left of a damaged one, is not sent again; but
 * nobody knows what is below a folder's or a document's block that is missing, so from there all of a DAG is.
 */
async function* partsHere(root: CID, intake: ObjectIntake, options: AbortOptions): AsyncGenerator<Part> {
  const walk = new ObjectWalk(root)
  let missing: (Part & { kind: 'missing' }) | undefined
  for (let step = walk.next; step !== undefined; step = walk.next) {
    const block = await intake.keep(step.cid, options)
    if (block === undefined) {
      const after = missing?.after ?? (walk.kind === 'dag' ? walk.fork(wholeObject.to) : undefined)
      const { from, to } = walk.skip()
      missing = { kind: 'missing', range: { from: missing?.range.from ?? from, to }, after }
      continue
    }
    const piece = walk.accept(block)
    // An inner block of a file ends no gap: nothing of what is below it may be here.
    if (piece === undefined && walk.kind === 'file') continue
    if (missing !== undefined) yield missing
    missing = undefined
    const bytes = piece === undefined ? {} : { bytes: piece.bytes }
    yield { kind: 'here', of: walk.kind, block, ...bytes, size: walk.size ?? 0 }
  }
  if (missing !== undefined) yield missing
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
