// What the bridge remembers about objects so that a hot one costs no look-up: size, type, whether it is on disk.
// Size and type of a content-addressed object never change; locality does, which the age of a card bounds.
// Look-ups under way are shared, since one may fetch the root block.

import { type Clock, unlessAborted } from '@commonhold/core'
import { LRUCache } from 'lru-cache'
import type { CID } from 'multiformats/cid'
import type { Library, PartOptions } from './components.ts'
import type { BridgeOptions } from './options.ts'
import type { MediaType } from './sniff.ts'

export interface Card {
  readonly size: number
  readonly local: boolean
  readonly atMs: number
  /** Filled in when the first bytes were seen. */
  type?: MediaType
}

export class Cards {
  readonly #library: Library
  readonly #clock: Clock
  readonly #ageMsMax: number
  readonly #waitMsMax: number
  readonly #cards: LRUCache<string, Card>
  readonly #asking = new Map<string, Promise<Card>>()

  constructor(library: Library, clock: Clock, options: BridgeOptions) {
    this.#library = library
    this.#clock = clock
    this.#ageMsMax = options.cardAgeMsMax
    this.#waitMsMax = options.upstreamWaitMsMax
    this.#cards = new LRUCache({ max: options.cardsMax })
  }

  /** Without asking anybody. */
  peek(key: string): Card | undefined {
    const card = this.#cards.get(key)
    return card !== undefined && this.#clock.monotonicMs() - card.atMs < this.#ageMsMax ? card : undefined
  }

  /**
   * Shared by all who ask at the same time, so no single caller can call it off; it has a bound of its own.
   * @throws NotFoundError, UnreachableError
   */
  async look(root: CID, key: string, options?: PartOptions): Promise<Card> {
    const known = this.peek(key)
    if (known !== undefined) return known
    let asking = this.#asking.get(key)
    if (asking === undefined) {
      asking = this.#ask(root, key, options?.within).finally(() => this.#asking.delete(key))
      this.#asking.set(key, asking)
    }
    return await unlessAborted(asking, options?.signal)
  }

  async #ask(root: CID, key: string, within: CID | undefined): Promise<Card> {
    const signal = AbortSignal.timeout(this.#waitMsMax)
    const { size, local } = await this.#library.stat(root, { within, signal })
    const before = this.#cards.get(key)
    const card: Card = { size, local, atMs: this.#clock.monotonicMs() }
    if (before?.type !== undefined) card.type = before.type
    this.#cards.set(key, card)
    return card
  }
}
