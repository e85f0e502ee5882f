// Requests and answers between members, and announcements to all of them. Messages are opaque: what
// they mean is the pinning layer's business. One stream per peer and direction carries any number of
// requests; every queue on it is bounded, at a member's as at a stranger's.
// Normative text: docs/protocol/pool.md.

import {
  type AbortOptions,
  BusyError,
  type Clock,
  InvalidInputError,
  type Log,
  type NodeId,
  UnreachableError,
  unlessAborted
} from '@commonhold/core'
import type { Message } from '@libp2p/gossipsub'
import type { Stream } from '@libp2p/interface'
import { encodeFrame, type Frame, FrameStream } from './frame-stream.ts'
import type { Network } from './network.ts'
import { defaults } from './options.ts'
import { PoolLink } from './pool-link.ts'
import { poolProtocol, poolRefusals, poolWire } from './pool-wire.ts'

export interface PoolNetworkComponents {
  readonly network: Network
  /** Whether a peer shares a pool with us: members may ask more, and longer. */
  isMember(peer: NodeId): boolean
  readonly clock: Clock
  readonly log: Log
}

export interface PoolRequestOptions extends AbortOptions {
  /** The caller ends the wait itself, by its signal. @default false */
  readonly patient?: boolean
}

/** One reason for all, because making an exception for every answer costs more than many answers. */
const requestOver = new Error('the request is over')

type Handler = (from: NodeId, message: Uint8Array) => Promise<Uint8Array>
type Listener = (from: NodeId, message: Uint8Array) => void

/** Satisfies the `PoolNetwork` port of the pinning layer over libp2p. */
export class Libp2pPoolNetwork implements AsyncDisposable {
  readonly #components: PoolNetworkComponents
  readonly #links = new Map<NodeId, Promise<PoolLink>>()
  readonly #served = new Set<FrameStream>()
  readonly #underWay = new Map<NodeId, number>()
  readonly #listeners = new Map<string, Listener>()
  readonly #onMessage = ({ detail }: CustomEvent<Message>): void => this.#deliver(detail)
  #handler: Handler | undefined

  constructor(components: PoolNetworkComponents) {
    this.#components = components
  }

