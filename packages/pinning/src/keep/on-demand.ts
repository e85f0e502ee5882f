// What somebody asks for now instead of waiting for the loop: challenge every holder, wait until an
// object is healthy. Does nothing the loop would not do by itself, only sooner.

import { type AbortOptions, NotFoundError, PoolTooSmallError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from '../census/census.ts'
import type { Observer } from '../census/observe.ts'
import { statusOf } from '../census/overview.ts'
import { slept } from '../deadline.ts'
import { isPlacedHere } from '../plan/placement.ts'
import { planObject } from '../plan/plan.ts'
import type { Copy } from '../plan/tally.ts'
import type { Prover } from '../proof/prove.ts'
import type { ProofOutcome, ReplicationStatus } from '../status.ts'
import type { Keeping } from './keep.ts'
import type { KeepingParts } from './keeping-parts.ts'

export interface OnDemandStations {
  readonly observer: Observer
  readonly census: Census
  readonly prover: Prover
  readonly keeping: Keeping
}

export class OnDemand {
  readonly #parts: KeepingParts
  readonly #stations: OnDemandStations
  readonly #stop = new AbortController()

  constructor(parts: KeepingParts, stations: OnDemandStations) {
    this.#parts = parts
    this.#stations = stations
  }

  stop(): void {
    this.#stop.abort(new Error('stopped'))
  }

  /** Challenges every holder now. */
  async prove(root: CID, options?: AbortOptions): Promise<readonly ProofOutcome[]> {
    const copies = await this.#stations.census.copiesOf(root)
    return await Promise.all(copies.map((copy) => this.#proveOne(root, copy, options)))
  }

  /**
   * Proves new copies right away and resolves when the object is healthy and, if this node is not
   * placed for it, its upload was released.
   * @throws PoolTooSmallError at once when there are fewer counted operators than `copiesMin`; NotFoundError
   * when nobody wants it
   */
  async waitUntilHealthy(root: CID, options?: AbortOptions): Promise<ReplicationStatus> {
    const { wanted, options: limits } = this.#parts
    const { observer, keeping } = this.#stations
    for (;;) {
      options?.signal?.throwIfAborted()
      const wish = await wanted.get(root)
      if (wish === undefined) throw new NotFoundError(`Nobody in this pool wants ${root.toString()}.`)
      const { operators } = observer.pool()
      if (operators < wish.copiesMin) throw new PoolTooSmallError(operators, wish.copiesMin)
      await keeping.look(root)
      const situation = await observer.situation(wish)
      const plan = planObject(situation, limits)
      // An upload goes only when `copiesMin` other operators have proven theirs; where there are not as many
      // others (two nodes of one operator, one of them placed), waiting for that would never end.
      const stays = operators - 1 < wish.copiesMin
      const placed = stays || situation.self.copy !== 'upload' || isPlacedHere(situation, limits)
      if (plan.health === 'healthy' && placed) return statusOf(wish, situation, plan)
      // Looked at again when all have answered, and before that for what others find out meanwhile.
      await Promise.race([this.#proveClaims(root, options), this.#pause(limits.tickMs, options)])
      await this.#pause(limits.tickMs / 5, options)
      this.#stop.signal.throwIfAborted()
    }
  }

  async #proveClaims(root: CID, options?: AbortOptions): Promise<void> {
    const copies = await this.#stations.census.copiesOf(root)
    // Who is late is asked again by the loop: at once it would read a large object over and over.
    const unproven = copies.filter(
      ({ awayMs, state, lateForMs }) => awayMs === 0 && state.kind === 'claimed' && lateForMs === undefined
    )
    // A failure shows in the next look, which throws for whoever still waits.
    await Promise.allSettled(unproven.map((copy) => this.#proveOne(root, copy, options)))
  }

  async #proveOne(root: CID, copy: Copy, options?: AbortOptions): Promise<ProofOutcome> {
    const { clock } = this.#parts.components
    const { node, operator } = copy
    if (copy.state.kind === 'own') return { node, operator, outcome: 'own', by: 'none', tookMs: 0 }
    const beganMs = clock.monotonicMs()
    const { outcome, by } = await this.#stations.prover.challengeOne(node, root, options)
    return { node, operator, outcome, by, tookMs: clock.monotonicMs() - beganMs }
  }

  async #pause(ms: number, options?: AbortOptions): Promise<void> {
    const signals = [this.#stop.signal, ...(options?.signal === undefined ? [] : [options.signal])]
    await slept(this.#parts.components.clock, ms, AbortSignal.any(signals))
  }
}
