// A network of nodes in one process: requests and announcements arrive as bytes, in turns of the event loop,
// unless the pair is cut or the node is down. It counts what passes, so that a test can see a message.

import { type NodeId, UnreachableError } from '@commonhold/core'
import type { PoolNetwork } from '../../src/components.ts'

export class MemoryNetwork {
  readonly #nodes = new Map<NodeId, MemoryPeer>()
  readonly #cut = new Set<string>()
  readonly announcements: { topic: string; from: NodeId }[] = []
  requests = 0

  /** A fresh endpoint for a node; the one it had before is dead. */
  join(id: NodeId): MemoryPeer {
    const peer = new MemoryPeer(this, id)
    this.#nodes.set(id, peer)
    return peer
  }

  leave(id: NodeId): void {
    this.#nodes.delete(id)
  }

  cut(a: NodeId, b: NodeId): void {
    this.#cut.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  heal(): void {
    this.#cut.clear()
  }

  /** A connection opens: both sides are told. */
  connect(a: NodeId, b: NodeId): void {
    this.#nodes.get(a)?.onConnect(b)
    this.#nodes.get(b)?.onConnect(a)
  }

  others(than: NodeId): MemoryPeer[] {
    return [...this.#nodes.values()].filter((peer) => peer.id !== than && this.#reaches(than, peer.id))
  }

  find(from: NodeId, to: NodeId): MemoryPeer {
    const peer = this.#nodes.get(to)
    if (peer === undefined || !this.#reaches(from, to)) throw new UnreachableError(`${to} cannot be reached.`)
    return peer
  }

  #reaches(from: NodeId, to: NodeId): boolean {
    return !this.#cut.has(`${from} ${to}`)
  }
}

export class MemoryPeer implements PoolNetwork {
  readonly id: NodeId
  readonly #network: MemoryNetwork
  #handler: ((from: NodeId, message: Uint8Array) => Promise<Uint8Array>) | undefined
  readonly #topics = new Map<string, (from: NodeId, message: Uint8Array) => void>()
  readonly #listeners: ((peer: NodeId, connected: boolean) => void)[] = []

  constructor(network: MemoryNetwork, id: NodeId) {
    this.#network = network
    this.id = id
  }

  async request(to: NodeId, message: Uint8Array): Promise<Uint8Array> {
    this.#network.requests++
    await turn()
    const answer = await this.#network.find(this.id, to).answer(this.id, message.slice())
    await turn()
    this.#network.find(this.id, to)
    return answer.slice()
  }

  answer(from: NodeId, message: Uint8Array): Promise<Uint8Array> {
    if (this.#handler === undefined) throw new UnreachableError(`${this.id} does not answer.`)
    return this.#handler(from, message)
  }

  handle(handler: (from: NodeId, message: Uint8Array) => Promise<Uint8Array>): void {
    this.#handler = handler
  }

  async announce(topic: string, message: Uint8Array): Promise<void> {
    this.#network.announcements.push({ topic, from: this.id })
    for (const peer of this.#network.others(this.id)) peer.#topics.get(topic)?.(this.id, message.slice())
  }

  subscribe(topic: string, onMessage: (from: NodeId, message: Uint8Array) => void): void {
    this.#topics.set(topic, onMessage)
  }

  unsubscribe(topic: string): void {
    this.#topics.delete(topic)
  }

  onPeer(listener: (peer: NodeId, connected: boolean) => void): void {
    this.#listeners.push(listener)
  }

  onConnect(peer: NodeId): void {
    for (const listener of this.#listeners) listener(peer, true)
  }

  async addAddresses(): Promise<void> {}

  addresses(): readonly string[] {
    return []
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
