// One read of one range over many sources: a lead that is asked for all of it, replaced at the exact byte
// when it fails; and, while the lead keeps the reader waiting for longer than usual, a hedge beside it that
// is asked for the same rest. Whoever of the two brings the next file bytes goes on alone. It never has
// more than two requests out, and the second has a small window: that is all that can come twice.

import type { Clock } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { FetchedBlock } from './exchange/link.ts'
import type { Awaited, Hedging } from './hedging.ts'
import type { ByteRange } from './object-dag.ts'
import { ObjectWalk } from './object-walk.ts'
import type { SourceMemory } from './source-memory.ts'
import type { Source, Sources } from './sources.ts'

export interface SourcedReadInit {
  readonly root: CID
  readonly range: ByteRange
  /** Where the range begins, when it is the rest of a DAG. */
  readonly after?: ObjectWalk | undefined
  readonly sources: Sources
  readonly memory: SourceMemory
  readonly clock: Clock
  readonly counters: ReadCounters
  /** Absent: a source is replaced only when it fails. */
  readonly hedging?: Hedging | undefined
  readonly signal?: AbortSignal | undefined
  ask(source: Source, range: ByteRange, options: AskOptions): AsyncIterable<FetchedBlock>
  /** @throws what no other source could mend */
  judge(source: Source, error: unknown): void
  whyNobody(failures: readonly unknown[]): Error
}

export interface AskOptions {
  readonly signal: AbortSignal
  readonly after?: ObjectWalk | undefined
  /** May be in vain: it is sent no more ahead than one block needs. */
  readonly beside: boolean
}

/** Since the start of this node. */
export interface ReadCounters {
  /** Reads that went on with another source after one had failed or was overtaken. */
  switched: number
  /** Second sources asked beside a slow one, and how often they were quicker. */
  hedges: number
  hedgesWon: number
}

type Step =
  | { readonly kind: 'block'; readonly by: Attempt; readonly block: FetchedBlock }
  | { readonly kind: 'end'; readonly by: Attempt }
  | { readonly kind: 'failed'; readonly by: Attempt; readonly error: unknown }

/** A step of a source, or the moment to look whether another should be asked beside it. */
type Event = Step | { readonly kind: 'look' }

/** A source that was asked, and what it sends. */
class Attempt {
  readonly source: Source
  /** Blocks a hedge brought before any file bytes, for when it wins. */
  readonly held: FetchedBlock[] = []
  /** Whether it has sent file bytes. */
  progressed = false
  awaited: Awaited = 'first'
  readonly #abort = new AbortController()
  readonly #blocks: AsyncIterator<FetchedBlock>
  readonly #clock: Clock
  #step: Promise<Step> | undefined
  #sinceMs = 0

  constructor(source: Source, clock: Clock, ask: (signal: AbortSignal) => AsyncIterable<FetchedBlock>) {
    this.source = source
    this.#clock = clock
    this.#blocks = ask(this.#abort.signal)[Symbol.asyncIterator]()
  }

  /** How long its present block is waited for. */
  get waitMs(): number {
    return this.#clock.monotonicMs() - this.#sinceMs
  }

  /** Its next step; the same one until it was `taken`. */
  step(): Promise<Step> {
    if (this.#step === undefined) {
      this.#sinceMs = this.#clock.monotonicMs()
      this.#step = this.#next()
    }
    return this.#step
  }

  taken(): void {
    this.#step = undefined
    this.awaited = 'next'
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason)
    this.#blocks.return?.().catch(() => {
      // What it says to being called off interests nobody.
    })
  }

  async #next(): Promise<Step> {
    try {
      const { done, value } = await this.#blocks.next()
      return done === true ? { kind: 'end', by: this } : { kind: 'block', by: this, block: value }
    } catch (error) {
      return { kind: 'failed', by: this, error }
    }
  }
}

export class SourcedRead {
  readonly #init: SourcedReadInit
  #lead: Attempt | undefined
  #hedge: Attempt | undefined
  /** Somebody not asked yet, for a hedge or for when the lead fails. */
  #spare: Source | undefined
  #seeking: Promise<void> | undefined
  #onFound: () => void = () => {}
  /** For the present block. */
  #mayHedge: boolean
  #asked = false
  /** The next file byte the reader needs, or the next block of a DAG. */
  #at: number
  /** Of a DAG, whose order cannot be taken up in the middle without it. */
  #walk: ObjectWalk | undefined

  constructor(init: SourcedReadInit) {
    this.#init = init
    this.#at = init.range.from
    this.#walk = init.after?.fork(init.range.to)
    this.#mayHedge = init.hedging !== undefined
  }

  /** After a change of source inner blocks come again; file bytes never do. */
  async *blocks(): AsyncGenerator<FetchedBlock> {
    const { signal, sources } = this.#init
    const onAbort = (): void => this.#cancel(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        signal?.throwIfAborted()
        const lead = (this.#lead ??= await this.#nextLead())
        const event = await this.#event(lead)
        signal?.throwIfAborted()
        if (event.kind === 'look') {
          this.#look(lead)
          continue
        }
        const { by } = event
        if (event.kind === 'failed') {
          yield* this.#onFailed(by, event.error)
          continue
        }
        if (event.kind === 'end') {
          yield* this.#goOnWith(by)
          return
        }
        // Inner blocks show that a hedge is there, not that it is the quicker one.
        const isInner = event.block.position <= this.#at
        this.#onBlock(by, event.block)
        if (by === this.#hedge && isInner) {
          by.held.push(event.block)
          continue
        }
        yield* this.#goOnWith(by)
        yield event.block
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#cancel(ended)
      await sources.close()
    }
  }

