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
import { defaults } from '../options.ts'
import { ByteBudget } from './byte-budget.ts'
import { ExchangeLink, type FetchedBlock } from './link.ts'

export interface ExchangeClientComponents {
  /** @throws UnreachableError */
  openStream(peer: NodeId, protocol: string, options?: AbortOptions): Promise<Stream>
  readonly clock: Clock
}

export interface ExchangeGetOptions extends AbortOptions {
  /** The asker means to keep a copy; the source may answer `enough`, a ConflictError here. */
  readonly repair?: boolean
}

/** Fetches from one named peer. Satisfied by `ExchangeClient`; tests put liars in its place. */
export interface Exchange {
  /**
   * The blocks of `root` that `range` needs, inner blocks before what they lead to.
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
  readonly #links = new Map<NodeId, Promise<ExchangeLink>>()
  #stopped = false

  constructor(components: ExchangeClientComponents) {
    this.#components = components
  }

  async *blocks(
    peer: NodeId,
    root: CID,
    range: ByteRange,
    options: ExchangeGetOptions = {}
  ): AsyncGenerator<FetchedBlock> {
    const windowBytes = this.#takeWindow()
    try {
      const link = await this.#linkTo(peer, options)
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
    this.#stopped = true
    const links = [...this.#links.values()]
    this.#links.clear()
    for (const link of await Promise.allSettled(links)) {
      if (link.status === 'fulfilled') link.value.abort(new UnreachableError('This node is stopping.'))
    }
  }

  /** A full window while there is plenty, one block's worth while there is little. */
  #takeWindow(): number {
    const plenty = this.#received.held < defaults.exchangeReceiveBytesMax / 2
    if (plenty && this.#received.tryTake(defaults.exchangeWindowBytes)) return defaults.exchangeWindowBytes
    if (this.#received.tryTake(limits.blockBytesMax)) return limits.blockBytesMax
    throw new BusyError('As many objects are being fetched as memory allows. Try again shortly.')
  }

  #linkTo(peer: NodeId, options?: AbortOptions): Promise<ExchangeLink> {
    if (this.#stopped) return Promise.reject(new UnreachableError('This node is stopping.'))
    let opening = this.#links.get(peer)
    if (opening === undefined) {
      const forget = (): void => {
        if (this.#links.get(peer) === opening) this.#links.delete(peer)
      }
      opening = ExchangeLink.open(peer, this.#components, forget)
      this.#links.set(peer, opening)
      opening.catch(forget)
    }
    // The stream is everybody's: one caller giving up must not close it for those who wait beside it.
    return unlessAborted(opening, options?.signal)
  }
}
