// Offers and receipts: how a new object gets its first copies. The author offers it to the keepers that
// placement names, with the signed journal batch that wishes it; a keeper makes both durable and only
// then signs a receipt. Station: journal -> OFFER -> census. Normative text: docs/protocol/offers.md.

import {
  type AbortOptions,
  InvalidInputError,
  MalformedRecordError,
  type NodeId,
  type OperatorId,
  openSigned,
  publicKeyOfNode,
  type RecordType,
  signRecord
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { Census } from '../census/census.ts'
import type { Presence } from '../census/presence.ts'
import { within } from '../deadline.ts'
import type { RequestType } from '../dialogue.ts'
import { bytesField, hashField, rootField, sameBytes, seqField } from '../fields.ts'
import { openingBytesMax, openSealed, rootOf, sealedBytesMax } from '../journal/journal-records.ts'
import type { Delivery } from '../journal/journals.ts'
import type { Wish } from '../journal/wish.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { offerMsFor } from '../plan/by-size.ts'
import type { Holds } from '../release/holds.ts'
import type { Segments } from '../segments/segments.ts'
import type { Repairs } from './repair.ts'

/** A keeper's signed word that object and journal batch are durable at its place. */
export interface Receipt {
  pool: Uint8Array
  keeper: string
  operator: string
  storeEpoch: Uint8Array
  root: CID
  journal: Uint8Array
  seq: number
}

export const receiptRecord: RecordType<Receipt> = {
  kind: 'receipt',
  bytesMax: 1024,
  schema: z.strictObject({
    pool: hashField,
    keeper: z.string().min(1).max(80),
    operator: z.string().min(1).max(80),
    storeEpoch: bytesField(32),
    root: rootField,
    journal: hashField,
    seq: seqField
  })
}

export interface Offer {
  root: CID
  /** The journal's signed opening and the sealed batch with its signed head. */
  opening: Uint8Array
  batch: Uint8Array
}

export type OfferAnswer = { kind: 'receipt'; receipt: Uint8Array } | { kind: 'full' | 'declined' | 'busy' }

export const offerRequest: RequestType<Offer, OfferAnswer> = {
  name: 'offer/1',
  request: {
    kind: 'offer',
    bytesMax: 3 * 1024 * 1024,
    schema: z.strictObject({
      root: rootField,
      opening: bytesField(openingBytesMax),
      batch: bytesField(sealedBytesMax)
    })
  },
  answer: {
    kind: 'offer-answer',
    bytesMax: 2048,
    schema: z.discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('receipt'), receipt: bytesField(1280) }),
      z.strictObject({ kind: z.enum(['full', 'declined', 'busy']) })
    ])
  }
}

export interface OfferPorts {
  /** Makes opening and batch durable. */
  readonly accept: (delivery: Delivery, options?: AbortOptions) => Promise<void>
  /** Whether this keeper takes nothing more. */
  readonly isFull: () => Promise<boolean>
}

/** What a wish was written down as, to be shown to keepers. */
export interface WrittenWish {
  readonly opening: Uint8Array
  /** Sealed, with its signed head. */
  readonly batch: Uint8Array
  /** Id of the journal and place of the batch in it. */
  readonly journal: Uint8Array
  readonly seq: number
}

export class Offers {
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #presence: Presence
  readonly #repairs: Repairs
  readonly #holds: Holds
  readonly #segments: Segments
  readonly #ports: OfferPorts
  #taking = 0
  readonly #stop = new AbortController()
  readonly #active = new Set<Promise<void>>()

