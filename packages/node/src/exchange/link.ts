// One stream to one peer, and the requests under way on it. Every block is checked against the CID the
// walk asks for next before anybody sees it; a block nobody asked for is as wrong as a damaged one.

import {
  type AbortOptions,
  BusyError,
  type Clock,
  ConflictError,
  CorruptBlockError,
  DeniedError,
  limits,
  type NodeId,
  NotFoundError,
  TooLargeError,
  UnreachableError
} from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { Uint8ArrayList } from 'uint8arraylist'
import { verifyBlock } from '../block-store.ts'
import { type Frame, FrameStream } from '../frame-stream.ts'
import type { ByteRange } from '../object-dag.ts'
import { type FilePiece, ObjectWalk } from '../object-walk.ts'
import { defaults } from '../options.ts'
import { bodyBytesMax } from './served-stream.ts'
import { type Answer, decodeAnswer, encodeQuestion, exchangeProtocol, type Refusal } from './wire.ts'

/** A verified block, and the file bytes in the asked range that it holds, if it is a leaf. */
export interface FetchedBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
  readonly piece?: FilePiece
  /** File bytes of the whole object; of a DAG, bytes of the blocks up to this one. */
  readonly size: number
  readonly kind: 'file' | 'dag'
  /** How far the read has come with it, in what its range counts: an inner block of a file does not move it. */
  readonly position: number
}

interface LinkComponents {
  openStream(peer: NodeId, protocol: string, options?: AbortOptions): Promise<Stream>
  readonly clock: Clock
}

interface LinkGetOptions extends AbortOptions {
  readonly repair?: boolean
  readonly within?: CID | undefined
  readonly after?: ObjectWalk | undefined
  readonly windowBytes: number
}

/** What a request does with an answer. True: it has ended. */
interface Asked {
  onAnswer(answer: Answer): boolean
  fail(error: Error): void
  /** Since when something is waited for that does not come; absent while the reader is the slow one. */
  readonly waitingSinceMs: number | undefined
}

export class ExchangeLink {
  readonly #peer: NodeId
  readonly #clock: Clock
  readonly #frames: FrameStream
  readonly #asked = new Map<number, Asked>()
  readonly #ended = new AbortController()
  #nextId = 1
  #watching = false
  #usedMs: number