  async start(): Promise<void> {
    const { network } = this.#components
    network.libp2p.services.gossip.addEventListener('message', this.#onMessage)
    await network.handle(poolProtocol, (peer, stream) => this.accept(peer, stream))
  }

  async stop(): Promise<void> {
    const { network } = this.#components
    network.libp2p.services.gossip.removeEventListener('message', this.#onMessage)
    for (const topic of this.#listeners.keys()) this.unsubscribe(topic)
    await network.unhandle(poolProtocol)
    const stopping = new UnreachableError('This node is stopping.')
    for (const link of await Promise.allSettled(this.#links.values())) {
      if (link.status === 'fulfilled') link.value.abort(stopping)
    }
    for (const frames of this.#served) frames.abort(stopping)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  handle(handler: Handler): void {
    this.#handler = handler
  }

  async request(to: NodeId, message: Uint8Array, options?: PoolRequestOptions): Promise<Uint8Array> {
    if (message.length > defaults.poolMessageBytesMax) {
      throw new InvalidInputError(
        `A message has at most ${defaults.poolMessageBytesMax} bytes, not ${message.length}.`
      )
    }
    const over = new AbortController()
    const signal = options?.patient === true ? options.signal : this.#patience(to, over.signal, options)
    try {
      const link = await unlessAborted(this.#linkTo(to), signal)
      return await link.request(message, signal === undefined ? {} : { signal })
    } finally {
      over.abort(requestOver)
    }
  }

  /** Serves one incoming stream of a peer whose identity the connection has proven. */
  accept(peer: NodeId, stream: Stream): void {
    const isMember = (): boolean => this.#components.isMember(peer)
    const frames = new FrameStream(stream, {
      bodyBytesMax: () =>
        isMember() ? defaults.poolMessageBytesMax : defaults.poolMessageFromStrangerBytesMax,
      queuedBytesMax: 2 * defaults.poolMessageBytesMax,
      onFrame: (frame) => {
        if (frame.type !== poolWire.request)
          throw new InvalidInputError(`no pool request: type ${frame.type}`)
        this.#serve(peer, frames, frame)
      },
      onClose: (error) => {
        this.#served.delete(frames)
        if (error !== undefined)
          this.#components.log.debug('pool stream ended', { peer, reason: error.message })
      }
    })
    this.#served.add(frames)
  }

  async announce(topic: string, message: Uint8Array): Promise<void> {
    if (message.length > defaults.announcementBytesMax) {
      throw new InvalidInputError(
        `An announcement has at most ${defaults.announcementBytesMax} bytes, not ${message.length}.`
      )
    }
    await this.#components.network.libp2p.services.gossip.publish(topic, message)
  }

  /** One listener per topic; a second takes the place of the first. */
  subscribe(topic: string, onMessage: Listener): void {
    this.#listeners.set(topic, onMessage)
    this.#components.network.libp2p.services.gossip.subscribe(topic)
  }

  unsubscribe(topic: string): void {
    if (this.#listeners.delete(topic)) this.#components.network.libp2p.services.gossip.unsubscribe(topic)
  }

  onPeer(listener: (peer: NodeId, connected: boolean) => void): void {
    this.#components.network.onPeer(listener)
  }

  async addAddresses(peer: NodeId, addresses: readonly string[]): Promise<void> {
    await this.#components.network.addAddresses(peer, addresses)
  }

  addresses(): readonly string[] {
    return this.#components.network.addresses()
  }

  /** The caller's signal, or one that fires when the answer is overdue. */
  #patience(to: NodeId, over: AbortSignal, options?: AbortOptions): AbortSignal {
    const timeout = new AbortController()
    this.#components.clock.sleep(defaults.poolRequestMs, { signal: over }).then(
      () => timeout.abort(new UnreachableError(`${to} did not answer within ${defaults.poolRequestMs} ms.`)),
      () => {
        // The request was over first.
      }
    )
    return options?.signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, options.signal])
  }

  #linkTo(peer: NodeId): Promise<PoolLink> {
    let opening = this.#links.get(peer)
    if (opening === undefined) {
      const forget = (): void => {
        if (this.#links.get(peer) === opening) this.#links.delete(peer)
      }
      opening = this.#components.network
        .openStream(peer, poolProtocol)
        .then((stream) => new PoolLink(peer, stream, forget))
      this.#links.set(peer, opening)
      opening.catch(forget)
    }
    return opening
  }

  #serve(peer: NodeId, frames: FrameStream, frame: Frame): void {
    const count = this.#underWay.get(peer) ?? 0
    const max = this.#components.isMember(peer)
      ? defaults.poolRequestsPerPeerMax
      : defaults.poolRequestsPerStrangerMax
    if (count >= max) {
      frames.send(encodeFrame(poolWire.refusal, frame.id, Uint8Array.of(poolRefusals.busy)))
      return
    }
    this.#underWay.set(peer, count + 1)
    this.#answer(peer, frames, frame)
      .catch((err: unknown) => {
        this.#components.log.debug('answering a member failed', { peer, reason: String(err) })
      })
      .finally(() => {
        const rest = (this.#underWay.get(peer) ?? 1) - 1
        if (rest === 0) this.#underWay.delete(peer)
        else this.#underWay.set(peer, rest)
      })
  }

  async #answer(peer: NodeId, frames: FrameStream, frame: Frame): Promise<void> {
    let answer: Uint8Array | undefined
    try {
      if (this.#handler === undefined) throw new BusyError('This node does not answer members yet.')
      answer = await this.#handler(peer, frame.body.slice())
    } catch (err) {
      this.#components.log.warn('a request of a member failed here', { peer, reason: String(err) })
    }
    // Counts as under way until it can be written, so that a peer that does not read asks no more.
    while (frames.open && !frames.ready) await frames.writable()
    if (!frames.open) return
    if (answer === undefined) {
      frames.send(encodeFrame(poolWire.refusal, frame.id, Uint8Array.of(poolRefusals.failed)))
    } else if (answer.length > defaults.poolMessageBytesMax) {
      this.#components.log.error('an answer is larger than a message may be', { peer, bytes: answer.length })
      frames.send(encodeFrame(poolWire.refusal, frame.id, Uint8Array.of(poolRefusals['too-large'])))
    } else {
      frames.send(encodeFrame(poolWire.answer, frame.id, answer))
    }
  }

  /** Gossip has checked the signature: `from` is the author, whoever passed it on. */
  #deliver(message: Message): void {
    if (message.type !== 'signed') return
    this.#listeners.get(message.topic)?.(message.from.toString(), message.data)
  }
}
