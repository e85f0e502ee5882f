// This operator's wishes: made durable in its journal, then offered to the keepers that placement names.
// Station: the bridge or the command -> WISHES -> journal and offers.

import {
  type AbortOptions,
  ConflictError,
  DeniedError,
  fromHex,
  type NodeId,
  type OperatorId,
  PoolTooSmallError,
  UnauthorizedError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Observer } from '../census/observe.ts'
import type { Reports } from '../census/report.ts'
import type { Commons } from '../commons.ts'
import type { Change } from '../journal/journal-records.ts'
import type { Wish } from '../journal/wish.ts'
import { keepersFor } from '../plan/placement.ts'
import type { Offers, WrittenWish } from '../repair/offer.ts'
import type { Keeping } from './keep.ts'
import type { KeepingParts } from './keeping-parts.ts'

export interface WantResult {
  /** Copies promised by receipts at distinct operators when this was answered, our own included. */
  readonly copiesPromised: number
  /** Whether this operator wanted it before. */
  readonly existed: boolean
}

export interface WantOptions extends AbortOptions {
  /** The object is not here but at these keepers, in segments; fewer than `needed` receipts refuse the wish. */
  readonly through?: { readonly keepers: readonly NodeId[]; readonly needed: number }
}

export interface WishStations {
  readonly observer: Observer
  readonly offers: Offers
  readonly reports: Reports
  readonly keeping: Keeping
}

export class Wishes {
  readonly #parts: KeepingParts
  readonly #commons: Commons
  readonly #stations: WishStations

  constructor(parts: KeepingParts, commons: Commons, stations: WishStations) {
    this.#parts = parts
    this.#commons = commons
    this.#stations = stations
  }

  /**
   * Makes the wish durable and offers the object, which must be complete in the object store, to its keepers.
   * @throws DeniedError by own policy; PoolTooSmallError when `ackWhenShort` is `refuse` and the receipts
   * did not come: the wish was taken back then
   */
  async want(wish: Wish, options?: WantOptions): Promise<WantResult> {
    const { components, locks, leaving, options: limits } = this.#parts
    const { observer, offers, reports, keeping } = this.#stations
    if (leaving.state !== 'staying') {
      throw new ConflictError(
        'This node is leaving its pool, or has left it. Stay with: commonhold leave --cancel. Or join another: commonhold join <multiaddr>'
      )
    }
    const operator = this.#operator()
    const subject = wish.digest === undefined ? { root: wish.root } : { root: wish.root, digest: wish.digest }
    const decision = await components.policy.decide(subject)
    if (decision.verdict === 'deny') throw new DeniedError(wish.root.toString(), decision.reasons)
    const existed = await this.#wants(operator, wish.root)
    const here = await locks.run(wish.root, async () => {
      const has = await components.objects.has(wish.root)
      if (has && (await reports.noted(wish.root)) === undefined) await reports.noteHeld(wish.root, 'upload')
      return has
    })
    const written = await this.#append({ kind: 'pin', wish }, options)
    if (options?.through !== undefined)
      return await this.#through(wish, written, existed, options.through, options)
    const situation = await observer.situation(wish)
    const { copies, keepers } = keepersFor(situation, limits)
    const holding = new Set(
      situation.copies.filter((copy) => copy.state.kind === 'proven').map((copy) => copy.node)
    )
    const enough = limits.ackCopies - (here ? 1 : 0)
    const promised = await offers.offer(
      wish,
      written,
      {
        copies: Math.max(0, copies - holding.size),
        keepers: keepers.filter((keeper) => !holding.has(keeper)),
        enough: enough - holding.size
      },
      options
    )
    const copiesPromised = promised.size + holding.size + (here ? 1 : 0)
    if (copiesPromised < limits.ackCopies && limits.ackWhenShort === 'refuse') {
      await this.#append({ kind: 'unpin', root: wish.root }, options)
      throw new PoolTooSmallError(copiesPromised, limits.ackCopies)
    }
    keeping.wake(wish.root)
    return { copiesPromised, existed }
  }

  /** Keepers that have all of it make an object of it; they read every byte for that, so it takes its time. */
  async #through(
    wish: Wish,
    written: WrittenWish,
    existed: boolean,
    { keepers, needed }: NonNullable<WantOptions['through']>,
    options?: AbortOptions
  ): Promise<WantResult> {
    const { options: limits } = this.#parts
    const { offers, keeping } = this.#stations
    const waitMs = limits.offerAnswerMs + (wish.size / limits.offerBytesPerSecondMin) * 1000
    const to = { copies: keepers.length, keepers, enough: needed, waitMs }
    const promised = await offers.offer(wish, written, to, options)
    if (promised.size < needed) {
      // Nothing of it is here: short of its copies it would be a promise on others' bytes.
      await this.#append({ kind: 'unpin', root: wish.root }, options)
      throw new PoolTooSmallError(promised.size, needed)
    }
    keeping.wake(wish.root)
    return { copiesPromised: promised.size, existed }
  }

  /** Takes back this operator's wish. `false` when it had none. */
  async unwant(root: CID, options?: AbortOptions): Promise<boolean> {
    if (!(await this.#wants(this.#operator(), root))) return false
    await this.#append({ kind: 'unpin', root }, options)
    return true
  }

  #operator(): OperatorId {
    const { operator } = this.#commons
    if (operator === undefined)
      throw new UnauthorizedError('This node is no member of the pool any more; join it again.')
    return operator
  }

  async #wants(operator: OperatorId, root: CID): Promise<boolean> {
    return (await this.#commons.journals.wishOf(operator, root)) !== undefined
  }

  /** Durable and signed when it resolves; what keepers are shown of it. */
  async #append(change: Change, options?: AbortOptions): Promise<WrittenWish> {
    const { opening, batches, journal, seq } = await this.#commons.own.append([change], options)
    const batch = batches.at(-1)
    if (batch === undefined) throw new Error('an append without a batch')
    return { opening, batch, journal: fromHex(journal), seq }
  }
}