  private constructor(peer: NodeId, clock: Clock, stream: Stream, onEnd: () => void) {
    this.#peer = peer
    this.#clock = clock
    this.#usedMs = clock.monotonicMs()
    this.#frames = new FrameStream(stream, {
      bodyBytesMax: () => bodyBytesMax,
      queuedBytesMax: defaults.exchangeQueuedBytesMax,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (error) => {
        onEnd()
        this.#ended.abort(new Error('the stream has ended'))
        for (const asked of this.#asked.values()) {
          asked.fail(new UnreachableError(`${peer} closed the exchange.`, { cause: error }))
        }
        this.#asked.clear()
      }
    })
  }

  /** @throws UnreachableError */
  static async open(peer: NodeId, components: LinkComponents, onEnd: () => void): Promise<ExchangeLink> {
    const stream = await components.openStream(peer, exchangeProtocol)
    return new ExchangeLink(peer, components.clock, stream, onEnd)
  }

  abort(error: Error): void {
    this.#frames.abort(error)
  }

  /** Since when nothing was asked; absent while something is. */
  get idleSinceMs(): number | undefined {
    return this.#asked.size > 0 ? undefined : this.#usedMs
  }

  async close(options?: AbortOptions): Promise<void> {
    await this.#frames.close(options)
  }

  async *get(root: CID, range: ByteRange, options: LinkGetOptions): AsyncGenerator<FetchedBlock> {
    const { signal, repair = false, within, after, windowBytes } = options
    signal?.throwIfAborted()
    const id = this.#newId()
    const walk = after?.fork(range.to) ?? new ObjectWalk(root, range)
    const request = new LinkRequest(this.#peer, root, walk, windowBytes, this.#clock, (bytes) => {
      this.#frames.send(encodeQuestion(id, { kind: 'credit', bytes }))
    })
    const onAbort = (): void => request.fail(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#asked.set(id, request)
    try {
      const unit = after === undefined ? 'bytes' : 'blocks'
      const owner = within === undefined ? {} : { within }
      const question = { kind: 'get', root, ...owner, range, unit, repair, credit: windowBytes } as const
      this.#frames.send(encodeQuestion(id, question))
      this.#watch()
      for (let block = await request.take(); block !== undefined; block = await request.take()) yield block
    } finally {
      signal?.removeEventListener('abort', onAbort)
      // Still known here means that it has not ended at the other side either.
      if (this.#asked.delete(id) && this.#frames.open) {
        this.#frames.send(encodeQuestion(id, { kind: 'cancel' }))
      }
    }
  }

  async have(roots: readonly CID[], options?: AbortOptions): Promise<readonly boolean[]> {
    const signal = options?.signal
    signal?.throwIfAborted()
    const id = this.#newId()
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    const onAbort = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#asked.set(id, {
      waitingSinceMs: this.#clock.monotonicMs(),
      fail: reject,
      onAnswer: (answer) => {
        if (answer.kind === 'bitmap' && answer.bits.length === Math.ceil(roots.length / 8))
          resolve(answer.bits)
        else if (answer.kind === 'refusal') reject(errorOf(answer.reason, 'The list of objects', this.#peer))
        else reject(new UnreachableError(`${this.#peer} answered something else than was asked.`))
        return true
      }
    })
    try {
      this.#frames.send(encodeQuestion(id, { kind: 'have', roots }))
      this.#watch()
      const bits = await promise
      return roots.map((_, i) => ((bits[i >> 3] ?? 0) & (0x80 >> (i & 7))) !== 0)
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#asked.delete(id)
    }
  }

  #newId(): number {
    if (!this.#frames.open) throw new UnreachableError(`${this.#peer} closed the exchange.`)
    this.#usedMs = this.#clock.monotonicMs()
    const id = this.#nextId
    // After 2^32 requests on one stream the ids begin again; those still under way are skipped.
    do this.#nextId = this.#nextId === 0xffff_ffff ? 1 : this.#nextId + 1
    while (this.#asked.has(this.#nextId))
    return id
  }

  #onFrame(frame: Frame): void {
    const answer = decodeAnswer(frame)
    const asked = this.#asked.get(frame.id)
    // What was under way when a request was cancelled still arrives, and is let go.
    if (asked === undefined) return
    let ended: boolean
    try {
      ended = asked.onAnswer(answer)
    } catch (err) {
      asked.fail(err instanceof Error ? err : new Error(String(err)))
      return
    }
    if (ended) this.#asked.delete(frame.id)
  }

  /** One timer for all requests of the link, and none while nothing is asked. */
  #watch(): void {
    if (this.#watching) return
    this.#watching = true
    this.#failStalled().catch(() => {
      // The stream has ended, and with it every request.
    })
  }

  async #failStalled(): Promise<void> {
    while (this.#asked.size > 0) {
      await this.#clock.sleep(defaults.sourceBudgetMs / 16, { signal: this.#ended.signal })
      const nowMs = this.#clock.monotonicMs()
      for (const asked of this.#asked.values()) {
        if (nowMs - (asked.waitingSinceMs ?? nowMs) < defaults.sourceBudgetMs) continue
        asked.fail(new UnreachableError(`${this.#peer} sent nothing for ${defaults.sourceBudgetMs} ms.`))
      }
    }
    this.#watching = false
  }
}

/** A get under way: assembles, verifies, and lets the source send on as the reader takes. */
class LinkRequest implements Asked {
  readonly #peer: NodeId
  readonly #root: CID
  readonly #walk: ObjectWalk
  readonly #windowBytes: number
  readonly #clock: Clock
  readonly #grant: (bytes: number) => void
  readonly #blocks: FetchedBlock[] = []
  #partial: { readonly bytes: Uint8Array; at: number } | undefined
  /** What the source may still send. */
  #credit: number
  /** Taken by the reader and not yet granted anew. */
  #taken = 0
  #outcome: { readonly error?: Error } | undefined
  #wake: (() => void) | undefined
  waitingSinceMs: number | undefined

  constructor(
    peer: NodeId,
    root: CID,
    walk: ObjectWalk,
    windowBytes: number,
    clock: Clock,
    grant: (bytes: number) => void
  ) {
    this.#peer = peer
    this.#root = root
    this.#walk = walk
    this.#windowBytes = windowBytes
    this.#credit = windowBytes
    this.#clock = clock
    this.#grant = grant
  }

