// Challenges the plan asked for, until they are sent: longest due first, many objects of one keeper together,
// one question to a keeper at a time, and no faster than our own reading for them is allowed. What may wait is
// gathered first: alone a proof costs four times the bytes it costs in company. Station: plan -> CHALLENGE QUEUE -> prove.
// Bounded: what finds no place is asked for again by the next round.

import { type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { Pace } from '../keep/pace.ts'
import { rootKey } from '../root-key.ts'

export interface DueChallenge {
  readonly root: CID
  /** Size of the object. */
  readonly bytes: number
  /** How long it has been due. */
  readonly overdueMs: number
  /** Until there are enough for one question. */
  readonly mayWait: boolean
}

export interface Challenger {
  isPending(keeper: NodeId, root: CID): boolean
  challenge(keeper: NodeId, roots: readonly CID[]): Promise<void>
}

interface Waiting {
  readonly root: CID
  readonly dueMs: number
  readonly bytes: number
  readonly mayWait: boolean
}

export class ChallengeQueue {
  readonly #parts: KeepingParts
  readonly #challenger: Challenger
  readonly #pace: Pace
  readonly #waiting = new Map<NodeId, Map<string, Waiting>>()
  readonly #asking = new Map<NodeId, Promise<void>>()

  constructor(parts: KeepingParts, challenger: Challenger) {
    this.#parts = parts
    this.#challenger = challenger
    const { challengeBytesPerSecondMax, challengeBurstBytesMax } = parts.options
    this.#pace = new Pace(parts.components.clock, challengeBytesPerSecondMax, challengeBurstBytesMax)
  }

  /** @returns whether it found a place */
  want(keeper: NodeId, { root, bytes, overdueMs, ...due }: DueChallenge): boolean {
    const name = toHex(rootKey(root))
    const waiting = this.#waiting.get(keeper) ?? new Map<string, Waiting>()
    if (waiting.has(name) || this.#challenger.isPending(keeper, root)) return true
    if (waiting.size >= this.#parts.options.challengesMax) return false
    // Whether a large one is fetched shows in the time of its answer, and best while other holders are asked.
    const mayWait = due.mayWait && bytes < this.#parts.options.proofTellBytesMin
    waiting.set(name, { root, bytes, mayWait, dueMs: this.#parts.time.nowMs() - overdueMs })
    this.#waiting.set(keeper, waiting)
    return true
  }

  /** Sends what may go now. */
  send(): void {
    for (const keeper of this.#byAge()) {
      if (this.#asking.size >= this.#parts.options.talkConcurrency) return
      if (this.#asking.has(keeper)) continue
      if (!this.#pace.open) return
      const batch = this.#take(keeper)
      this.#pace.take(batch.reduce((sum, { bytes }) => sum + bytes, 0))
      const roots = batch.map(({ root }) => root)
      const asking = this.#challenger
        .challenge(keeper, roots)
        .catch((err: unknown) => this.#parts.components.log.warn('a challenge failed', { keeper, err }))
        .finally(() => this.#asking.delete(keeper))
      this.#asking.set(keeper, asking)
    }
  }

  async idle(): Promise<void> {
    await Promise.allSettled(this.#asking.values())
  }

  /** Keepers with challenges to send, the one with the longest due first. */
  #byAge(): NodeId[] {
    const ready = [...this.#waiting].filter(([, waiting]) => this.#isReady(waiting))
    const heads = ready.map(([keeper, waiting]): [NodeId, number] => [
      keeper,
      Math.min(...[...waiting.values()].map(({ dueMs }) => dueMs))
    ])
    return heads.sort((a, b) => a[1] - b[1]).map(([keeper]) => keeper)
  }

  #isReady(waiting: ReadonlyMap<string, Waiting>): boolean {
    const { proofObjectsMax, proofGatherMs } = this.#parts.options
    if (waiting.size >= proofObjectsMax) return true
    const nowMs = this.#parts.time.nowMs()
    return [...waiting.values()].some(({ mayWait, dueMs }) => !mayWait || nowMs - dueMs >= proofGatherMs)
  }

  /** The longest due of one keeper, up to what one question may ask; a larger object goes alone. */
  #take(keeper: NodeId): Waiting[] {
    const { proofObjectsMax, challengeBytesMax } = this.#parts.options
    const waiting = this.#waiting.get(keeper) ?? new Map<string, Waiting>()
    const oldest = [...waiting].sort(([, a], [, b]) => a.dueMs - b.dueMs)
    const batch: Waiting[] = []
    let bytes = 0
    for (const [name, one] of oldest) {
      if (batch.length >= proofObjectsMax || (batch.length > 0 && bytes + one.bytes > challengeBytesMax))
        break
      waiting.delete(name)
      batch.push(one)
      bytes += one.bytes
    }
    if (waiting.size === 0) this.#waiting.delete(keeper)
    return batch
  }
}
