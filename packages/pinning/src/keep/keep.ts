// The loop: observe -> plan -> act, for ever. Level-triggered: a round over all wanted objects never
// ends, so a lost event costs time and nothing else; events only bring an object's turn forward (turns.ts).
// Objects are looked at in pages, each with a few look-ups and one write, whatever its number of objects.

import { toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from '../census/census.ts'
import type { Observer } from '../census/observe.ts'
import type { Presence } from '../census/presence.ts'
import type { Reports } from '../census/report.ts'
import type { Looked, Standings } from '../census/standings.ts'
import { slept } from '../deadline.ts'
import type { WantedObject } from '../journal/wish.ts'
import { type Plan, planObject, type SelfView } from '../plan/plan.ts'
import { ChallengeQueue } from '../proof/challenge-queue.ts'
import type { Prover } from '../proof/prove.ts'
import type { Releases } from '../release/release.ts'
import { ReleaseQueue } from '../release/release-queue.ts'
import { Staging } from '../release/staging.ts'
import type { Takedowns } from '../release/takedown.ts'
import type { Repairs } from '../repair/repair.ts'
import { rootKey } from '../root-key.ts'
import type { KeepingParts } from './keeping-parts.ts'
import { Turns } from './turns.ts'

export interface Stations {
  readonly observer: Observer
  readonly census: Census
  readonly presence: Presence
  readonly reports: Reports
  readonly repairs: Repairs
  readonly prover: Prover
  readonly releases: Releases
  readonly takedowns: Takedowns
  readonly standings: Standings
}

/** Ticks follow faster while there is a backlog: this part of `tickMs`. */
const backlogShare = 0.05

/** Own time is written this often; after a crash the wall clock bridges the rest. */
const saveIntervalMs = 60_000

export class Keeping {
  readonly #parts: KeepingParts
  readonly #stations: Stations
  readonly #stop = new AbortController()
  readonly #turns: Turns
  readonly #standings: Standings
  readonly #challenges: ChallengeQueue
  readonly #releases: ReleaseQueue
  readonly #staging: Staging
  #savedMs = 0
  #loop: Promise<void> | undefined
  #wakeUp: () => void = () => {}
  readonly #listeners = new Set<(root: CID, plan: Plan) => void>()

  constructor(parts: KeepingParts, stations: Stations) {
    this.#parts = parts
    this.#stations = stations
    this.#standings = stations.standings
    this.#turns = new Turns(parts, stations.standings)
    this.#turns.onTurn = () => this.#wakeUp()
    this.#staging = new Staging(parts)
    this.#releases = new ReleaseQueue(parts, {
      release: (root, askHolds, options) => stations.releases.release(root, askHolds, options),
      onEnd: (root) => this.wake(root)
    })
    this.#challenges = new ChallengeQueue(parts, {
      isPending: (keeper, root) => stations.prover.isPending(keeper, root),
      challenge: async (keeper, roots) => {
        await stations.prover.challenge(keeper, roots, { signal: this.#stop.signal })
      }
    })
    const { census, presence, repairs } = stations
    parts.wanted.onChange((roots) => this.#turns.wakeAll(roots))
    parts.roster.onChange(() => this.#turns.wakeAll(undefined))
    census.onChange((roots) => this.#turns.wakeAll(roots))
    repairs.onEnd = (root) => this.wake(root)
    presence.listen({ onReach: (node, reachable) => this.#turns.wakeKeeper(node, reachable) })
  }

  async start(): Promise<void> {
    await this.#turns.open()
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#wakeUp()
    await this.#loop
    await this.#releases.stop()
    await this.#challenges.idle()
  }

  /** Called with every plan as it is made. Returns how to stop listening. */
  onPlan(listener: (root: CID, plan: Plan) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  wake(root: CID): void {
    this.#turns.wake(root)
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
    if (this.#turns.isPressing) return
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
    left -= await this.#lookAt(await this.#turns.take(left))
    left -= await this.#lookAt(await this.#staging.take(left))
    left -= await this.#lookAt(await this.#turns.takeOfRound(left))
    await this.#challengeSuspects()
    this.#challenges.send()
    this.#stations.repairs.forgetPast()
    const nowMs = this.#parts.time.nowMs()
    if (nowMs - this.#savedMs >= saveIntervalMs) {
      this.#savedMs = nowMs
      await this.#parts.time.save()
    }
    return left <= 0 || this.#turns.isPressing || this.#turns.isRoundUnderWay
  }

  /** Observe, plan, act: one object, once. Absent when nobody wants it. */
  async look(root: CID): Promise<Plan | undefined> {
    return (await this.#lookAtAll([root])).get(nameOf(root))
  }

  async #lookAt(roots: readonly CID[]): Promise<number> {
    if (roots.length > 0 && !this.#stop.signal.aborted) await this.#lookAtAll(roots)
    return roots.length
  }

  /** A page of objects: observed together, planned each, written together, then acted upon. */
  async #lookAtAll(roots: readonly CID[]): Promise<ReadonlyMap<string, Plan>> {
    const { wanted, options, time } = this.#parts
    const { observer, repairs } = this.#stations
    const wishes = await wanted.some(roots)
    const names = new Set(wishes.map((wish) => nameOf(wish.root)))
    const unwanted = roots.filter((root) => !names.has(nameOf(root)))
    const situations = await observer.situations(wishes)
    const nowMs = time.nowMs()
    const plans = situations.map((situation) => planObject(situation, options))
    await this.#tend(wishes.flatMap((wish, i) => ({ wish, ...situations[i]?.self })))
    const looked = plans.flatMap((plan, i): Looked[] => {
      const wish = wishes[i]
      if (wish === undefined) return []
      const { root } = wish
      const againMs = this.#act(wish, plan) ? plan.reviewAfterMs : options.proofRetryMs
      return [{ root, plan, ...(againMs === undefined ? {} : { reviewMs: nowMs + againMs }) }]
    })
    for (const root of unwanted) repairs.unwant(root)
    await this.#standings.write(looked, unwanted)
    for (const { root, plan } of looked) for (const listener of this.#listeners) listener(root, plan)
    return new Map(looked.map(({ root, plan }) => [nameOf(root), plan]))
  }

  /** @returns whether everything found its place; what did not is planned again before long. */
  #act({ root, size: bytes }: WantedObject, plan: Plan): boolean {
    const { repairs } = this.#stations
    let placed = true
    const fetch = plan.actions.find((action) => action.kind === 'fetch')
    if (fetch === undefined) repairs.unwant(root)
    // Moving to a newcomer makes one copy more than the target.
    else placed &&= repairs.want(root, fetch)
    for (const action of plan.actions) {
      if (action.kind !== 'prove') continue
      const { keeper, overdueMs, mayWait } = action
      placed = this.#challenges.want(keeper, { root, bytes, overdueMs, mayWait }) && placed
    }
    const release = plan.actions.find((action) => action.kind === 'release')
    if (release === undefined) this.#releases.unwant(root)
    else this.#releases.want(root, release)
    return placed
  }

  /** Random objects of suspected groups, until enough of them were right. */
  async #challengeSuspects(): Promise<void> {
    const { census, presence } = this.#stations
    for (const { keeper, root } of await census.suspectedRoots(this.#parts.options.proofObjectsMax)) {
      if (!presence.isReachable(keeper)) continue
      const bytes = (await this.#parts.wanted.get(root))?.size ?? 0
      this.#challenges.want(keeper, { root, bytes, overdueMs: 0, mayWait: false })
    }
  }

  /** Our copies of wanted objects: told to the DHT when they are public, sealed when we decided against them. */
  async #tend(
    situated: readonly { wish: WantedObject; copy?: SelfView['copy']; allowed?: boolean }[]
  ): Promise<void> {
    const { reports, takedowns } = this.#stations
    const { objects } = this.#parts.components
    const held = situated.filter(({ copy }) => copy === 'upload' || copy === 'repair')
    if (held.length === 0) return
    for (const { wish, allowed } of held) if (allowed === false) await takedowns.carryOut(wish.root)
    const kept = held.filter(({ allowed }) => allowed === true).map(({ wish }) => wish)
    const noted = await reports.notedOf(kept.map((wish) => wish.root))
    for (const open of [true, false]) {
      const roots: CID[] = []
      for (const { root, visibility } of kept) {
        const known = noted.get(nameOf(root))
        if ((visibility === 'public') !== open || known?.provided === open) continue
        if (known === undefined) await reports.noteHeld(root, 'repair')
        await objects.provide(root, open)
        roots.push(root)
      }
      await reports.noteProvided(roots, open)
    }
  }
}

function nameOf(root: CID): string {
  return toHex(rootKey(root))
}