  constructor(
    parts: KeepingParts,
    stations: { census: Census; presence: Presence; repairs: Repairs; holds: Holds; segments: Segments },
    ports: OfferPorts
  ) {
    this.#parts = parts
    this.#census = stations.census
    this.#presence = stations.presence
    this.#repairs = stations.repairs
    this.#holds = stations.holds
    this.#segments = stations.segments
    this.#ports = ports
    parts.dialogue.on(offerRequest, (from, offer) => this.#take(from, offer))
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await Promise.allSettled(this.#active)
  }

  /**
   * Offers to `copies` keepers at once, and to the next in rank for each that refuses. Resolves when
   * `enough` operators gave receipts, when nobody is left to ask, or after `ackWaitMs`; the offers go on.
   * @returns operators that promised until then
   */
  async offer(
    wish: Wish,
    written: WrittenWish,
    to: {
      readonly copies: number
      readonly keepers: readonly NodeId[]
      readonly enough: number
      /** @default ackWaitMs */
      readonly waitMs?: number
    },
    options?: AbortOptions
  ): Promise<ReadonlySet<OperatorId>> {
    const promised = new Set<OperatorId>()
    const ahead = [...to.keepers]
    const answered = Promise.withResolvers<void>()
    if (to.enough <= 0) answered.resolve()
    const seat = async (): Promise<void> => {
      for (let keeper = ahead.shift(); keeper !== undefined; keeper = ahead.shift()) {
        const operator = await this.#offerTo(keeper, wish, written)
        if (operator === undefined) continue
        promised.add(operator)
        if (promised.size >= to.enough) answered.resolve()
        return
      }
    }
    const all = Promise.all(Array.from({ length: to.copies }, seat)).then(() => answered.resolve())
    this.#active.add(all)
    void all.finally(() => this.#active.delete(all))
    const { clock } = this.#parts.components
    await within(clock, to.waitMs ?? this.#parts.options.ackWaitMs, () => answered.promise, options).catch(
      (err: unknown) => {
        options?.signal?.throwIfAborted()
        // Time is up: what was promised until now is the answer.
        if (!(err instanceof Error && err.name === 'UnreachableError')) throw err
      }
    )
    return new Set(promised)
  }

  /** The operator that promised, or `undefined`. Never throws: one keeper's trouble is not the author's. */
  async #offerTo(keeper: NodeId, wish: Wish, written: WrittenWish): Promise<OperatorId | undefined> {
    const { components, dialogue, options } = this.#parts
    const { root, size } = wish
    const offer: Offer = { root, opening: written.opening, batch: written.batch }
    try {
      const answer = await within(
        components.clock,
        offerMsFor(size, options),
        (abort) => dialogue.ask(keeper, offerRequest, offer, abort),
        { signal: this.#stop.signal }
      )
      this.#presence.noteAlive(keeper)
      if (answer.kind === 'declined') await this.#census.noteDeclined(root, keeper)
      if (answer.kind !== 'receipt') return undefined
      return await this.#file(keeper, answer.receipt, root, written)
    } catch (err) {
      if (!this.#stop.signal.aborted)
        components.log.info('an offer came to nothing', { keeper, root: root.toString(), err })
      return undefined
    }
  }

  async #file(keeper: NodeId, bytes: Uint8Array, root: CID, written: WrittenWish): Promise<OperatorId> {
    const { roster } = this.#parts
    const { body, signer } = openSigned(receiptRecord, bytes)
    const operator = roster.operatorOf(keeper)
    const fits =
      sameBytes(signer, publicKeyOfNode(keeper)) &&
      sameBytes(body.pool, roster.poolId) &&
      body.keeper === keeper &&
      body.operator === operator &&
      body.root.equals(root) &&
      sameBytes(body.journal, written.journal) &&
      body.seq === written.seq
    if (operator === undefined || !fits)
      throw new MalformedRecordError('receipt', 'it is not about what was offered')
    await this.#census.noteKeeper(keeper, body.storeEpoch)
    await this.#census.noteClaim(root, keeper)
    return operator
  }

  async #take(from: NodeId, offer: Offer): Promise<OfferAnswer> {
    const { components, roster, options } = this.#parts
    const self = roster.member(components.keys.nodeId)
    if (self === undefined || self.capacityBytes === 0) return { kind: 'full' }
    const batch = openSealed(offer.batch, roster.k)
    const change = batch.changes.find((candidate) => rootOf(candidate).equals(offer.root))
    if (change?.kind !== 'pin')
      throw new InvalidInputError('The offered batch does not wish for this object.')
    const { root, size, digest } = change.wish
    const subject = digest === undefined ? { root } : { root, digest }
    if ((await components.policy.decide(subject)).verdict !== 'allow') return { kind: 'declined' }
    if (await this.#ports.isFull()) return { kind: 'full' }
    if (this.#taking >= options.offersConcurrency) return { kind: 'busy' }
    this.#taking++
    try {
      // A copy we are about to release is no promise to give.
      if (!(await this.#holds.grant(root, size, from))) return { kind: 'busy' }
      // The wish first: bytes without a durable wish would be garbage to us after a crash.
      await this.#ports.accept({ openings: [offer.opening], batches: [offer.batch] })
      if (!(await components.objects.has(root))) {
        const present = this.#segments.hold(root)
        await this.#repairs.pull(root, [from], { sizeMax: size, signal: this.#stop.signal, present })
      }
      await this.#segments.finish(root)
      // Both are on disk: only now may we sign that they are.
      const receipt: Receipt = {
        pool: roster.poolId,
        keeper: components.keys.nodeId,
        operator: self.operator,
        storeEpoch: components.objects.storeEpoch,
        root,
        journal: batch.journal,
        seq: batch.seq
      }
      return { kind: 'receipt', receipt: signRecord(receiptRecord, receipt, components.keys.node).bytes }
    } catch (err) {
      if (err instanceof Error && err.name === 'NoSpaceError') return { kind: 'full' }
      throw err
    } finally {
      this.#taking--
    }
  }
}
