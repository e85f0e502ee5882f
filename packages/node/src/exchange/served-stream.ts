// One incoming exchange stream: the requests on it take turns frame by frame, so that a picture does
// not wait for a film. Each request reads at most one block ahead, and only when the peer has given
// credit for it; a request without credit for too long is dropped with what it holds.

import { type AbortOptions, type Clock, MalformedRecordError } from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { Uint8ArrayList } from 'uint8arraylist'
import { type Frame, FrameStream } from '../frame-stream.ts'
import { ObjectWalk } from '../object-walk.ts'
import { defaults } from '../options.ts'
import type { ByteBudget } from './byte-budget.ts'
import { decodeQuestion, encodeAnswer, encodeBlockPart, type Question, type Refusal } from './wire.ts'

export interface ServedStreamInit {
  readonly clock: Clock
  readBlock(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  budget(): ByteBudget
  /** Whether the peer may have one more request under way; `leave` follows each that was let in. */
  enter(): boolean
  leave(): void
  /** @param within the object that `root` is a part of */
  refusalFor(root: CID, repair: boolean, within?: CID): Promise<Refusal | undefined>
  onEnd(error?: Error): void
  onFailure(root: CID, error: unknown): void
}

interface LoadedBlock {
  readonly bytes: Uint8Array
  at: number
}

interface ServedRequest {
  readonly id: number
  readonly root: CID
  readonly walk: ObjectWalk
  readonly budget: ByteBudget
  readonly abort: AbortController
  /** The block being sent and the one read ahead of it. */
  readonly blocks: LoadedBlock[]
  credit: number
  loading: boolean
  queued: boolean
  /** Since when it could send if only it had credit. */
  stalledSinceMs: number | undefined
}

/** Answers of one turn go out together: fewer records to encrypt and fewer calls of the system. */
const turnBytes = defaults.exchangeFrameBytesMax
/** Room around the data for the longest head, and for the longest question, a full `have`. */
export const bodyBytesMax: number = defaults.exchangeFrameBytesMax + 64

export class ServedStream {
  readonly #init: ServedStreamInit
  readonly #frames: FrameStream
  readonly #requests = new Map<number, ServedRequest>()
  readonly #ended = new AbortController()
  #ready: ServedRequest[] = []
  #pumping = false
  #watching = false
  /** Gets and haves under way. */
  #asked = 0
  #idleSinceMs: number

