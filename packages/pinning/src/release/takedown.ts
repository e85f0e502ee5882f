// Takedowns: what this operator decided against is sealed at once, so that nobody is shown it and an undo
// loses nothing, and erased when `takedownHoldMs` is over. Every step follows from what is on disk and what
// the policy says now, so whatever was cut short is taken up again. Station: policy -> TAKEDOWN -> object store.
// Waits for no proof, no hold, no sweep and no reader; decides nothing itself.

import type { AbortOptions, Decision } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Reports } from '../census/report.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { rootKey } from '../root-key.ts'
import { RootLocks } from '../root-locks.ts'

/** What is sealed here, all objects together. */
export interface SealedSummary {
  readonly objects: number
  /** Until the last of them is erased, in ms; absent when nothing is sealed. */
  readonly lastErasedInMs?: number
}

export class Takedowns {
  readonly #parts: KeepingParts
  readonly #reports: Reports
  /** Not those of the pool: a pull holds these for as long as it takes, and a takedown waits for nobody. */
  readonly #locks = new RootLocks()

  constructor(parts: KeepingParts, reports: Reports) {
    this.#parts = parts
    this.#reports = reports
  }

  /** Brings our copy in line with what the policy says of it now; whether it is denied. */
  async carryOut(root: CID): Promise<boolean> {
    return await this.#locks.run(root, async () => {
      const decision = await this.#decide(root)
      if (decision.verdict === 'deny') await this.#seal(root, decision)
      else await this.#unseal(root)
      return decision.verdict === 'deny'
    })
  }

  /** Erases what was sealed long enough, and carries out what a crash, or a list that changed, left undone. */
  async review(options?: AbortOptions): Promise<void> {
    for await (const { root } of this.#parts.components.objects.sealed()) {
      options?.signal?.throwIfAborted()
      await this.carryOut(root)
    }
  }

  /** Until the bytes of this object go, in ms; absent when none of it is sealed here. */
  async erasedInMs(root: CID): Promise<number | undefined> {
    const sinceMs = await this.#sinceMs(root)
    return sinceMs === undefined ? undefined : this.#leftMs(sinceMs)
  }

  async summary(): Promise<SealedSummary> {
    const { n, last } = await this.#parts.components.database
      .selectFrom('sealed')
      .select((eb) => [eb.fn.countAll<number>().as('n'), eb.fn.max('since_ms').as('last')])
      .executeTakeFirstOrThrow()
    return { objects: Number(n), ...(Number(n) === 0 ? {} : { lastErasedInMs: this.#leftMs(Number(last)) }) }
  }

  async #decide(root: CID): Promise<Decision> {
    const { policy } = this.#parts.components
    const digest = (await this.#parts.wanted.get(root))?.digest
    return await policy.decide(digest === undefined ? { root } : { root, digest })
  }

  async #seal(root: CID, { eraseAtOnce }: Decision): Promise<void> {
    const { components, time } = this.#parts
    // Sealed before anything is noted: from this line on nobody is shown a byte.
    const sealedNow = (await components.objects.seal(root)) !== undefined
    if (sealedNow) {
      await components.objects.provide(root, false)
      await this.#reports.noteGone(root)
    }
    const sinceMs = await this.#sinceMs(root)
    if (eraseAtOnce === true || (sinceMs !== undefined && this.#leftMs(sinceMs) === 0)) {
      if (await components.objects.erase(root))
        components.log.info('a denied object was erased', { root: root.toString() })
      await this.#forget(root)
    } else if (sinceMs === undefined && (sealedNow || (await components.objects.isSealed(root)))) {
      // By our own time, so that no clock of another machine, nor ours set forward, shortens it.
      await components.database
        .insertInto('sealed')
        .values({ root: rootKey(root), since_ms: time.nowMs() })
        .execute()
    }
  }

  async #unseal(root: CID): Promise<void> {
    const { components } = this.#parts
    const object = await components.objects.unseal(root)
    await this.#forget(root)
    // What was damaged before is damaged still, and nothing to report.
    if (object !== undefined && (await components.objects.has(root)))
      await this.#reports.noteHeld(root, object.origin)
  }

  async #sinceMs(root: CID): Promise<number | undefined> {
    const row = await this.#parts.components.database
      .selectFrom('sealed')
      .select('since_ms')
      .where('root', '=', rootKey(root))
      .executeTakeFirst()
    return row?.since_ms
  }

  #leftMs(sinceMs: number): number {
    return Math.max(0, sinceMs + this.#parts.options.takedownHoldMs - this.#parts.time.nowMs())
  }

  async #forget(root: CID): Promise<void> {
    await this.#parts.components.database.deleteFrom('sealed').where('root', '=', rootKey(root)).execute()
  }
}
