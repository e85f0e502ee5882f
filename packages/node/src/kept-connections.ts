// Whom we stay connected to: members one by one, and the bootstrap nodes while we know nobody else.
// Each lost peer is dialled again with growing, jittered delays, without end, because a laptop that
// was asleep for a week is still a member.

import type { AbortOptions, Clock, Log, NodeId, Random } from '@commonhold/core'
import type { Multiaddr } from '@multiformats/multiaddr'
import { defaults } from './options.ts'

export interface KeptConnectionsComponents {
  connected(peer: NodeId): boolean
  anyConnected(): boolean
  dial(target: NodeId | Multiaddr, options?: AbortOptions): Promise<unknown>
  readonly bootstrap: readonly Multiaddr[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Kept {
  readonly target: NodeId | Multiaddr
  readonly abort: AbortController
  /** Ends the present rest early. */
  wake: () => void
}

export class KeptConnections {
  readonly #components: KeptConnectionsComponents
  readonly #kept = new Map<string, Kept>()
  readonly #running = new Set<Promise<void>>()
  #wanted: readonly NodeId[] = []
  #started = false

  constructor(components: KeptConnectionsComponents) {
    this.#components = components
  }

  start(): void {
    this.#started = true
    for (const address of this.#components.bootstrap) this.#keep(address.toString(), address)
    for (const peer of this.#wanted) this.#keep(peer, peer)
  }

  async stop(): Promise<void> {
    this.#started = false
    for (const { abort } of this.#kept.values()) abort.abort(new Error('stopping'))
    this.#kept.clear()
    await Promise.allSettled(this.#running)
  }

  replace(peers: readonly NodeId[]): { added: readonly NodeId[]; removed: readonly NodeId[] } {
    const wanted = new Set(peers)
    const before = new Set(this.#wanted)
    const added = [...wanted].filter((peer) => !before.has(peer))
    const removed = [...before].filter((peer) => !wanted.has(peer))
    this.#wanted = [...wanted]
    for (const peer of removed) {
      this.#kept.get(peer)?.abort.abort(new Error('no longer kept'))
      this.#kept.delete(peer)
    }
    if (this.#started) for (const peer of added) this.#keep(peer, peer)
    return { added, removed }
  }

  /** The connection to this peer has just closed: look now, not after the rest. */
  wake(peer: NodeId): void {
    this.#kept.get(peer)?.wake()
    for (const { target, wake } of this.#kept.values()) if (typeof target !== 'string') wake()
  }

  #keep(key: string, target: NodeId | Multiaddr): void {
    if (this.#kept.has(key)) return
    const kept: Kept = { target, abort: new AbortController(), wake: () => {} }
    this.#kept.set(key, kept)
    const run = this.#hold(kept)
      .catch(() => {
        // Ends by its signal only: stopped, or no longer kept.
      })
      .finally(() => this.#running.delete(run))
    this.#running.add(run)
  }

  async #hold(kept: Kept): Promise<void> {
    const { target } = kept
    const { signal } = kept.abort
    let delayMs = defaults.redialMs
    while (!signal.aborted) {
      if (this.#isHeld(target)) {
        delayMs = defaults.redialMs
        await this.#rest(kept, defaults.redialMsMax)
        continue
      }
      try {
        await this.#components.dial(target, { signal })
        // A peer that takes the call and hangs up must not make a loop without a pause.
        await this.#rest(kept, defaults.redialMs)
      } catch (err) {
        this.#components.log.debug('dialling a kept peer failed', {
          peer: String(target),
          reason: String(err)
        })
        // Between half and all of the delay, so that members cut off together do not return in step.
        await this.#components.clock.sleep(delayMs * (0.5 + this.#components.random.unit() / 2), { signal })
        delayMs = Math.min(delayMs * 2, defaults.redialMsMax)
      }
    }
  }

  #isHeld(target: NodeId | Multiaddr): boolean {
    return typeof target === 'string' ? this.#components.connected(target) : this.#components.anyConnected()
  }

  async #rest(kept: Kept, ms: number): Promise<void> {
    const rest = new AbortController()
    kept.wake = () => rest.abort()
    const signal = AbortSignal.any([kept.abort.signal, rest.signal])
    await this.#components.clock.sleep(ms, { signal }).catch(() => {
      // Woken, or ended: the loop looks which.
    })
  }
}
