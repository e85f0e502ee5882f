// Who holds an object, asked of the DHT. What comes back are claims; the exchange finds out.

import { type AbortOptions, type Clock, type NodeId, UnreachableError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Network } from './network.ts'
import { defaults } from './options.ts'

export interface Discovery {
  /**
   * Peers that say they hold it, each once, as they are found, at most `holdersMax`; ends after
   * `discoverMs` at the latest.
   * @throws UnreachableError when there is nobody to ask.
   */
  holders(root: CID, options?: AbortOptions): AsyncIterable<NodeId>
}

export class DhtDiscovery implements Discovery {
  readonly #network: Network
  readonly #clock: Clock

  constructor(network: Network, clock: Clock) {
    this.#network = network
    this.#clock = clock
  }

  async *holders(root: CID, options?: AbortOptions): AsyncGenerator<NodeId> {
    const { libp2p, nodeId } = this.#network
    if (libp2p.getConnections().length === 0) {
      throw new UnreachableError('This node is connected to nobody whom it could ask.')
    }
    const over = new AbortController()
    const deadline = new AbortController()
    this.#clock.sleep(defaults.discoverMs, { signal: over.signal }).then(
      () => deadline.abort(new Error('searched long enough')),
      () => {
        // The search was over first.
      }
    )
    const signals = options?.signal === undefined ? [deadline.signal] : [deadline.signal, options.signal]
    let found = 0
    try {
      const signal = AbortSignal.any(signals)
      await this.#network.dhtReady({ signal })
      const search = libp2p.contentRouting.findProviders(root, { signal })
      for await (const { id } of search) {
        const holder = id.toString()
        if (holder === nodeId) continue
        yield holder
        found += 1
        if (found >= defaults.holdersMax) return
      }
    } catch (err) {
      options?.signal?.throwIfAborted()
      // At the deadline what was found is the answer.
      if (!deadline.signal.aborted) throw new UnreachableError('The DHT search failed.', { cause: err })
    } finally {
      over.abort(new Error('the search is over'))
    }
  }
}
