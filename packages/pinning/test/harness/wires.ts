// A network in one process whose faults are told, not happened upon: latency on the virtual clock,
// partitions, dead nodes and nodes that are stopped (connections open, nobody answers).

import {
  type AbortOptions,
  type NodeId,
  type Random,
  UnreachableError,
  type VirtualClock
} from '@commonhold/core'
import type { PoolNetwork } from '../../src/components.ts'

/** After so long a request counts as unanswered, whoever waits for it. */
const silenceMs = 30_000

type Handler = (from: NodeId, message: Uint8Array) => Promise<Uint8Array>

/** What a node that does not run our code makes of a message. */
export type Twist = (from: NodeId, message: Uint8Array, honest: Handler) => Promise<Uint8Array>

export class Wires {
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #ends = new Map<NodeId, End>()
  readonly #sides = new Map<NodeId, number>()
  readonly #stopped = new Set<NodeId>()
  readonly #cut = new Set<string>()
  latencyMs: { min: number; max: number } = { min: 1, max: 20 }
  requests = 0
  /** Announcements are lost, all of them. */
  mute = false
  /** By node: what answers in place of its handler. */
  readonly twists: Map<NodeId, Twist> = new Map()
  /** Sees every request as it leaves. */
  onRequest: ((from: NodeId, to: NodeId, message: Uint8Array) => void) | undefined

  constructor(clock: VirtualClock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  join(id: NodeId): End {
    const end = new End(this, id)
    this.#ends.set(id, end)
    return end
  }

  /** Its sockets close: the others are told. */
  leave(id: NodeId): void {
    if (!this.#ends.delete(id)) return
    for (const end of this.#ends.values()) end.tell(id, false)
  }

  meet(id: NodeId): void {
    for (const end of this.#ends.values()) if (end.id !== id && this.reaches(id, end.id)) end.tell(id, true)
  }

  /** SIGSTOP: nothing it was sent is answered, nothing it sends arrives. */
  stop(id: NodeId): void {
    this.#stopped.add(id)
  }

  resume(id: NodeId): void {
    this.#stopped.delete(id)
  }

  isStopped(id: NodeId): boolean {
    return this.#stopped.has(id)
  }

  /** Nodes on different sides do not reach one another; unnamed ones are on side 0. */
  part(sides: ReadonlyMap<NodeId, number>): void {
    this.#sides.clear()
    for (const [id, side] of sides) this.#sides.set(id, side)
  }

  /** One link, both ways; the rest of the network is as it was. */
  cut(a: NodeId, b: NodeId): void {
    this.#cut.add(linkOf(a, b))
  }

  mend(a: NodeId, b: NodeId): void {
    this.#cut.delete(linkOf(a, b))
    this.#ends.get(a)?.tell(b, true)
    this.#ends.get(b)?.tell(a, true)
  }

  heal(): void {
    this.#sides.clear()
    this.#cut.clear()
    for (const id of this.#ends.keys()) this.meet(id)
  }

  isUp(id: NodeId): boolean {
    return this.#ends.has(id)
  }

  reaches(from: NodeId, to: NodeId): boolean {
    const sameSide = (this.#sides.get(from) ?? 0) === (this.#sides.get(to) ?? 0)
    return this.#ends.has(to) && sameSide && !this.#cut.has(linkOf(from, to))
  }

  /** One way through the network; silence ends when the network port gives up or the caller does. */
  async travel(from: NodeId, to: NodeId, options?: AbortOptions): Promise<void> {
    const { min, max } = this.latencyMs
    await this.#clock.sleep(min + this.#random.unit() * (max - min), options)
    if (this.#stopped.has(from) || this.#stopped.has(to)) {
      await this.#clock.sleep(silenceMs, options)
      throw new UnreachableError(`${to} did not answer in time.`)
    }
    if (!this.reaches(from, to)) throw new UnreachableError(`${to} cannot be reached.`)
  }

  async carry(from: NodeId, to: NodeId, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    this.requests++
    this.onRequest?.(from, to, message)
    await this.travel(from, to, options)
    const end = this.#ends.get(to)
    if (end?.handler === undefined) throw new UnreachableError(`${to} does not answer.`)
    const twist = this.twists.get(to)
    const answer = await (twist === undefined
      ? end.handler(from, message.slice())
      : twist(from, message.slice(), end.handler))
    await this.travel(to, from, options)
    return answer.slice()
  }

  async spread(from: NodeId, topic: string, message: Uint8Array): Promise<void> {
    if (this.mute) return
    for (const end of this.#ends.values()) {
      if (
        end.id === from ||
        !this.reaches(from, end.id) ||
        this.#stopped.has(from) ||
        this.#stopped.has(end.id)
      )
        continue
      void this.travel(from, end.id).then(
        () => end.topics.get(topic)?.(from, message.slice()),
        () => {
          // An announcement that is lost is lost: gossip promises nothing.
        }
      )
    }
  }
}

function linkOf(a: NodeId, b: NodeId): string {
  return [a, b].sort().join(' ')
}

export class End implements PoolNetwork {
  readonly id: NodeId
  readonly #wires: Wires
  handler: Handler | undefined
  readonly topics: Map<string, (from: NodeId, message: Uint8Array) => void> = new Map()
  readonly #listeners: ((peer: NodeId, connected: boolean) => void)[] = []

  constructor(wires: Wires, id: NodeId) {
    this.#wires = wires
    this.id = id
  }

  request(to: NodeId, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    return this.#wires.carry(this.id, to, message, options)
  }

  handle(handler: Handler): void {
    this.handler = handler
  }

  announce(topic: string, message: Uint8Array): Promise<void> {
    return this.#wires.spread(this.id, topic, message)
  }

  subscribe(topic: string, onMessage: (from: NodeId, message: Uint8Array) => void): void {
    this.topics.set(topic, onMessage)
  }

  unsubscribe(topic: string): void {
    this.topics.delete(topic)
  }

  onPeer(listener: (peer: NodeId, connected: boolean) => void): void {
    this.#listeners.push(listener)
  }

  tell(peer: NodeId, connected: boolean): void {
    for (const listener of this.#listeners) listener(peer, connected)
  }

  async addAddresses(): Promise<void> {}

  addresses(): readonly string[] {
    return []
  }
}
