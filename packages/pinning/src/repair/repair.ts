// Pulling what we lack: a bounded queue in order of need, few pulls at once, each asked of its sources
// first so that five candidates do not make five copies. Station: plan -> REPAIR -> object store.
// Never decides that a copy is needed: the plan says so, again and again, until it is there.

import { type NodeId, type RecordType, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Census } from '../census/census.ts'
import type { Presence } from '../census/presence.ts'
import type { Reports } from '../census/report.ts'
import type { FetchOptions, HeldObject } from '../components.ts'
import { slept, within } from '../deadline.ts'
import type { RequestType } from '../dialogue.ts'
import { rootField } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { Pace } from '../keep/pace.ts'
import { intentMsFor, patientWith } from '../plan/by-size.ts'
import type { Action } from '../plan/plan.ts'
import { isLive, isPresent } from '../plan/tally.ts'
import { rootKey } from '../root-key.ts'
import type { RepairState } from '../status.ts'

type Fetch = Extract<Action, { kind: 'fetch' }>

export const intentRequest: RequestType<
  { root: CID; copies: number },
  { answer: 'go' | 'enough' | 'absent' }
> = {
  name: 'fetch-intent/1',
  request: {
    kind: 'fetch-intent',
    bytesMax: 128,
    schema: z.strictObject({ root: rootField, copies: z.int().min(1).max(64) })
  } satisfies RecordType<{ root: CID; copies: number }>,
  answer: {
    kind: 'fetch-intent-answer',
    bytesMax: 64,
    schema: z.strictObject({ answer: z.enum(['go', 'enough', 'absent']) })
  }
}

interface Job {
  readonly root: CID
  from: readonly NodeId[]
  urgency: number
  dueMs: number
  readonly sinceMs: number
  /** Copies up to which sources say `go`. */
  copies: number
  failures: number
  /** How often in a row somebody else was making it. */
  deferrals: number
  running: boolean
}

export class Repairs {
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #presence: Presence
  readonly #reports: Reports
  readonly #pace: Pace
  readonly #jobs = new Map<string, Job>()
  /** Pulls under way by root, whoever asked for them: offer and repair share one. */
  readonly #pulls = new Map<string, Promise<HeldObject>>()
  /** As a source: who means to fetch what, until when. */
  readonly #intents = new Map<string, Map<NodeId, number>>()
  readonly #stop = new AbortController()
  readonly #active = new Set<Promise<void>>()
  #wake: () => void = () => {}
  #loop: Promise<void> | undefined
  readonly counts: { done: number; failed: number; bytes: number } = { done: 0, failed: 0, bytes: 0 }
  /** Told when a pull ended, well or not. */
  onEnd: (root: CID) => void = () => {}