  constructor(stream: Stream, init: ServedStreamInit) {
    this.#init = init
    this.#idleSinceMs = init.clock.monotonicMs()
    this.#frames = new FrameStream(stream, {
      bodyBytesMax: () => bodyBytesMax,
      queuedBytesMax: defaults.exchangeQueuedBytesMax + turnBytes,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (error) => this.#onClose(error)
    })
  }

  abort(error: Error): void {
    this.#frames.abort(error)
  }

  /** Since when nothing was asked; absent while something is. */
  get idleSinceMs(): number | undefined {
    return this.#asked > 0 ? undefined : this.#idleSinceMs
  }

  #onFrame(frame: Frame): void {
    const { id } = frame
    const question = decodeQuestion(frame)
    switch (question.kind) {
      case 'get':
        this.#onGet(id, question)
        return
      case 'have':
        this.#onHave(id, question.roots)
        return
      case 'credit': {
        const request = this.#requests.get(id)
        // Credit for a request that has just ended crosses its end on the way: no fault.
        if (request === undefined) return
        request.credit = Math.min(request.credit + question.bytes, Number.MAX_SAFE_INTEGER)
        request.stalledSinceMs = undefined
        this.#advance(request)
        return
      }
      case 'cancel': {
        const request = this.#requests.get(id)
        if (request !== undefined) this.#drop(request)
        return
      }
    }
  }

  #onGet(id: number, question: Question & { kind: 'get' }): void {
    if (this.#requests.has(id)) throw new MalformedRecordError('exchange message', `request ${id} twice`)
    if (!this.#enter()) {
      this.#refuse(id, 'busy')
      return
    }
    const request: ServedRequest = {
      id,
      root: question.root,
      walk: new ObjectWalk(question.root, question.range, question.unit),
      budget: this.#init.budget(),
      abort: new AbortController(),
      blocks: [],
      credit: question.credit,
      // Until it was decided whether it may be served, nothing is loaded for it.
      loading: true,
      queued: false,
      stalledSinceMs: undefined
    }
    this.#requests.set(id, request)
    this.#admit(request, question).catch((err: unknown) => this.#fail(request, err))
  }

  async #admit(request: ServedRequest, { repair, within }: Question & { kind: 'get' }): Promise<void> {
    const refusal = await this.#init.refusalFor(request.root, repair, within)
    if (!this.#requests.has(request.id)) return
    if (refusal !== undefined) {
      this.#end(request, refusal)
      return
    }
    request.loading = false
    this.#advance(request)
  }

  #onHave(id: number, roots: readonly CID[]): void {
    if (!this.#enter()) {
      this.#refuse(id, 'busy')
      return
    }
    this.#answerHave(id, roots)
      .catch(() => this.#refuse(id, 'failed'))
      .finally(() => this.#leave())
  }

  async #answerHave(id: number, roots: readonly CID[]): Promise<void> {
    const bits = new Uint8Array(Math.ceil(roots.length / 8))
    for (const [i, root] of roots.entries()) {
      if (this.#ended.signal.aborted) return
      if ((await this.#init.refusalFor(root, false)) === undefined)
        bits[i >> 3] = (bits[i >> 3] ?? 0) | (0x80 >> (i & 7))
    }
    if (this.#frames.open) this.#frames.send(encodeAnswer(id, { kind: 'bitmap', bits }))
  }

  /** Does for a request what it can do now: load, send, or note that it waits for credit. */
  #advance(request: ServedRequest): void {
    if (this.#mayLoad(request)) {
      request.loading = true
      this.#load(request).catch((err: unknown) => this.#fail(request, err))
    }
    if (this.#maySend(request)) {
      if (!request.queued) {
        request.queued = true
        this.#ready.push(request)
      }
      this.#pump()
    } else if (request.credit === 0 && !request.loading) {
      request.stalledSinceMs ??= this.#init.clock.monotonicMs()
      this.#watch()
    }
  }

  #mayLoad({ loading, walk, blocks, credit }: ServedRequest): boolean {
    if (loading || walk.next === undefined || blocks.length >= 2) return false
    const current = blocks[0]
    return credit > (current === undefined ? 0 : current.bytes.length - current.at)
  }

  #maySend({ loading, walk, blocks, credit }: ServedRequest): boolean {
    const current = blocks[0]
    if (current === undefined) return !loading && walk.next === undefined
    return credit > 0 || current.bytes.length === 0
  }

  async #load(request: ServedRequest): Promise<void> {
    const step = request.walk.next
    if (step === undefined) return
    const { signal } = request.abort
    const { budget } = request
    let held = step.bytesMax
    await budget.take(held, { signal })
    try {
      const bytes = await this.#init.readBlock(step.cid, { signal })
      if (!this.#requests.has(request.id)) return
      if (bytes === undefined) {
        this.#end(request, 'not-found')
        return
      }
      request.walk.accept(bytes)
      // What leads to the rest of a DAG whose beginning the asker has; its links are kept, its bytes are not.
      if (request.walk.inRange) {
        request.blocks.push({ bytes, at: 0 })
        budget.give(held - bytes.length)
        held = 0
      }
    } finally {
      if (held > 0) budget.give(held)
    }
    request.loading = false
    this.#advance(request)
  }

  /** Sends as long as somebody is ready and the peer takes it. One at a time per stream. */
  #pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    this.#sendTurns().catch((err: unknown) =>
      this.#frames.abort(err instanceof Error ? err : new Error(String(err)))
    )
  }

  async #sendTurns(): Promise<void> {
    while (this.#frames.open) {
      const turn = new Uint8ArrayList()
      for (let request = this.#ready.shift(); request !== undefined; request = this.#ready.shift()) {
        request.queued = false
        if (this.#requests.get(request.id) !== request) continue
        if (this.#maySend(request)) this.#appendPart(turn, request)
        if (turn.byteLength >= turnBytes) break
      }
      if (turn.byteLength === 0) break
      if (!this.#frames.send(turn)) await this.#frames.writable()
    }
    // In the same instant in which nobody was ready: whoever becomes ready next must find it false.
    this.#pumping = false
  }

  #appendPart(turn: Uint8ArrayList, request: ServedRequest): void {
    const current = request.blocks[0]
    if (current === undefined) {
      this.#complete(turn, request)
      return
    }
    const rest = current.bytes.length - current.at
    const share = this.#ready.length > 0 ? defaults.exchangeSliceBytes : defaults.exchangeFrameBytesMax
    const length = Math.min(rest, request.credit, share)
    turn.append(encodeBlockPart(request.id, current.bytes, current.at, length))
    current.at += length
    request.credit -= length
    if (current.at === current.bytes.length) {
      request.blocks.shift()
      request.budget.give(current.bytes.length)
      // At once: an asker that has the last block may ask the next thing, and must not be counted twice.
      if (request.blocks.length === 0 && this.#maySend(request)) {
        this.#complete(turn, request)
        return
      }
    }
    this.#advance(request)
  }

  #complete(turn: Uint8ArrayList, request: ServedRequest): void {
    this.#forget(request)
    turn.append(encodeAnswer(request.id, { kind: 'end' }))
  }

  #refuse(id: number, reason: Refusal): void {
    if (this.#frames.open) this.#frames.send(encodeAnswer(id, { kind: 'refusal', reason }))
  }

  #end(request: ServedRequest, reason: Refusal): void {
    this.#drop(request)
    this.#refuse(request.id, reason)
  }

  #fail(request: ServedRequest, error: unknown): void {
    if (this.#requests.get(request.id) !== request) return
    this.#init.onFailure(request.root, error)
    this.#end(request, 'failed')
  }

  #drop(request: ServedRequest): void {
    if (this.#requests.get(request.id) !== request) return
    this.#forget(request)
    request.abort.abort(new Error('the request has ended'))
    for (const { bytes } of request.blocks) request.budget.give(bytes.length)
    request.blocks.length = 0
  }

  #forget(request: ServedRequest): void {
    this.#requests.delete(request.id)
    this.#leave()
  }

  #enter(): boolean {
    if (!this.#init.enter()) return false
    this.#asked += 1
    return true
  }

  #leave(): void {
    this.#init.leave()
    this.#asked -= 1
    this.#idleSinceMs = this.#init.clock.monotonicMs()
  }

  /** Runs only while a request lacks credit, so that an idle stream has no timer. */
  #watch(): void {
    if (this.#watching) return
    this.#watching = true
    this.#dropStalled().catch(() => {
      // The stream has ended, and with it every request.
    })
  }

  async #dropStalled(): Promise<void> {
    const { clock } = this.#init
    for (;;) {
      await clock.sleep(defaults.exchangeStallMs / 4, { signal: this.#ended.signal })
      const nowMs = clock.monotonicMs()
      const waiting = [...this.#requests.values()].filter(
        ({ stalledSinceMs }) => stalledSinceMs !== undefined
      )
      if (waiting.length === 0) {
        this.#watching = false
        return
      }
      for (const request of waiting) {
        if (nowMs - (request.stalledSinceMs ?? nowMs) >= defaults.exchangeStallMs)
          this.#end(request, 'stalled')
      }
    }
  }

  #onClose(error?: Error): void {
    this.#ended.abort(new Error('the stream has ended'))
    for (const request of [...this.#requests.values()]) this.#drop(request)
    this.#init.onEnd(error)
  }
}
