// From a root to verified bytes, wherever they are: the holders the caller names first, then whom the
// DHT names. A source that fails, stalls or lies is replaced at the exact byte, without the reader
// noticing. It keeps nothing but the memory of who lied and, for a moment, of root blocks.

import {
  type AbortOptions,
  BusyError,
  type Clock,
  type Log,
  type NodeId,
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
import { type FilePiece, rootOnly } from './file-walk.ts'
import type { ByteRange } from './object-dag.ts'
import { defaults } from './options.ts'
import { type Source, Sources } from './sources.ts'

export interface RetrievalComponents {
  readonly exchange: Exchange
  /** Absent: only the hinted holders are asked. */
  readonly discovery?: Discovery
  readonly clock: Clock
  readonly log: Log
}

export interface RetrieveOptions extends AbortOptions {
  /** Who should have it, best first: the keepers that placement names. Asked before the DHT is. */
  readonly hints?: readonly NodeId[]
  /** Asks nobody but the hinted. @default false */
  readonly hintsOnly?: boolean
  /** To keep a copy: a source may say that there are `enough`, a ConflictError. @default false */
  readonly repair?: boolean
}

export class Retrieval {
  readonly #components: RetrievalComponents
  /** Who sent wrong bytes, and when. */
  readonly #distrusted = new Map<NodeId, number>()
  readonly #roots = new LRUCache<string, FetchedBlock>({
    maxSize: defaults.rootMemoBytesMax,
    sizeCalculation: ({ bytes }) => bytes.length + 1
  })

  constructor(components: RetrievalComponents) {
    this.#components = components
  }

  /**
   * Size in file bytes, from the root block alone.
   * @throws as `read`
   */
  async stat(root: CID, options?: RetrieveOptions): Promise<{ readonly size: number }> {
    const known = this.#roots.get(blockKey(root))
    if (known !== undefined) return { size: known.size }
    for await (const block of this.blocks(root, rootOnly, options)) {
      // For the read that follows: a picture is its root, and must not travel twice.
      this.#roots.set(blockKey(root), block)
      return { size: block.size }
    }
    throw new UnreachableError(`Nobody sent the root block of ${root}.`)
  }

  /**
   * Verified file bytes of `range` in order, leaf by leaf; the first before the last was fetched.
   * @throws NotFoundError when everybody asked says no, UnreachableError when somebody who may have it
   * did not answer, BusyError, MalformedRecordError when the object is no file
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
    for await (const { piece } of this.blocks(root, range, options)) if (piece !== undefined) yield piece
  }

  /**
   * The verified blocks that `range` needs, in the order of the walk. After a change of source inner
   * blocks come again; file bytes never do.
   */
  async *blocks(root: CID, range: ByteRange, options: RetrieveOptions = {}): AsyncGenerator<FetchedBlock> {
    const { exchange } = this.#components
    const sources = new Sources(this.#hints(options), this.#discovery(root, options))
    try {
      let from = range.from
      for (let source = await sources.next(); source !== undefined; source = await sources.next()) {
        options.signal?.throwIfAborted()
        let progressed = false
        try {
          const rest = { from: Math.min(from, range.to), to: range.to }
          for await (const block of exchange.blocks(source.node, root, rest, options)) {
            if (block.piece !== undefined) {
              from = block.piece.offset + block.piece.bytes.length
              progressed = true
            }
            yield block
          }
          return
        } catch (err) {
          options.signal?.throwIfAborted()
          this.#judge(source, root, err, options)
          sources.failed(source, err, progressed)
        }
      }
      throw whyNobody(root, sources.failures)
    } finally {
      await sources.close()
    }
  }

  /** @throws what no other source could mend */
  #judge(source: Source, root: CID, err: unknown, options: RetrieveOptions): void {
    if (nameOf(err) === 'MalformedRecordError') throw err
    if (nameOf(err) === 'ConflictError' && options.repair === true) throw err
    if (nameOf(err) === 'CorruptBlockError')
      this.#distrusted.set(source.node, this.#components.clock.monotonicMs())
    this.#components.log.debug('a source was given up', {
      root: root.toString(),
      source: source.node,
      reason: err instanceof Error ? err.message : String(err)
    })
  }

  /** In the caller's order, those who lied lately last. */
  #hints({ hints = [] }: RetrieveOptions): readonly NodeId[] {
    const nowMs = this.#components.clock.monotonicMs()
    for (const [node, sinceMs] of this.#distrusted) {
      if (nowMs - sinceMs > defaults.distrustMs) this.#distrusted.delete(node)
    }
    const lied = (node: NodeId): boolean => this.#distrusted.has(node)
    return [...hints.filter((node) => !lied(node)), ...hints.filter(lied)]
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
