// The author's side of a file larger than its own room: keepers are chosen and take it segment by segment
// while it still comes in; here nothing stays. Each segment may go once `copiesMin` keepers proved it over
// its bytes; the wish comes last, and its receipts are the acknowledgement.
// Station: ingest -> PASSAGE -> wishes. Normative text: docs/protocol/offers.md, "Segments".

import { type AbortOptions, type NodeId, NoSpaceError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Presence } from '../census/presence.ts'
import { within } from '../deadline.ts'
import { sameBytes } from '../fields.ts'
import type { Wish } from '../journal/wish.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { WantResult, Wishes } from '../keep/wishes.ts'
import { nonceBytes, proofDigest } from '../proof/proof.ts'
import { segmentRequest, segmentsEndRequest, uploadIdBytes } from './segment-wire.ts'

/** A run of a file's blocks as an object of its own, served by this node until it was delivered. */
export interface PassingSegment {
  readonly index: number
  readonly root: CID
  /** Bytes of its blocks without the root's. */
  readonly size: number
  /** Root of the whole file, with the last segment. */
  readonly file?: CID
  blocks(): AsyncIterable<Uint8Array>
}

export interface PassageInit {
  /** File bytes. */
  readonly size: number
  readonly copiesMin: number
  /** Who could take it, best first, one node per operator. */
  readonly keepers: readonly NodeId[]
  readonly onEnd: () => void
}

/** Roots, salts and inner nodes beside the file's own bytes: under a thousandth, and a little for small ones. */
const frameShare = 1 / 512
const frameBytesMin = 1024 * 1024

/** Bytes a keeper sets aside for a file of this size. */
export function roomFor(size: number): number {
  return size + Math.max(frameBytesMin, Math.ceil(size * frameShare))
}

export class Passage implements AsyncDisposable {
  readonly #parts: KeepingParts
  readonly #presence: Presence
  readonly #wishes: Wishes
  readonly #init: PassageInit
  readonly #upload: Uint8Array
  readonly #room: number
  /** Keepers that have every segment so far, by operator. */
  #seats: NodeId[] = []
  /** Whether the keepers are chosen. */
  #opened: Promise<void> | undefined
  /** Whoever was asked and may have something of it. */
  readonly #asked = new Set<NodeId>()

  constructor(parts: KeepingParts, stations: { presence: Presence; wishes: Wishes }, init: PassageInit) {
    this.#parts = parts
    this.#presence = stations.presence
    this.#wishes = stations.wishes
    this.#init = init
    this.#upload = parts.components.random.bytes(uploadIdBytes)
    this.#room = roomFor(init.size)
  }

  /**
   * Resolves when at least `copiesMin` keepers have the segment durable and proved it. The first one is
   * delivered alone: it opens the upload, and whoever refuses it is replaced by the next in rank. Those that are
   * brought meanwhile wait for it.
   * @throws NoSpaceError when too few keepers take it
   */
  async deliver(segment: PassingSegment, options?: AbortOptions): Promise<void> {
    if (segment.index === 0) this.#opened = this.#open(segment, options)
    await this.#opened
    const kept = segment.index === 0 ? this.#seats.length : await this.#next(segment, options)
    if (kept >= this.#init.copiesMin) return
    options?.signal?.throwIfAborted()
    throw new NoSpaceError(
      `The file is larger than the room for uploads here, and only ${kept} of the ${this.#init.copiesMin} keepers ` +
        'needed take it while it comes in. See who has room with: commonhold pool members'
    )
  }

  /**
   * Makes the wish durable and has the keepers make an object of what they have.
   * @throws PoolTooSmallError when fewer than `copiesMin` gave their receipt; the wish was taken back then
   */
  async finish(wish: Wish, options?: AbortOptions): Promise<WantResult> {
    const through = { keepers: this.#seats, needed: this.#init.copiesMin }
    const result = await this.#wishes.want(wish, { ...options, through })
    // They end it by themselves with their receipt, which may be still to come.
    for (const keeper of this.#seats) this.#asked.delete(keeper)
    return result
  }

  /** Nothing of the upload is to stay at those who have no part in its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#tellEnd()
    } finally {
      this.#init.onEnd()
    }
  }

  async #tellEnd(): Promise<void> {
    const { components, dialogue, options } = this.#parts
    await Promise.all(
      [...this.#asked].map(async (keeper) => {
        try {
          await within(components.clock, options.presenceAnswerMs, (abort) =>
            dialogue.ask(keeper, segmentsEndRequest, { upload: this.#upload }, abort)
          )
        } catch (err) {
          // It drops them by itself when it hears no more of the upload.
          components.log.debug('a keeper was not told that an upload ended', { keeper, err })
        }
      })
    )
  }

  /** One copy more than needed, where there is somebody: a keeper that dies on the way must not end the upload. */
  async #open(segment: PassingSegment, options?: AbortOptions): Promise<void> {
    const ahead = [...this.#init.keepers]
    const seat = async (): Promise<void> => {
      for (let keeper = ahead.shift(); keeper !== undefined; keeper = ahead.shift()) {
        if (!(await this.#deliverTo(keeper, segment, options))) continue
        this.#seats.push(keeper)
        return
      }
    }
    await Promise.all(Array.from({ length: this.#init.copiesMin + 1 }, seat))
  }

  async #next(segment: PassingSegment, options?: AbortOptions): Promise<number> {
    const seats = this.#seats
    const kept = await Promise.all(seats.map((keeper) => this.#deliverTo(keeper, segment, options)))
    const lost = seats.filter((_, i) => kept[i] !== true)
    // Without this segment the keeper's copy is none, whatever it takes later.
    this.#seats = this.#seats.filter((keeper) => !lost.includes(keeper))
    return this.#seats.length
  }

  /** Whether this keeper has the segment durable and showed that it read it. Its trouble is not the author's. */
  async #deliverTo(keeper: NodeId, segment: PassingSegment, options?: AbortOptions): Promise<boolean> {
    const { components, dialogue, roster, options: limits } = this.#parts
    const { index, root, size, file } = segment
    this.#asked.add(keeper)
    const nonce = components.random.bytes(nonceBytes)
    const offer = { upload: this.#upload, index, room: this.#room, root, size, file: file ?? null, nonce }
    try {
      const answer = await within(
        components.clock,
        limits.offerAnswerMs + (size / limits.offerBytesPerSecondMin) * 1000,
        (abort) => dialogue.ask(keeper, segmentRequest, offer, abort),
        options
      )
      this.#presence.noteAlive(keeper)
      if (answer.kind !== 'kept') {
        components.log.info('a keeper does not take a segment', { keeper, index, reason: answer.kind })
        return false
      }
      const right = await proofDigest({ pool: roster.poolId, nonce, keeper, root }, segment.blocks())
      if (sameBytes(right, answer.digest)) return true
      components.log.warn('a keeper answered for a segment wrongly', { keeper, index })
    } catch (err) {
      if (options?.signal?.aborted !== true)
        components.log.info('a segment could not be delivered', { keeper, index, err })
    }
    return false
  }
}
