// What answering may cost: bytes read per second and readings at once, all challengers together, and of that
// a share for each operator. Keyed by operator and never by node: more nodes of one operator get no more.
// Beyond it the answer is `busy`, which is no failure. A large object is begun while its asker has credit and
// paid for afterwards: that debt is the asker's cooldown, and a small part of it everybody's.

import type { Clock, OperatorId } from '@commonhold/core'
import type { KeepingOptions } from '../keep/keeping-options.ts'
import { Pace } from '../keep/pace.ts'

export class AnswerBudget {
  readonly #clock: Clock
  readonly #options: KeepingOptions
  readonly #pace: Pace
  readonly #askers = new Map<OperatorId, { readonly pace: Pace; running: number }>()
  #running = 0
  #largeRunning = false

  constructor(clock: Clock, options: KeepingOptions) {
    this.#clock = clock
    this.#options = options
    const { answerBytesPerSecondMax, answerBurstBytesMax } = options
    this.#pace = new Pace(clock, answerBytesPerSecondMax, answerBurstBytesMax, answerBurstBytesMax)
  }

  /** Begins a reading, or refuses; whoever began calls what it got at the end. */
  begin(asker: OperatorId, bytes: number): (() => void) | undefined {
    const { answerConcurrency, answerOperatorShare, proofTellBytesMin } = this.#options
    const account = this.#account(asker)
    const ownMax = Math.max(1, Math.floor(answerConcurrency * answerOperatorShare))
    if (this.#running >= answerConcurrency || account.running >= ownMax) return undefined
    // One large reading at a time: two would halve the disk's pace and make both look late.
    const large = bytes >= proofTellBytesMin
    if (large && this.#largeRunning) return undefined
    if (!account.pace.open || !this.#pace.take(bytes)) return undefined
    account.pace.take(bytes)
    this.#running++
    account.running++
    if (large) this.#largeRunning = true
    return () => {
      this.#running--
      account.running--
      if (large) this.#largeRunning = false
    }
  }

  #account(asker: OperatorId): { readonly pace: Pace; running: number } {
    const known = this.#askers.get(asker)
    if (known !== undefined) return known
    // As many as operators ask at a time: who owes nothing needs no account.
    for (const [other, { pace, running }] of this.#askers) {
      if (running === 0 && pace.full) this.#askers.delete(other)
    }
    const { answerBytesPerSecondMax, answerBurstBytesMax, answerOperatorShare } = this.#options
    const pace = new Pace(
      this.#clock,
      answerBytesPerSecondMax * answerOperatorShare,
      answerBurstBytesMax * answerOperatorShare
    )
    const account = { pace, running: 0 }
    this.#askers.set(asker, account)
    return account
  }
}
