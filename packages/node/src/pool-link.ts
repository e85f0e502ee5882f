// Our stream to one member and the requests under way on it, matched to their answers by id.

import {
  type AbortOptions,
  BusyError,
  MalformedRecordError,
  type NodeId,
  TooLargeError,
  UnreachableError,
  unlessAborted
} from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import { encodeFrame, type Frame, FrameStream } from './frame-stream.ts'
import { defaults } from './options.ts'
import { poolRefusals, poolWire } from './pool-wire.ts'

interface Asked {
  resolve(answer: Uint8Array): void
  reject(error: unknown): void
}

export class PoolLink {
  readonly #peer: NodeId
  readonly #frames: FrameStream
  readonly #asked = new Map<number, Asked>()
  #nextId = 1

  constructor(peer: NodeId, stream: Stream, onEnd: () => void) {
    this.#peer = peer
    this.#frames = new FrameStream(stream, {
      bodyBytesMax: () => defaults.poolMessageBytesMax,
      queuedBytesMax: 2 * defaults.poolMessageBytesMax,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (error) => {
        onEnd()
        for (const { reject } of this.#asked.values()) {
          reject(new UnreachableError(`${peer} hung up.`, { cause: error }))
        }
        this.#asked.clear()
      }
    })
  }

  abort(error: Error): void {
    this.#frames.abort(error)
  }

  /** @throws UnreachableError, BusyError */
  async request(message: Uint8Array, options?: AbortOptions): Promise<Uint8Array> {
    const signal = options?.signal
    signal?.throwIfAborted()
    if (this.#asked.size >= defaults.poolRequestsPerPeerMax) {
      throw new BusyError(`${this.#peer} has ${this.#asked.size} requests of ours under way.`)
    }
    const id = this.#nextId
    do this.#nextId = this.#nextId === 0xffff_ffff ? 1 : this.#nextId + 1
    while (this.#asked.has(this.#nextId))
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    // The peer may hang up while the question still waits to be written, and nobody for the answer.
    promise.catch(() => {})
    this.#asked.set(id, { resolve, reject })
    try {
      while (this.#frames.open && !this.#frames.ready) await unlessAborted(this.#frames.writable(), signal)
      this.#frames.send(encodeFrame(poolWire.request, id, message))
      return await unlessAborted(promise, signal)
    } finally {
      this.#asked.delete(id)
    }
  }

  #onFrame({ type, id, body }: Frame): void {
    const asked = this.#asked.get(id)
    switch (type) {
      case poolWire.answer:
        asked?.resolve(body.slice())
        return
      case poolWire.refusal:
        asked?.reject(this.#errorOf(body.byteLength === 1 ? body.get(0) : 0))
        return
      default:
        throw new MalformedRecordError('pool message', `answer type ${type}`)
    }
  }

  #errorOf(code: number): Error {
    if (code === poolRefusals.busy) return new BusyError(`${this.#peer} has too many requests under way.`)
    if (code === poolRefusals['too-large']) {
      return new TooLargeError(`The answer of ${this.#peer}`, defaults.poolMessageBytesMax)
    }
    return new UnreachableError(`${this.#peer} failed to answer.`)
  }
}
