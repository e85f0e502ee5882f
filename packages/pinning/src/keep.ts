// The loop: observe -> plan -> act, for ever. Level-triggered: a round over all wanted objects never
// ends, so a lost event costs time and nothing else; events only bring an object's turn forward.
// Work per object is bounded, and no event touches all objects at once.

import { type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from './census.ts'
import { slept } from './deadline.ts'
import type { WantedObject } from './journal/wish.ts'
import type { KeepingParts } from './keeping-parts.ts'
import type { Observer } from './observe.ts'
import { type Plan, planObject } from './plan.ts'
import type { Presence } from './presence.ts'
import type { Prover } from './prove.ts'
import type { Releases } from './release.ts'
import { ReleaseQueue } from './release-queue.ts'
import type { Repairs } from './repair.ts'
import type { Reports } from './report.ts'
import { rootKey, rootOfKey } from './root-key.ts'
import { Staging } from './staging.ts'

export interface Stations {
  readonly observer: Observer
  readonly census: Census
  readonly presence: Presence
  readonly reports: Reports
  readonly repairs: Repairs
  readonly prover: Prover
  readonly releases: Releases
}

/** Ticks follow faster while there is a backlog: this part of `tickMs`. */
const backlogShare = 0.05

/** Own time is written this often; after a crash the wall clock bridges the rest. */
const saveIntervalMs = 60_000

export class Keeping {
  readonly #parts: KeepingParts
  readonly #stations: Stations
  readonly #stop = new AbortController()
  /** Objects whose turn comes early. */
  readonly #awake = new Map<string, CID>()
  /** Monotonic time at which age alone may change an object's plan. */
  readonly #reviews = new Map<string, { root: CID; atMs: number }>()
  /** Keepers that came or went: their objects are looked at in order. */
  readonly #keepers = new Map<NodeId, Uint8Array>()
  readonly #challenges = new Map<NodeId, CID[]>()
  readonly #releases: ReleaseQueue
  readonly #staging: Staging
  readonly #active = new Set<Promise<unknown>>()
  #roundAt: { after: CID | undefined } | undefined = { after: undefined }
  #roundDueMs = 0
  #savedMs = 0
  /** Asked for while one was under way: it follows, instead of starting over and never ending. */
  #roundAgain = false
  #loop: Promise<void> | undefined
  #wakeUp: () => void = () => {}
  readonly #listeners = new Set<(root: CID, plan: Plan) => void>()

  constructor(parts: KeepingParts, stations: Stations) {
    this.#parts = parts
    this.#stations = stations
    this.#staging = new Staging(parts)
    this.#releases = new ReleaseQueue(parts, {
      release: (root, askHolds, options) => stations.releases.release(root, askHolds, options),
      onEnd: (root) => this.wake(root)
    })
    const { census, presence, repairs } = stations
    parts.wanted.onChange((roots) => this.#wakeAll(roots))
    parts.roster.onChange(() => this.#wakeAll(undefined))
    census.onChange((roots) => this.#wakeAll(roots))
    repairs.onEnd = (root) => this.wake(root)
    presence.listen({ onReach: (node) => this.#wakeKeeper(node) })
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#wakeUp()
    await this.#loop
    await this.#releases.stop()
    await Promise.allSettled(this.#active)
  }

  /** Called with every plan as it is made. Returns how to stop listening. */
  onPlan(listener: (root: CID, plan: Plan) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  wake(root: CID): void {
    if (this.#awake.size >= this.#parts.options.wakesMax) {
      // Too many to remember: the round finds them.
      this.#wantRound()
    } else this.#awake.set(toHex(rootKey(root)), root)
    this.#wakeUp()
  }

  #wakeAll(roots: readonly CID[] | undefined): void {
    if (roots === undefined) this.#wantRound()
    else for (const root of roots) this.wake(root)
  }

  #wakeKeeper(node: NodeId): void {
    this.#keepers.set(node, new Uint8Array())
    // A member that holds nothing may still be who should: the round asks that.
    this.#wantRound()
  }

  #wantRound(): void {
    if (this.#roundAt === undefined) this.#roundAt = { after: undefined }
    else this.#roundAgain = true
    this.#wakeUp()
  }

  async #run(): Promise<void> {
    const { components, options } = this.#parts
    while (!this.#stop.signal.aborted) {
      let backlog = false
      try {
        backlog = await this.#tick()
      } catch (err) {
        // The index or the store failed us. The loop is what repairs; it never ends over it.
        components.log.error('a look at the work failed; it is repeated', { err })
      }
      await this.#pause(backlog ? options.tickMs * backlogShare : options.tickMs, !backlog)
    }
  }

  async #pause(ms: number, wakeable: boolean): Promise<void> {
    const woken = new AbortController()
    // A short breath even for events, so that a burst of them is one tick.
    const breathMs = this.#parts.options.tickMs * backlogShare
    if (!(await slept(this.#parts.components.clock, Math.min(breathMs, ms), this.#stop.signal))) return
    if (this.#awake.size > 0 || this.#keepers.size > 0) return
    if (wakeable) this.#wakeUp = () => woken.abort(new Error('woken'))
    await slept(
      this.#parts.components.clock,
      Math.max(0, ms - breathMs),
      AbortSignal.any([this.#stop.signal, woken.signal])
    )
    this.#wakeUp = () => {}
  }

  /** One bounded portion of work; whether there is more waiting. */
  async #tick(): Promise<boolean> {
    const { options } = this.#parts
    let left = options.objectsPerTick
    left -= await this.#lookAt(this.#takeAwake(left))
    left -= await this.#lookAt(await this.#staging.takeUploads(left))
    left -= await this.#lookAt(await this.#takeOfKeepers(left))
    left -= await this.#lookAt(await this.#takeOfRound(left))
    await this.#challengeSuspects()
    this.#sendChallenges()
    this.#stations.repairs.forgetPast()
    const nowMs = this.#parts.time.nowMs()
    if (nowMs - this.#savedMs >= saveIntervalMs) {
      this.#savedMs = nowMs
      await this.#parts.time.save()
    }
    return left <= 0 || this.#keepers.size > 0 || this.#roundAt !== undefined
  }

  #takeAwake(limit: number): CID[] {
    const nowMs = this.#parts.components.clock.monotonicMs()
    for (const [name, { root, atMs }] of this.#reviews) {
      if (atMs > nowMs) continue
      this.#reviews.delete(name)
      this.#awake.set(name, root)
    }
    const taken = [...this.#awake].slice(0, limit)
    for (const [name] of taken) this.#awake.delete(name)
    return taken.map(([, root]) => root)
  }

  async #takeOfKeepers(limit: number): Promise<CID[]> {
    const next = this.#keepers.entries().next().value
    if (next === undefined || limit <= 0) return []
    const [node, after] = next
    const rows = await this.#parts.components.database
      .selectFrom('copy')
      .select('root')
      .where('keeper', '=', node)
      .where('root', '>', after)
      .orderBy('root')
      .limit(limit)
      .execute()
    const last = rows.at(-1)
    if (last === undefined || rows.length < limit) this.#keepers.delete(node)
    else this.#keepers.set(node, last.root)
    return rows.map((row) => rootOfKey(row.root))
  }

  async #takeOfRound(limit: number): Promise<CID[]> {
    const { components, options, wanted } = this.#parts
    const nowMs = components.clock.monotonicMs()
    if (this.#roundAt === undefined && nowMs >= this.#roundDueMs) this.#roundAt = { after: undefined }
    if (this.#roundAt === undefined || limit <= 0) return []
    const page = await wanted.list(this.#roundAt.after, limit)
    const last = page.at(-1)
    if (last === undefined || page.length < limit) {
      this.#roundAt = this.#roundAgain ? { after: undefined } : undefined
      this.#roundAgain = false
      this.#roundDueMs = nowMs + options.roundIntervalMs
    } else this.#roundAt = { after: last.root }
    return page.map((object) => object.root)
  }

  async #lookAt(roots: readonly CID[]): Promise<number> {
    for (const root of roots) {
      if (this.#stop.signal.aborted) break
      await this.look(root)
    }
    return roots.length
  }

  /** Observe, plan, act: one object, once. Absent when nobody wants it. */
  async look(root: CID): Promise<Plan | undefined> {
    const { wanted, options, components } = this.#parts
    const { observer, repairs } = this.#stations
    const name = toHex(rootKey(root))
    const wish = await wanted.get(root)
    if (wish === undefined) {
      repairs.unwant(root)
      this.#reviews.delete(name)
      await components.database.deleteFrom('standing').where('root', '=', rootKey(root)).execute()
      return undefined
    }
    const situation = await observer.situation(wish)
    const plan = planObject(situation, options)
    await this.#write(root, plan)
    if (situation.self.copy !== 'none') await this.#tend(wish, situation.self.allowed)
    this.#act(root, plan)
    if (plan.reviewAfterMs !== undefined && plan.reviewAfterMs < options.roundIntervalMs) {
      if (this.#reviews.size < options.wakesMax) {
        this.#reviews.set(name, { root, atMs: components.clock.monotonicMs() + plan.reviewAfterMs })
      }
    }
    for (const listener of this.#listeners) listener(root, plan)
    return plan
  }

  #act(root: CID, plan: Plan): void {
    const { repairs } = this.#stations
    const fetch = plan.actions.find((action) => action.kind === 'fetch')
    if (fetch === undefined) repairs.unwant(root)
    // Moving to a newcomer makes one copy more than the target.
    else repairs.want(root, fetch, Math.max(plan.copiesTarget, plan.copiesLive + 1))
    for (const action of plan.actions) {
      if (action.kind === 'prove') this.#queueChallenge(action.keeper, root)
    }
    const release = plan.actions.find((action) => action.kind === 'release')
    if (release === undefined) this.#releases.unwant(root)
    else this.#releases.want(root, release)
  }

  #queueChallenge(keeper: NodeId, root: CID): void {
    const roots = this.#challenges.get(keeper) ?? []
    if (roots.some((other) => other.equals(root)) || this.#stations.prover.isPending(keeper, root)) return
    roots.push(root)
    this.#challenges.set(keeper, roots)
  }

  #sendChallenges(): void {
    for (const [keeper, roots] of this.#challenges) {
      if (this.#active.size >= this.#parts.options.talkConcurrency) return
      const some = roots.splice(0, this.#parts.options.proofObjectsMax)
      if (roots.length === 0) this.#challenges.delete(keeper)
      this.#background('a challenge', async () => {
        await this.#stations.prover.challenge(keeper, some, { signal: this.#stop.signal })
      })
    }
  }

  /** Random objects of suspected groups, until enough of them were right. */
  async #challengeSuspects(): Promise<void> {
    const { census, presence } = this.#stations
    for (const { keeper, root } of await census.suspectedRoots(this.#parts.options.proofObjectsMax)) {
      if (presence.isReachable(keeper)) this.#queueChallenge(keeper, root)
    }
  }

  /** Our copy of a wanted object: told to the DHT when it is public, dropped when we decided against it. */
  async #tend(wish: WantedObject, allowed: boolean): Promise<void> {
    const { components, locks } = this.#parts
    const { reports } = this.#stations
    const { root } = wish
    if (!allowed) {
      // A takedown waits for no proof and no hold. A reader may delay it; the next look tries again.
      await locks.run(root, async () => {
        await components.objects.provide(root, false)
        if (await components.objects.remove(root)) await reports.noteGone(root)
      })
      return
    }
    const noted = await reports.noted(root)
    if (noted === undefined) await reports.noteHeld(root, 'repair')
    const open = wish.visibility === 'public'
    if (noted?.provided !== open) {
      await components.objects.provide(root, open)
      await reports.noteProvided(root, open)
    }
  }

  async #write(root: CID, plan: Plan): Promise<void> {
    const row = {
      root: rootKey(root),
      health: plan.health,
      copies_live: plan.copiesLive,
      reasons: plan.reasons.join(' ')
    }
    await this.#parts.components.database
      .insertInto('standing')
      .values(row)
      .onConflict((c) => c.column('root').doUpdateSet(row))
      .execute()
  }

  #background(what: string, work: () => Promise<void>): void {
    const running = work().catch((err: unknown) => {
      if (!this.#stop.signal.aborted) this.#parts.components.log.warn(`${what} failed`, { err })
    })
    const tracked = running.finally(() => this.#active.delete(tracked))
    this.#active.add(tracked)
  }
}
