// Frames over a libp2p stream: length, type, request id, body. Shared by the protocols that keep one
// long-lived stream per peer and multiplex requests on it, because opening a stream costs 5-9 ms.
// It bounds a frame before anything is kept of it, and it tells writers when to wait.
// Normative text: docs/protocol/exchange.md, docs/protocol/pool.md.

import type { AbortOptions } from '@commonhold/core'
import { MalformedRecordError, UnreachableError } from '@commonhold/core'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'

export interface Frame {
  readonly type: number
  /** Chosen by the requester, ascending; unsigned 32 bits. */
  readonly id: number
  readonly body: Uint8ArrayList
}

/** Length of everything after the length itself: type (1), id (4), body. */
const lengthBytes = 4
const frameHeadBytes = 5

/** Cuts received chunks into frames. Keeps at most one frame's bytes and what came with its end. */
export class FrameDecoder {
  readonly #bodyBytesMax: () => number
  readonly #received = new Uint8ArrayList()

  /** @param bodyBytesMax asked at every frame, because a stranger may become a member meanwhile. */
  constructor(bodyBytesMax: () => number) {
    this.#bodyBytesMax = bodyBytesMax
  }

  /** @throws MalformedRecordError; the stream is then of no further use. */
  *push(chunk: Uint8Array | Uint8ArrayList): Generator<Frame> {
    const received = this.#received
    received.append(chunk)
    while (received.byteLength >= lengthBytes) {
      const length = received.getUint32(0)
      const lengthMax = frameHeadBytes + this.#bodyBytesMax()
      if (length < frameHeadBytes || length > lengthMax) {
        throw new MalformedRecordError('frame', `its length is ${length}, at most ${lengthMax} allowed`)
      }
      const end = lengthBytes + length
      if (received.byteLength < end) return
      const type = received.get(lengthBytes)
      const id = received.getUint32(lengthBytes + 1)
      const body = received.sublist(lengthBytes + frameHeadBytes, end)
      received.consume(end)
      yield { type, id, body }
    }
  }

  /** Whether the bytes so far end between two frames. */
  get atBoundary(): boolean {
    return this.#received.byteLength === 0
  }
}

/** The bytes of one frame; the parts are not copied, so they must not change until sent. */
export function encodeFrame(type: number, id: number, ...parts: Uint8Array[]): Uint8ArrayList {
  let bodyBytes = 0
  for (const part of parts) bodyBytes += part.length
  const head = new Uint8Array(lengthBytes + frameHeadBytes)
  const view = new DataView(head.buffer)
  view.setUint32(0, frameHeadBytes + bodyBytes)
  view.setUint8(lengthBytes, type)
  view.setUint32(lengthBytes + 1, id)
  return new Uint8ArrayList(head, ...parts)
}

export interface FrameStreamInit {
  bodyBytesMax(): number
  /** Most bytes queued for a peer that does not read; more ends the stream. */
  readonly queuedBytesMax: number
  /** Called in order. Throwing ends the stream. */
  onFrame(frame: Frame): void
  /** Called once; absent error means the peer closed it in order. */
  onClose(error?: Error): void
}

export class FrameStream {
  readonly #stream: Stream
  readonly #init: FrameStreamInit
  readonly #decoder: FrameDecoder
  #closed = false
  #drainWaiters: (() => void)[] = []

  constructor(stream: Stream, init: FrameStreamInit) {
    this.#stream = stream
    this.#init = init
    this.#decoder = new FrameDecoder(() => init.bodyBytesMax())
    stream.maxWriteBufferLength = init.queuedBytesMax
    // Listeners of our own and not `stream.onDrain()`: its promise is made once and stays resolved,
    // so a second wait would spin.
    stream.addEventListener('drain', () => this.#wakeWriters())
    stream.addEventListener('close', (event: StreamCloseEvent) => this.#onClosed(event.error))
    stream.addEventListener('remoteCloseWrite', () => this.#onClosed())
    stream.addEventListener('message', (event: StreamMessageEvent) => this.#onMessage(event.data))
  }

  get open(): boolean {
    return !this.#closed && this.#stream.writeStatus === 'writable'
  }

  /** Whether more may be written without waiting for `writable`. */
  get ready(): boolean {
    return !this.#stream.writableNeedsDrain
  }

  /**
   * Queues bytes of whole frames. False means: wait for `writable` before sending more.
   * @throws UnreachableError when the stream has ended.
   */
  send(frames: Uint8ArrayList): boolean {
    try {
      return this.#stream.send(frames)
    } catch (err) {
      const ended = new UnreachableError('The stream to the peer has ended.', { cause: err })
      // It may have ended before we listened: then nobody has told its owner, who would ask it for ever.
      this.abort(ended)
      throw ended
    }
  }

  /** Resolves when the peer takes more, or when the stream has ended. */
  async writable(): Promise<void> {
    while (!this.#closed && this.#stream.writableNeedsDrain) {
      await new Promise<void>((resolve) => this.#drainWaiters.push(resolve))
    }
  }

  abort(error: Error): void {
    this.#onClosed(error)
    this.#stream.abort(error)
  }

  /** Says goodbye in order; what was sent still arrives. */
  async close(options?: AbortOptions): Promise<void> {
    this.#onClosed()
    await this.#stream.close(options)
  }

  #onMessage(chunk: Uint8Array | Uint8ArrayList): void {
    if (this.#closed) return
    try {
      for (const frame of this.#decoder.push(chunk)) {
        this.#init.onFrame(frame)
        if (this.#closed) return
      }
    } catch (err) {
      this.abort(err instanceof Error ? err : new Error(String(err)))
    }
  }

  #onClosed(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#wakeWriters()
    this.#init.onClose(error)
    // The peer has closed its side; without this the stream stays half open for ever.
    if (error === undefined && this.#stream.writeStatus === 'writable') {
      this.#stream.close().catch(() => {
        // Closing a stream that is already gone changes nothing for anyone.
      })
    }
  }

  #wakeWriters(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    // After the stream's own listener, which first hands on what it has queued.
    queueMicrotask(() => {
      for (const wake of waiters) wake()
    })
  }
}