  /** Callbacks and no race with what lives longer than a block: it would keep every block in memory. */
  #event(lead: Attempt): Promise<Event> {
    const { hedging, clock } = this.#init
    if (this.#hedge === undefined && (!this.#mayHedge || hedging === undefined)) return lead.step()
    return new Promise((resolve) => {
      const over = new AbortController()
      const first = (event: Event): void => {
        over.abort(overtaken)
        this.#onFound = () => {}
        resolve(event)
      }
      const look = (): void => first({ kind: 'look' })
      void lead.step().then(first)
      if (this.#hedge !== undefined) void this.#hedge.step().then(first)
      else if (this.#seeking !== undefined && lead.waitMs >= this.#hedgeAfterMs(lead)) this.#onFound = look
      else {
        clock
          .sleep(Math.max(this.#hedgeAfterMs(lead) - lead.waitMs, 0), { signal: over.signal })
          .then(look, () => {
            // The block was first.
          })
      }
    })
  }

  #hedgeAfterMs(lead: Attempt): number {
    return this.#init.hedging?.afterMs(lead.awaited) ?? Number.POSITIVE_INFINITY
  }

  /** The lead may be late: asks another beside it, if there is one and the share of hedges allows. */
  #look(lead: Attempt): void {
    const { hedging, counters } = this.#init
    if (lead.waitMs < this.#hedgeAfterMs(lead)) return
    if (this.#spare === undefined) {
      this.#seek()
      return
    }
    if (hedging?.tryTake() !== true) {
      this.#mayHedge = false
      return
    }
    counters.hedges += 1
    this.#hedge = this.#ask(this.#spare, true)
    this.#spare = undefined
  }

  #seek(): void {
    this.#seeking ??= this.#init.sources.fresh().then((source) => {
      this.#seeking = undefined
      this.#spare = source
      if (source === undefined) this.#mayHedge = false
      this.#onFound()
    })
  }

  async #nextLead(): Promise<Attempt> {
    const { sources, signal, whyNobody, counters } = this.#init
    await this.#seeking
    const source = this.#spare ?? (await sources.next())
    this.#spare = undefined
    signal?.throwIfAborted()
    if (source === undefined) throw whyNobody(sources.failures)
    if (this.#asked) counters.switched += 1
    this.#asked = true
    return this.#ask(source, false)
  }

  #ask(source: Source, beside: boolean): Attempt {
    const { range, clock, ask } = this.#init
    const rest = { from: Math.min(this.#at, range.to), to: range.to }
    const after = this.#walk?.fork(range.to)
    return new Attempt(source, clock, (signal) => ask(source, rest, { signal, beside, after }))
  }

  #onBlock(by: Attempt, block: FetchedBlock): void {
    const { hedging, memory, root, range } = this.#init
    hedging?.observe(by.awaited, by.waitMs)
    by.taken()
    memory.well(by.source.node)
    this.#mayHedge = hedging !== undefined
    if (block.position <= this.#at) return
    by.progressed = true
    this.#at = block.position
    if (block.kind === 'file') return
    this.#walk ??= new ObjectWalk(root, range)
    this.#walk.accept(block.bytes)
  }

  /** Ends a hedge in favour of one of the two; what the hedge held back comes first if it is the one. */
  #goOnWith(by: Attempt): readonly FetchedBlock[] {
    const { sources, memory, hedging, counters } = this.#init
    const [lead, hedge] = [this.#lead, this.#hedge]
    if (lead === undefined || hedge === undefined) return []
    this.#hedge = undefined
    if (by === lead) {
      hedge.cancel(overtaken)
      sources.unused(hedge.source)
      return []
    }
    this.#lead = hedge
    counters.hedgesWon += 1
    counters.switched += 1
    hedging?.observe(lead.awaited, lead.waitMs)
    lead.cancel(overtaken)
    sources.overtaken(lead.source)
    memory.overtaken(lead.source.node)
    return hedge.held
  }

  #onFailed(by: Attempt, error: unknown): readonly FetchedBlock[] {
    const { judge, sources, counters } = this.#init
    const hedge = by === this.#lead ? this.#hedge : undefined
    if (by === this.#lead) this.#lead = hedge
    this.#hedge = undefined
    sources.failed(by.source, error, by.progressed)
    judge(by.source, error)
    if (hedge === undefined) return []
    counters.switched += 1
    return hedge.held
  }

  #cancel(reason: unknown): void {
    this.#lead?.cancel(reason)
    this.#hedge?.cancel(reason)
    this.#lead = undefined
    this.#hedge = undefined
  }
}

// Made once: an error a block costs more than the block's timer.
const overtaken = new Error('another source was quicker')
const ended = new Error('the read has ended')
