// Prove-and-hold: how our copy may go. The others are asked, now, to prove theirs and to promise not to
// release for `holdMs`; only then, and only while those promises run, ours is deleted.
// Crash order: intent durable -> holds -> re-read wishes and holds under the root's lock -> delete.
// Normative text: docs/protocol/release.md.

import type { AbortOptions, NodeId, OperatorId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Reports } from '../census/report.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { holdMsFor } from '../plan/by-size.ts'
import type { Prover, Verdict } from '../proof/prove.ts'
import { rootKey, rootOfKey } from '../root-key.ts'
import type { Holds } from './holds.ts'

export type ReleaseOutcome = 'released' | 'refused' | 'busy'

interface Gathered {
  readonly holders: ReadonlySet<OperatorId>
  readonly askedMs: number
}

export class Releases {
  readonly #parts: KeepingParts
  readonly #holds: Holds
  readonly #prover: Prover
  readonly #reports: Reports
  readonly counts: { done: number; refused: number } = { done: 0, refused: 0 }

  constructor(parts: KeepingParts, holds: Holds, prover: Prover, reports: Reports) {
    this.#parts = parts
    this.#holds = holds
    this.#prover = prover
    this.#reports = reports
  }

  /**
   * Intents of a run that ended in the middle. A copy that is gone was deleted with all holds in force:
   * finished. A copy still here stays: the holds are not ours any more.
   */
  async open(): Promise<void> {
    const { database, objects } = this.#parts.components
    for (const intent of await database.selectFrom('release_intent').selectAll().execute()) {
      const root = rootOfKey(intent.root)
      if (!(await objects.has(root))) await this.#reports.noteGone(root)
      await this.#forget(root)
    }
  }

  /** @param askHolds live copies elsewhere, as the plan saw them */
  async release(root: CID, askHolds: readonly NodeId[], options?: AbortOptions): Promise<ReleaseOutcome> {
    const { components, time, options: limits } = this.#parts
    const size = await components.objects.size(root)
    if (size === undefined || !this.#holds.beginRelease(root, size)) return this.#refused(root, 'held here')
    try {
      // The intent is durable before anybody is asked: after a crash we know that holds may be out.
      await components.database
        .insertInto('release_intent')
        .values({ root: rootKey(root), began_ms: time.nowMs() })
        .onConflict((c) => c.column('root').doUpdateSet({ began_ms: time.nowMs() }))
        .execute()
      const { holders, askedMs } = await this.#gather(root, askHolds, options)
      return await this.#parts.locks.run(root, async () => {
        const heldUntilMs = askedMs + holdMsFor(size, limits) - limits.holdMarginMs
        if (components.clock.monotonicMs() >= heldUntilMs) return this.#refused(root, 'took too long')
        if (!(await this.#permitted(root, size, holders))) return this.#refused(root, 'needed here')
        await this.#reports.withdraw(root)
        // Refused by the store while a reader or an ingest of the same bytes has it open.
        if (!(await components.objects.remove(root))) return this.#refused(root, 'open')
        await this.#reports.noteGone(root)
        this.counts.done++
        return 'released'
      })
    } finally {
      await this.#forget(root)
      this.#holds.endRelease(root)
    }
  }

  /**
   * Operators other than ours whose copy was proven to us just now and is held, and when the first of them
   * was asked: every promise runs at least from then.
   */
  async #gather(root: CID, askHolds: readonly NodeId[], options?: AbortOptions): Promise<Gathered> {
    const { roster, components } = this.#parts
    const own = roster.operatorOf(components.keys.nodeId)
    const holders = new Set<OperatorId>()
    let askedMs = Number.POSITIVE_INFINITY
    const asked = await Promise.all(
      askHolds.map(async (keeper): Promise<[NodeId, Verdict]> => {
        return [keeper, await this.#prover.challengeOne(keeper, root, { ...options, hold: true })]
      })
    )
    for (const [keeper, verdict] of asked) {
      const member = roster.member(keeper)
      if (verdict.outcome !== 'proven' || !verdict.held) continue
      if (member?.counted !== true || member.operator === own) continue
      holders.add(member.operator)
      askedMs = Math.min(askedMs, verdict.askedMs)
    }
    return { holders, askedMs }
  }

  /** Everything that may have changed while we asked, read again under the root's lock. */
  async #permitted(root: CID, size: number, holders: ReadonlySet<OperatorId>): Promise<boolean> {
    const { wanted, roster } = this.#parts
    const wish = await wanted.get(root)
    if (wish === undefined) return false
    if (this.#holds.isHeld(root) || !this.#holds.mayRelease(size)) return false
    const still = [...holders].filter((operator) => roster.operator(operator)?.counted === true)
    return still.length >= wish.copiesMin
  }

  #refused(root: CID, why: string): 'refused' {
    this.counts.refused++
    this.#parts.components.log.debug('a copy is not released', { root: root.toString(), why })
    return 'refused'
  }

  async #forget(root: CID): Promise<void> {
    await this.#parts.components.database
      .deleteFrom('release_intent')
      .where('root', '=', rootKey(root))
      .execute()
  }
}
