// The asking half of the exchange: one stream per peer, opened when first needed and kept. Blocks come
// out verified, in the order of the walk, never further ahead of the reader than its window.

import {
  type AbortOptions,
  BusyError,
  type Clock,
  limits,
  type NodeId,
  UnreachableError,
  unlessAborted
} from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { ByteRange } from '../object-dag.ts'
import type { ObjectWalk } from '../object-walk.ts'
import { defaults } from '../options.ts'
import { ByteBudget } from './byte-budget.ts'
import { ExchangeLink, type FetchedBlock } from './link.ts'
import { whileQuiet } from './quiet.ts'

export interface ExchangeClientComponents {
  /** @throws UnreachableError */
  openStream(peer: NodeId, protocol: string, options?: AbortOptions): Promise<Stream>
  readonly clock: Clock
}

export interface ExchangeGetOptions extends AbortOptions {
  /** The object that the root asked for is a part of. */
  readonly within?: CID | undefined
  /** Goes on with a DAG where this walk has come to; the range counts blocks and begins there. */
  readonly after?: ObjectWalk | undefined
  /** The asker means to keep a copy; the source may answer `enough`, a ConflictError here. */
  readonly repair?: boolean
  /** Perhaps in vain, another is asked too: the source is let send ahead one block and no more. @default false */
  readonly beside?: boolean
}

/** Fetches from one named peer. Satisfied by `ExchangeClient`; tests put liars in its place. */
export interface Exchange {
  /**
   * The blocks of `root` that `range` needs, inner blocks before what they lead to. A peer that is silent
   * for `sourceBudgetMs`, while it is dialled or later, is an UnreachableError.
   * @throws NotFoundError, DeniedError, BusyError, ConflictError (`enough`), UnreachableError,
   * CorruptBlockError, MalformedRecordError when the verified object is no well-formed file
   */
  blocks(peer: NodeId, root: CID, range: ByteRange, options?: ExchangeGetOptions): AsyncIterable<FetchedBlock>
  /** For each root, whether the peer says it has it: a claim. */
  have(peer: NodeId, roots: readonly CID[], options?: AbortOptions): Promise<readonly boolean[]>
}

export class ExchangeClient implements Exchange, AsyncDisposable {
  readonly #components: ExchangeClientComponents
  readonly #received = new ByteBudget(defaults.exchangeReceiveBytesMax)
  readonly #openings = new Map<NodeId, Promise<ExchangeLink>>()
  /** Those of them that are open: spares each request a promise and a timer. */
  readonly #open = new Map<NodeId, ExchangeLink>()
  readonly #stopped = new AbortController()

  constructor(components: ExchangeClientComponents) {
    this.#components = components
  }

  /** From now on, streams on which nothing is asked are closed after a while. */
  start(): void {
    whileQuiet(this.#components.clock, this.#stopped.signal, (nowMs) => {
      for (const link of this.#open.values()) {
        if (nowMs - (link.idleSinceMs ?? nowMs) < defaults.exchangeIdleMs) continue
        link.close().catch(() => {
          // A stream that is gone already is as closed as it was to be.
        })
      }
    })
  }

  async *blocks(
    peer: NodeId,
    root: CID,
    range: ByteRange,
    options: ExchangeGetOptions = {}
  ): AsyncGenerator<FetchedBlock> {
    const link = await this.#linkTo(peer, options)
    const windowBytes = await this.#takeWindow(options)
    try {
      yield* link.get(root, range, { ...options, windowBytes })
    } finally {
      this.#received.give(windowBytes)
    }
  }

  async have(peer: NodeId, roots: readonly CID[], options?: AbortOptions): Promise<readonly boolean[]> {
    const answers: boolean[] = []
    for (let at = 0; at < roots.length; at += defaults.haveRootsMax) {
      const link = await this.#linkTo(peer, options)
      answers.push(...(await link.have(roots.slice(at, at + defaults.haveRootsMax), options)))
    }
    return answers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('stopping'))
    const links = [...this.#openings.values()]
    this.#openings.clear()
    this.#open.clear()
    for (const link of await Promise.allSettled(links)) {
      if (link.status === 'fulfilled') link.value.abort(new UnreachableError('This node is stopping.'))
    }
  }

  /** A full window while there is plenty, one block's worth while there is little. */
  async #takeWindow(options: ExchangeGetOptions): Promise<number> {
    const plenty = options.beside !== true && this.#received.held < defaults.exchangeReceiveBytesMax / 2
    if (plenty && this.#received.tryTake(defaults.exchangeWindowBytes)) return defaults.exchangeWindowBytes
    if (this.#received.tryTake(limits.blockBytesMax)) return limits.blockBytesMax
    const late = new BusyError('As many objects are being fetched as memory allows. Try again shortly.')
    await this.#within(late, (signal) => this.#received.take(limits.blockBytesMax, { signal }), options)
    return limits.blockBytesMax
  }

  async #linkTo(peer: NodeId, options?: AbortOptions): Promise<ExchangeLink> {
    options?.signal?.throwIfAborted()
    if (this.#stopped.signal.aborted) throw new UnreachableError('This node is stopping.')
    const open = this.#open.get(peer)
    if (open !== undefined) return open
    // A frozen process takes the connection and then says nothing: the wait for it is part of its budget.
    const late = new UnreachableError(`${peer} did not answer within ${defaults.sourceBudgetMs} ms.`)
    // The stream is everybody's: one caller giving up must not close it for those who wait beside it.
    return this.#within(late, (signal) => unlessAborted(this.#opening(peer), signal), options)
  }

  #opening(peer: NodeId): Promise<ExchangeLink> {
    const known = this.#openings.get(peer)
    if (known !== undefined) return known
    const forget = (): void => {
      if (this.#openings.get(peer) !== opening) return
      this.#openings.delete(peer)
      this.#open.delete(peer)
    }
    const opening = ExchangeLink.open(peer, this.#components, forget)
    this.#openings.set(peer, opening)
    opening.then((link) => {
      if (this.#openings.get(peer) === opening) this.#open.set(peer, link)
    }, forget)
    return opening
  }

  /** The work, told by its signal when its time or its caller is gone. */
  async #within<T>(
    late: Error,
    work: (signal: AbortSignal) => Promise<T>,
    options?: AbortOptions
  ): Promise<T> {
    const over = new AbortController()
    const done = new AbortController()
    const signal =
      options?.signal === undefined ? over.signal : AbortSignal.any([over.signal, options.signal])
    this.#components.clock.sleep(defaults.sourceBudgetMs, { signal: done.signal }).then(
      () => over.abort(late),
      () => {
        // It was done in time.
      }
    )
    try {
      return await work(signal)
    } finally {
      done.abort(inTime)
    }
  }
}

/** Made once: an error a request would cost more than the request's timer. */
const inTime = new Error('done in time')