  /** The next block; absent after the last. */
  async take(): Promise<FetchedBlock | undefined> {
    for (;;) {
      const block = this.#blocks.shift()
      if (block !== undefined) {
        this.#taken += block.bytes.length
        this.#grantTaken()
        return block
      }
      if (this.#outcome?.error !== undefined) throw this.#outcome.error
      if (this.#outcome !== undefined) return undefined
      this.waitingSinceMs = this.#clock.monotonicMs()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  fail(error: Error): void {
    this.#finish({ error })
  }

  /** @throws CorruptBlockError, MalformedRecordError */
  onAnswer(answer: Answer): boolean {
    switch (answer.kind) {
      case 'block':
        this.#beginBlock(answer.length)
        return this.#append(answer.data)
      case 'more':
        return this.#append(answer.data)
      case 'end':
        if (this.#walk.next === undefined) this.#finish({})
        else this.fail(new UnreachableError(`${this.#peer} ended object ${this.#root} before its end.`))
        return true
      case 'refusal':
        this.fail(errorOf(answer.reason, `Object ${this.#root}`, this.#peer))
        return true
      case 'bitmap':
        throw new CorruptBlockError(this.#root.toString(), `from ${this.#peer}, a list instead of blocks,`)
    }
  }

  #beginBlock(length: number): void {
    const step = this.#walk.next
    if (this.#partial !== undefined || step === undefined || length > step.bytesMax) {
      throw new CorruptBlockError(String(step?.cid ?? this.#root), `from ${this.#peer}, of ${length} bytes,`)
    }
    // Not more than one block per request, and that within the window: what a liar can make us hold.
    this.#partial = { bytes: Buffer.allocUnsafeSlow(length), at: 0 }
  }

  /** True after the last block: the server's `end` says nothing more, and is not waited for. */
  #append(data: Uint8ArrayList): boolean {
    const partial = this.#partial
    const step = this.#walk.next
    if (partial === undefined || step === undefined || partial.at + data.byteLength > partial.bytes.length) {
      throw new CorruptBlockError(this.#root.toString(), `from ${this.#peer}, longer than it said,`)
    }
    this.#credit -= data.byteLength
    if (this.#credit < 0)
      throw new CorruptBlockError(step.cid.toString(), `from ${this.#peer}, beyond its credit,`)
    for (const chunk of data) {
      partial.bytes.set(chunk, partial.at)
      partial.at += chunk.length
    }
    if (this.waitingSinceMs !== undefined) this.waitingSinceMs = this.#clock.monotonicMs()
    if (partial.at < partial.bytes.length) {
      this.#grantTaken()
      return false
    }
    this.#partial = undefined
    verifyBlock(step.cid, partial.bytes, `from ${this.#peer}`)
    const piece = this.#walk.accept(partial.bytes)
    const { size = 0, kind = 'file', position } = this.#walk
    const block = { cid: step.cid, bytes: partial.bytes, size, kind, position }
    this.#blocks.push(piece === undefined ? block : { ...block, piece })
    if (this.#walk.next !== undefined) {
      this.#wakeReader()
      return false
    }
    this.#finish({})
    return true
  }

  /** In quarters of the window, to save frames; at once when the next block could not complete. */
  #grantTaken(): void {
    if (this.#taken === 0 || this.#walk.next === undefined) return
    const completes = this.#credit + (this.#partial?.at ?? 0) >= limits.blockBytesMax
    if (this.#taken < this.#windowBytes / 4 && completes) return
    const bytes = this.#taken
    this.#taken = 0
    this.#credit += bytes
    this.#grant(bytes)
  }

  #finish(outcome: { readonly error?: Error }): void {
    this.#outcome ??= outcome
    // Verified blocks are still the reader's; a half block is nobody's.
    this.#partial = undefined
    this.#wakeReader()
  }

  #wakeReader(): void {
    this.waitingSinceMs = undefined
    this.#wake?.()
    this.#wake = undefined
  }
}

function errorOf(reason: Refusal, subject: string, peer: NodeId): Error {
  switch (reason) {
    case 'not-found':
      return new NotFoundError(`${subject} is not at ${peer}.`)
    case 'denied':
      return new DeniedError(subject, [`${peer} refuses to serve it`])
    case 'busy':
      return new BusyError(`${peer} has too many requests of ours under way.`)
    case 'too-large':
      return new TooLargeError(subject, limits.objectBytesMax)
    case 'enough':
      return new ConflictError(`${subject} has enough copies, says ${peer}.`)
    case 'failed':
      return new UnreachableError(`${peer} could not read ${subject}.`)
    case 'stalled':
      return new UnreachableError(`${peer} stopped sending ${subject}, because it was not taken.`)
  }
}