  constructor(parts: KeepingParts, census: Census, presence: Presence, reports: Reports) {
    this.#parts = parts
    this.#census = census
    this.#presence = presence
    this.#reports = reports
    const { repairBytesPerSecondMax } = parts.options
    this.#pace = new Pace(parts.components.clock, repairBytesPerSecondMax, repairBytesPerSecondMax)
    parts.dialogue.on(intentRequest, (from, { root, copies }) => this.#answer(from, root, copies))
  }

  get running(): number {
    return [...this.#jobs.values()].filter((job) => job.running).length
  }

  get queued(): number {
    return this.#jobs.size - this.running
  }

  /** Since the longest waiting pull was first wanted; 0 when none waits. */
  get oldestMs(): number {
    const nowMs = this.#parts.components.clock.monotonicMs()
    return [...this.#jobs.values()].reduce((oldest, job) => Math.max(oldest, nowMs - job.sinceMs), 0)
  }

  /** The pull of this object that is under way or waiting. */
  stateOf(root: CID): RepairState | undefined {
    const job = this.#jobs.get(toHex(rootKey(root)))
    if (job === undefined) return undefined
    const nowMs = this.#parts.components.clock.monotonicMs()
    return {
      running: job.running,
      dueInMs: Math.max(0, job.dueMs - nowMs),
      waitingMs: nowMs - job.sinceMs,
      failures: job.failures
    }
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#wake()
    await this.#loop
    await Promise.allSettled(this.#active)
  }

  /**
   * The plan wants this pull. A job already there keeps its place: waiting begins when it was first wanted.
   * @returns `false` when so many more urgent ones wait that this one is not remembered
   */
  want(root: CID, fetch: Fetch): boolean {
    const name = toHex(rootKey(root))
    const { components, options } = this.#parts
    const jitterMs = components.random.unit() * options.repairStaggerMs * 0.5
    const dueMs = components.clock.monotonicMs() + fetch.afterMs + (fetch.afterMs > 0 ? jitterMs : 0)
    const job = this.#jobs.get(name)
    if (job === undefined) {
      if (this.#jobs.size >= options.repairQueueMax && !this.#makeRoom(fetch.urgency)) return false
      this.#jobs.set(name, {
        root,
        from: fetch.from,
        urgency: fetch.urgency,
        dueMs,
        sinceMs: components.clock.monotonicMs(),
        copies: fetch.copies,
        failures: 0,
        deferrals: 0,
        running: false
      })
    } else {
      // Others did not come, and copies went meanwhile: what they are making is asked anew.
      if (fetch.urgency < job.urgency) job.deferrals = 0
      job.from = fetch.from
      job.urgency = fetch.urgency
      job.copies = fetch.copies
      // More urgent than before may come earlier; what failed or is being made elsewhere keeps its wait.
      if (job.failures === 0 && job.deferrals === 0) job.dueMs = Math.min(job.dueMs, dueMs)
    }
    this.#wake()
    return true
  }

  /** Forgets one that is less urgent; its turn comes again. */
  #makeRoom(urgency: number): boolean {
    for (const [name, job] of this.#jobs) {
      if (job.running || job.urgency <= urgency) continue
      this.#jobs.delete(name)
      return true
    }
    return false
  }

  /** The plan no longer wants it. A pull under way ends by itself: a copy too many, never one too few. */
  unwant(root: CID): void {
    const name = toHex(rootKey(root))
    if (this.#jobs.get(name)?.running === false) this.#jobs.delete(name)
  }

  /**
   * Makes the object complete and durable here from these peers; concurrent callers share one pull.
   * @throws what `ObjectStore.fetch` throws
   */
  async pull(root: CID, from: readonly NodeId[], options?: FetchOptions): Promise<HeldObject> {
    const name = toHex(rootKey(root))
    const running = this.#pulls.get(name)
    if (running !== undefined) return await running
    const { components, locks, wanted } = this.#parts
    const pull = locks.run(root, async () => {
      const sizeMax = (await wanted.get(root))?.size ?? options?.sizeMax
      const held = await components.objects.fetch(root, from, {
        ...options,
        ...(sizeMax === undefined ? {} : { sizeMax })
      })
      await this.#reports.noteHeld(root, (await this.#reports.noted(root))?.origin ?? held.origin)
      return held
    })
    this.#pulls.set(name, pull)
    try {
      return await pull
    } finally {
      this.#pulls.delete(name)
      this.onEnd(root)
    }
  }

  async #run(): Promise<void> {
    const { components } = this.#parts
    while (!this.#stop.signal.aborted) {
      for (let job = this.#nextDue(); job !== undefined; job = this.#nextDue()) this.#begin(job)
      const nowMs = components.clock.monotonicMs()
      const idle = [...this.#jobs.values()].filter((job) => !job.running)
      const nextMs = idle.reduce((min, job) => Math.min(min, job.dueMs), Number.POSITIVE_INFINITY)
      const full = this.running >= this.#parts.options.repairConcurrency
      await this.#sleep(
        full || nextMs === Number.POSITIVE_INFINITY ? undefined : Math.max(nextMs - nowMs, 100)
      )
    }
  }

  /** Until woken, or until the next job is due. */
  async #sleep(ms: number | undefined): Promise<void> {
    const woken = new AbortController()
    const signal = AbortSignal.any([woken.signal, this.#stop.signal])
    const called = new Promise<void>((resolve) => {
      this.#wake = () => {
        woken.abort(new Error('woken'))
        resolve()
      }
    })
    if (ms === undefined) await called
    else await slept(this.#parts.components.clock, ms, signal)
    this.#wake = () => {}
  }

  /** Due, most urgent first, then longest due; urgent ones do not wait for bandwidth. */
  #nextDue(): Job | undefined {
    if (this.running >= this.#parts.options.repairConcurrency || this.#stop.signal.aborted) return undefined
    const nowMs = this.#parts.components.clock.monotonicMs()
    const due = [...this.#jobs.values()].filter((job) => !job.running && job.dueMs <= nowMs)
    due.sort((a, b) => a.urgency - b.urgency || a.dueMs - b.dueMs)
    const job = due[0]
    if (job === undefined) return undefined
    if (job.urgency > 1 && !this.#pace.take(0)) return undefined
    return job
  }

  #begin(job: Job): void {
    job.running = true
    const work = this.#attempt(job).finally(() => {
      this.#active.delete(work)
      this.#wake()
    })
    this.#active.add(work)
  }

  async #attempt(job: Job): Promise<void> {
    const { components, options } = this.#parts
    const name = toHex(rootKey(job.root))
    try {
      const sources = await this.#askSources(job)
      if (sources === 'enough') {
        // Somebody else is making it; if they never do, we ask again when their intents have lapsed, and less
        // and less often when the source just sees more copies than we do.
        const waitMs = Math.min(options.fetchIntentMs * 2 ** job.deferrals, options.repairRetryMsMax)
        job.deferrals++
        job.dueMs = components.clock.monotonicMs() + waitMs
        return
      }
      job.deferrals = 0
      const held = await this.pull(job.root, sources, { signal: this.#stop.signal })
      this.#pace.take(held.size)
      this.counts.done++
      this.counts.bytes += held.size
      // Removed only now: whatever failed above left the job in the queue.
      this.#jobs.delete(name)
    } catch (err) {
      if (this.#stop.signal.aborted) return
      this.counts.failed++
      job.failures++
      const waitMs = Math.min(options.repairRetryMs * 2 ** (job.failures - 1), options.repairRetryMsMax)
      job.dueMs = components.clock.monotonicMs() + waitMs * (0.75 + 0.5 * components.random.unit())
      job.running = false
      components.log.info('a pull failed and will be tried again', { root: job.root.toString(), waitMs, err })
    } finally {
      job.running = false
    }
  }

  /**
   * Tells every source that we mean to fetch. One `enough` is enough, of one whose copy is live, where we know of
   * any: who merely claims to have it counts itself, and would for ever keep the copy from being made that is made
   * for its own. A newcomer, to whom nothing is proven yet, believes them all.
   */
  async #askSources(job: Job): Promise<readonly NodeId[] | 'enough'> {
    const { components, dialogue, options } = this.#parts
    const live = new Set((await this.#census.copiesOf(job.root)).filter(isLive).map(({ node }) => node))
    const willing: NodeId[] = []
    const silent: NodeId[] = []
    for (const source of job.from) {
      const askedMs = components.clock.monotonicMs()
      try {
        const { answer } = await within(
          components.clock,
          options.presenceAnswerMs,
          (abort) => dialogue.ask(source, intentRequest, { root: job.root, copies: job.copies }, abort),
          { signal: this.#stop.signal }
        )
        this.#presence.noteAlive(source)
        if (answer === 'enough' && (live.size === 0 || live.has(source))) return 'enough'
        if (answer === 'absent')
          await this.#census.noteAbsent(job.root, source, components.clock.monotonicMs() - askedMs)
        else willing.push(source)
      } catch (err) {
        if (this.#stop.signal.aborted) throw err
        // It may still serve the bytes; it is asked last.
        components.log.debug('a source did not answer', { source, err })
        silent.push(source)
      }
    }
    return [...willing, ...silent]
  }

  async #answer(from: NodeId, root: CID, copies: number): Promise<{ answer: 'go' | 'enough' | 'absent' }> {
    const { components, roster, options } = this.#parts
    const size = await components.objects.size(root)
    if (size === undefined) return { answer: 'absent' }
    const known = await this.#census.copiesOf(root)
    const nowMs = components.clock.monotonicMs()
    const name = toHex(rootKey(root))
    const intents = this.#intents.get(name) ?? new Map<NodeId, number>()
    // Whoever went away meanwhile is not waited for, however long its fetch might have taken.
    const coming = [...intents].filter(
      ([node, untilMs]) => untilMs > nowMs && this.#presence.isReachable(node)
    )
    const asker = roster.operatorOf(from)
    // As a plan counts: a claim that is never proven must not keep the copy from being made that is made for it.
    const patient = patientWith(size, options)
    const counted = new Set(
      known.filter((copy) => copy.counted && isPresent(copy, patient)).map((copy) => copy.operator)
    )
    for (const [node] of coming) counted.add(roster.operatorOf(node) ?? node)
    if (asker !== undefined) counted.delete(asker)
    if (counted.size >= copies) return { answer: 'enough' }
    intents.set(from, nowMs + intentMsFor(size, options))
    this.#intents.set(name, intents)
    return { answer: 'go' }
  }

  /** Intents of those who never came. */
  forgetPast(): void {
    const nowMs = this.#parts.components.clock.monotonicMs()
    for (const [name, intents] of this.#intents) {
      for (const [node, untilMs] of intents) if (untilMs <= nowMs) intents.delete(node)
      if (intents.size === 0) this.#intents.delete(name)
    }
  }
}
