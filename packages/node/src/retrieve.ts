// From a root to verified bytes, wherever they are: the holders the caller names first, then whom the
// DHT names. A source that fails, stalls or lies is replaced at the exact byte, without the reader
// noticing (sourced-read.ts). It keeps nothing but what it learnt about its sources and, for a moment,
// root blocks.

import {
  type AbortOptions,
  BusyError,
  type Clock,
  type Log,
  type NodeId,
  NotAFileError,
  NotFoundError,
  UnreachableError
} from '@commonhold/core'
import { LRUCache } from 'lru-cache'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { blockKey } from './block-store.ts'
import type { Discovery } from './discover.ts'
import type { Exchange } from './exchange/client.ts'
import type { FetchedBlock } from './exchange/link.ts'
import { Hedging } from './hedging.ts'
import type { ByteRange } from './object-dag.ts'
import { type FilePiece, type ObjectWalk, rootOnly } from './object-walk.ts'
import { defaults } from './options.ts'
import { SourceMemory } from './source-memory.ts'
import { type ReadCounters, SourcedRead } from './sourced-read.ts'
import { type Source, Sources } from './sources.ts'

export interface RetrievalComponents {
  readonly exchange: Exchange
  /** Absent: only the hinted holders are asked. */
  readonly discovery?: Discovery
  /** Holders known to be away are asked after the others. Absent: nobody is known to be. */
  readonly connected?: (peer: NodeId) => boolean
  readonly clock: Clock
  readonly log: Log
}

export interface RetrieveOptions extends AbortOptions {
  /** Who should have it, best first: the keepers that placement names. Asked before the DHT is. */
  readonly hints?: readonly NodeId[]
  /** The object that the root asked for is a part of: it is whom the DHT and the sources are asked about. */
  readonly within?: CID | undefined
  /** Goes on with a DAG where this walk has come to; the range counts blocks and begins there. */
  readonly after?: ObjectWalk | undefined
  /** Asks nobody but the hinted. @default false */
  readonly hintsOnly?: boolean
  /** To keep a copy: a source may say that there are `enough`, a ConflictError. @default false */
  readonly repair?: boolean
  /** Somebody waits for it: a slow source gets another beside it before its time is up. @default true */
  readonly hedge?: boolean
}

export class Retrieval {
  readonly #components: RetrievalComponents
  readonly #memory: SourceMemory
  readonly #hedging = new Hedging()
  readonly #counters: ReadCounters = { switched: 0, hedges: 0, hedgesWon: 0 }
  readonly #roots = new LRUCache<string, FetchedBlock>({
    maxSize: defaults.rootMemoBytesMax,
    sizeCalculation: ({ bytes }) => bytes.length + 1
  })

  constructor(components: RetrievalComponents) {
    this.#components = components
    this.#memory = new SourceMemory(components)
  }

  get counters(): Readonly<ReadCounters> {
    return this.#counters
  }

  /**
   * Size in file bytes, from the root block alone; of a DAG it is that of the root block.
   * @throws as `read`
   */
  async stat(
    root: CID,
    options?: RetrieveOptions
  ): Promise<{ readonly size: number; readonly kind: 'file' | 'dag' }> {
    const known = this.#roots.get(blockKey(root))
    if (known !== undefined) return { size: known.size, kind: known.kind }
    for await (const block of this.blocks(root, rootOnly, options)) {
      // For the read that follows: a picture is its root, and must not travel twice.
      this.#roots.set(blockKey(root), block)
      return { size: block.size, kind: block.kind }
    }
    throw new UnreachableError(`Nobody sent the root block of ${root}.`)
  }

  /**
   * Verified file bytes of `range` in order, leaf by leaf; the first before the last was fetched.
   * @throws NotFoundError when everybody asked says no, UnreachableError when somebody who may have it
   * did not answer, BusyError, NotAFileError
   */
  async *read(root: CID, range: ByteRange, options?: RetrieveOptions): AsyncGenerator<FilePiece> {
    const key = blockKey(root)
    const memo = this.#roots.get(key)
    // Used up by its read: it is a hand-over from `stat`, not a cache, which is the caller's to keep.
    this.#roots.delete(key)
    // Only a raw root is its own file bytes.
    if (memo !== undefined && memo.cid.code === rawCode) {
      const piece = pieceWithin(memo.bytes, range)
      if (piece !== undefined) yield piece
      return
    }
    for await (const { piece, kind } of this.blocks(root, range, options)) {
      if (kind === 'dag') throw new NotAFileError(`${root}`)
      if (piece !== undefined) yield piece
    }
  }

  /**
   * The verified blocks that `range` needs, in the order of the walk. After a change of source inner
   * blocks come again; file bytes never do.
   */
  blocks(root: CID, range: ByteRange, options: RetrieveOptions = {}): AsyncGenerator<FetchedBlock> {
    const { exchange, clock } = this.#components
    const { hints = [], repair = false, hedge = true, within, after, signal } = options
    return new SourcedRead({
      root,
      range,
      after,
      sources: new Sources(this.#memory.inOrder(hints), this.#discovery(within ?? root, options)),
      memory: this.#memory,
      clock,
      counters: this.#counters,
      hedging: hedge ? this.#hedging : undefined,
      signal,
      ask: (source, rest, asked) => exchange.blocks(source.node, root, rest, { repair, within, ...asked }),
      judge: (source, error) => this.#judge(source, root, error, options),
      whyNobody: (failures) => whyNobody(root, failures)
    }).blocks()
  }

  /** @throws what no other source could mend */
  #judge({ node }: Source, root: CID, err: unknown, options: RetrieveOptions): void {
    if (nameOf(err) === 'MalformedRecordError') throw err
    if (nameOf(err) === 'ConflictError' && options.repair === true) throw err
    if (nameOf(err) === 'CorruptBlockError') this.#memory.lied(node)
    if (nameOf(err) === 'UnreachableError') this.#memory.stalled(node)
    this.#components.log.debug('a source was given up', {
      root: root.toString(),
      source: node,
      reason: err instanceof Error ? err.message : String(err)
    })
  }

  #discovery(root: CID, options: RetrieveOptions): AsyncIterator<NodeId> | undefined {
    const { discovery } = this.#components
    if (discovery === undefined || options.hintsOnly === true) return undefined
    return discovery.holders(root, options)[Symbol.asyncIterator]()
  }
}

/** Absence is only told when everybody said so; one silent holder may have it. */
function whyNobody(root: CID, failures: readonly unknown[]): Error {
  const subject = `Object ${root}`
  const silent = failures.filter((err) => !['NotFoundError', 'DeniedError'].includes(nameOf(err)))
  if (silent.length > 0) {
    const [first] = silent
    if (silent.every((err) => nameOf(err) === 'BusyError')) {
      return new BusyError(`${subject}: everybody who has it is busy. Try again shortly.`, { cause: first })
    }
    return new UnreachableError(`${subject} could not be fetched from any of ${failures.length} sources.`, {
      cause: first
    })
  }
  return new NotFoundError(
    failures.length === 0
      ? `${subject}: nobody says to have it.`
      : `${subject}: all ${failures.length} asked say no.`
  )
}

function pieceWithin(bytes: Uint8Array, range: ByteRange): FilePiece | undefined {
  const to = Math.min(range.to, bytes.length)
  return range.from < to ? { offset: range.from, bytes: bytes.subarray(range.from, to) } : undefined
}

function nameOf(err: unknown): string {
  return err instanceof Error ? err.name : ''
}
