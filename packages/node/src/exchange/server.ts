// The serving half of the exchange: accepts streams, asks every door question before a byte is read,
// and counts what each peer has under way. What is sent was verified when it was read. It never
// queues more for a peer than that peer gave credit for.

import { BusyError, type Clock, type ContentPolicy, type Log, type NodeId } from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import type { BlockStore } from '../block-store.ts'
import { defaults } from '../options.ts'
import { ByteBudget } from './byte-budget.ts'
import { whileQuiet } from './quiet.ts'
import { ServedStream } from './served-stream.ts'
import type { Refusal } from './wire.ts'

export interface ExchangeServerComponents {
  readonly blocks: Pick<BlockStore, 'get'>
  /** Complete objects: only their roots are served, so that no inner block is a way around a door. */
  readonly objects: {
    has(root: CID): Promise<boolean>
    /** Whether the block is one of this complete object. */
    contains(root: CID, block: CID): Promise<boolean>
  }
  readonly policy: ContentPolicy
  readonly access: ExchangeAccess
  readonly clock: Clock
  readonly log: Log
}

/** What the pools decide about a peer's questions. */
export interface ExchangeAccess {
  /** Members get more. Asked often, so it must be cheap. */
  isMember(peer: NodeId): boolean
  /** False for members-only objects and peers that are none; they are told `not-found`. */
  mayServe(root: CID, peer: NodeId): Promise<boolean>
  /** Whether a peer that means to keep a copy need not: holders and open fetches reach the target. */
  enough(root: CID, peer: NodeId): Promise<boolean>
}

/** For a node in no pool: everybody is a stranger and may have what the policy allows. */
export const openAccess: ExchangeAccess = {
  isMember: () => false,
  mayServe: async () => true,
  enough: async () => false
}

export class ExchangeServer implements AsyncDisposable {
  readonly #components: ExchangeServerComponents
  readonly #memberBytes = new ByteBudget(defaults.exchangeSendBytesMax)
  /** Strangers share a quarter of what members have, so that they cannot hold it all. */
  readonly #strangerBytes = new ByteBudget(defaults.exchangeSendBytesMax / 4)
  readonly #requests = new Map<NodeId, number>()
  /** Oldest first, with whose it is. */
  readonly #streams = new Map<ServedStream, NodeId>()
  readonly #stopped = new AbortController()

  constructor(components: ExchangeServerComponents) {
    this.#components = components
  }

  /** From now on, streams on which nothing is asked are closed after a while. */
  start(): void {
    whileQuiet(this.#components.clock, this.#stopped.signal, (nowMs) => {
      // Later than the asker would: who is about to ask must not find the door just shut.
      const idleMs = 2 * defaults.exchangeIdleMs
      for (const stream of this.#streams.keys()) {
        if (nowMs - (stream.idleSinceMs ?? nowMs) >= idleMs) stream.abort(new Error('nothing was asked'))
      }
    })
  }

  /** Serves one incoming stream of a peer whose identity the connection has proven. */
  accept(peer: NodeId, stream: Stream): void {
    const { blocks, clock, log } = this.#components
    const served = new ServedStream(stream, {
      clock,
      readBlock: (cid, options) => blocks.get(cid, options),
      budget: () => (this.#components.access.isMember(peer) ? this.#memberBytes : this.#strangerBytes),
      enter: () => this.#enter(peer),
      leave: () => this.#leave(peer),
      refusalFor: (root, repair, within) => this.#refusalFor(peer, root, repair, within),
      onEnd: (error) => {
        this.#streams.delete(served)
        if (error !== undefined) log.debug('exchange stream ended', { peer, reason: error.message })
      },
      onFailure: (root, error) => {
        log.warn('serving an object failed', { peer, root: root.toString(), reason: String(error) })
      }
    })
    this.#streams.set(served, peer)
    // The oldest goes, not the newest: after a broken line the old ones are those that nobody hears.
    const own = [...this.#streams.keys()].filter((stream) => this.#streams.get(stream) === peer)
    for (const stream of own.slice(0, -defaults.exchangeStreamsPerPeerMax)) {
      stream.abort(new BusyError('A newer stream of the same peer has taken its place.'))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new Error('stopping'))
    for (const stream of this.#streams.keys()) stream.abort(new BusyError('This node is stopping.'))
  }

  /** Blocks read and not yet sent, in bytes. */
  get heldBytes(): number {
    return this.#memberBytes.held + this.#strangerBytes.held
  }

  /** Requests under way, of all peers. */
  get requestCount(): number {
    let count = 0
    for (const own of this.#requests.values()) count += own
    return count
  }

  #enter(peer: NodeId): boolean {
    const count = this.#requests.get(peer) ?? 0
    const max = this.#components.access.isMember(peer)
      ? defaults.exchangeRequestsPerMemberMax
      : defaults.exchangeRequestsPerStrangerMax
    if (count >= max) return false
    this.#requests.set(peer, count + 1)
    return true
  }

  #leave(peer: NodeId): void {
    const count = (this.#requests.get(peer) ?? 1) - 1
    if (count === 0) this.#requests.delete(peer)
    else this.#requests.set(peer, count)
  }

  /** Every door question, cheapest first. Absent: it may be served. */
  async #refusalFor(peer: NodeId, root: CID, repair: boolean, within = root): Promise<Refusal | undefined> {
    const { access, objects, policy } = this.#components
    if (!(await objects.has(within))) return 'not-found'
    if (within !== root && !(await objects.contains(within, root))) return 'not-found'
    if (!(await access.mayServe(within, peer))) return 'not-found'
    // A picture denied by itself is not to be had as a part of a folder either.
    for (const each of within === root ? [root] : [within, root]) {
      const digest = each.code === rawCode ? { digest: each.multihash.digest } : {}
      const { verdict } = await policy.decide({ root: each, ...digest })
      // Quarantine stops showing a picture to people, not keeping its copies.
      if (verdict === 'deny' || (verdict === 'quarantine' && !access.isMember(peer))) return 'denied'
    }
    if (repair && (await access.enough(root, peer))) return 'enough'
    return undefined
  }
}
