// The challenger's side of a proof: ask keepers about the bytes, judge the answers, write down what came
// of it and tell others by signed receipts. Station: plan -> PROVE -> census.
// Only a wrong answer to a question whose right answer we know counts against a keeper; silence, refusal,
// `busy` and our own trouble are neutral.

import { type AbortOptions, type NodeId, toHex, unlessAborted } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from '../census/census.ts'
import type { Presence } from '../census/presence.ts'
import { within } from '../deadline.ts'
import { sameBytes } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { answerMsFor, readMsFor } from '../plan/by-size.ts'
import { rootKey } from '../root-key.ts'
import { challengeRequest, type ProofAnswer, pathRequest } from './challenge.ts'
import type { KeeperRecords } from './keeper-records.ts'
import { nonceBytes, type ProofSubject, verifyPath } from './proof.ts'
import type { ProofReceipts } from './proof-receipts.ts'

export interface Verdict {
  readonly root: CID
  /** `late`: right, and slower than any disk, so perhaps fetched: no proof and no fault. */
  readonly outcome: 'proven' | 'late' | 'wrong' | 'absent' | 'declined' | 'busy' | 'silent'
  readonly by: 'digest' | 'path' | 'none'
  /** Whether the keeper promised not to release it for `holdMsFor` its size from `askedMs` on. */
  readonly held: boolean
  /** Monotonic time just before we asked. */
  readonly askedMs: number
}

interface Sized {
  readonly root: CID
  /** Of the object, as its wish says. */
  readonly bytes: number
}

export interface ChallengeOptions extends AbortOptions {
  /** Also ask for a promise not to release. */
  readonly hold?: boolean
}

export class Prover {
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #presence: Presence
  readonly #receipts: ProofReceipts
  readonly #records: KeeperRecords
  /** By `keeper root`, what is asked and without an answer yet: one question about one copy at a time. */
  readonly #pending = new Map<string, Promise<readonly Verdict[]>>()
  readonly counts: { made: number; late: number; wrong: number; silent: number } = {
    made: 0,
    late: 0,
    wrong: 0,
    silent: 0
  }
  /** Told when comparing found our own copy damaged. */
  onDamage: (root: CID) => void = () => {}

  constructor(
    parts: KeepingParts,
    census: Census,
    presence: Presence,
    receipts: ProofReceipts,
    records: KeeperRecords
  ) {
    this.#parts = parts
    this.#census = census
    this.#presence = presence
    this.#receipts = receipts
    this.#records = records
  }

  isPending(keeper: NodeId, root: CID): boolean {
    return this.#pending.has(pendingKey(keeper, root))
  }

  /**
   * Challenges one keeper about these objects and records the outcome. Objects whose challenge is
   * already under way are left out of the answer.
   */
  async challenge(
    keeper: NodeId,
    roots: readonly CID[],
    options?: ChallengeOptions
  ): Promise<readonly Verdict[]> {
    const free = roots.filter((root) => !this.isPending(keeper, root))
    const asking = this.#ask(keeper, free, options).finally(() => {
      for (const root of free) this.#pending.delete(pendingKey(keeper, root))
    })
    for (const root of free) this.#pending.set(pendingKey(keeper, root), asking)
    return await asking
  }

  /** One copy, now: by the answer that is awaited already, or by one of its own when that brings no hold. */
  async challengeOne(keeper: NodeId, root: CID, options?: ChallengeOptions): Promise<Verdict> {
    for (;;) {
      const pending = this.#pending.get(pendingKey(keeper, root))
      if (pending === undefined) break
      const verdicts = await unlessAborted(settled(pending), options?.signal)
      const verdict = verdicts.find((one) => one.root.equals(root))
      // A hold asked for by somebody else may be about to run out.
      if (verdict !== undefined && options?.hold !== true) return verdict
    }
    const [verdict] = await this.challenge(keeper, [root], options)
    if (verdict === undefined) throw new Error('a challenge without a verdict')
    return verdict
  }

  async #ask(keeper: NodeId, roots: readonly CID[], options?: ChallengeOptions): Promise<Verdict[]> {
    const { here, elsewhere } = await this.#sort(roots)
    const verdicts: Verdict[] = []
    for (const question of this.#questions(here)) {
      verdicts.push(...(await this.#byDigest(keeper, question, options)))
    }
    for (const one of elsewhere) verdicts.push(await this.#byPath(keeper, one, options))
    await this.#record(keeper, verdicts)
    return verdicts
  }

  async #sort(roots: readonly CID[]): Promise<{ here: Sized[]; elsewhere: Sized[] }> {
    const { components, wanted } = this.#parts
    const here: Sized[] = []
    const elsewhere: Sized[] = []
    for (const root of roots) {
      const bytes = (await wanted.get(root))?.size ?? 0
      ;((await components.objects.has(root)) ? here : elsewhere).push({ root, bytes })
    }
    return { here, elsewhere }
  }

  /** Small ones together; a large one alone, for beside others that are quickly read its fetching would not show. */
  #questions(objects: readonly Sized[]): (readonly Sized[])[] {
    const { proofObjectsMax } = this.#parts.options
    const small = objects.filter((one) => !this.#tells(one))
    const questions: (readonly Sized[])[] = objects.filter((one) => this.#tells(one)).map((one) => [one])
    for (let i = 0; i < small.length; i += proofObjectsMax) {
      questions.push(small.slice(i, i + proofObjectsMax))
    }
    return questions
  }

  async #byDigest(keeper: NodeId, asked: readonly Sized[], options?: ChallengeOptions): Promise<Verdict[]> {
    const { components, dialogue, roster, options: limits } = this.#parts
    const roots = asked.map(({ root }) => root)
    const nonce = components.random.bytes(nonceBytes)
    for (const root of roots) await this.#census.noteAsked(root, keeper)
    const bytes = asked.reduce((sum, one) => sum + one.bytes, 0)
    const askedMs = components.clock.monotonicMs()
    const verdictOf = (root: CID, outcome: Verdict['outcome'], held = false): Verdict => {
      const by = outcome === 'proven' || outcome === 'late' || outcome === 'wrong' ? 'digest' : 'none'
      return { root, outcome, by, held, askedMs }
    }
    let answers: readonly ProofAnswer[]
    try {
      const answer = await within(
        components.clock,
        answerMsFor(bytes, limits),
        (abort) =>
          dialogue.ask(keeper, challengeRequest, { nonce, roots, hold: options?.hold === true }, abort),
        options
      )
      this.#presence.noteAlive(keeper)
      await this.#census.noteKeeper(keeper, answer.storeEpoch)
      answers = answer.answers
    } catch (err) {
      options?.signal?.throwIfAborted()
      components.log.debug('a challenge was not answered', { keeper, err })
      return roots.map((root) => verdictOf(root, 'silent'))
    }
    const tookMs = components.clock.monotonicMs() - askedMs
    const verdicts: Verdict[] = []
    for (const [i, one] of asked.entries()) {
      const { root } = one
      const answer = answers[i]
      if (answer?.kind !== 'proof') verdicts.push(verdictOf(root, answer?.kind ?? 'silent'))
      else {
        const right = await this.#ownDigest({ pool: roster.poolId, nonce, keeper, root })
        // Our own copy cannot be read: we have no verdict on another's.
        if (right === undefined) verdicts.push(verdictOf(root, 'busy'))
        else if (sameBytes(right, answer.digest)) {
          const late = this.#isLate(one, tookMs)
          verdicts.push(late ? verdictOf(root, 'late') : verdictOf(root, 'proven', answer.held))
        } else verdicts.push(verdictOf(root, 'wrong'))
      }
    }
    return verdicts
  }

  /** Whether the time of an answer about it tells fetching from reading. */
  #tells({ bytes }: Sized): boolean {
    return bytes >= this.#parts.options.proofTellBytesMin
  }

  #isLate(one: Sized, tookMs: number): boolean {
    return this.#tells(one) && tookMs > readMsFor(one.bytes, this.#parts.options)
  }

  async #ownDigest(subject: ProofSubject): Promise<Uint8Array | undefined> {
    const { objects, log } = this.#parts.components
    try {
      return await this.#parts.readings.digest(subject)
    } catch (err) {
      const name = err instanceof Error ? err.name : ''
      if (name === 'CorruptBlockError' || name === 'NotFoundError') {
        log.warn('our own copy is damaged; it will be fetched anew', { root: subject.root.toString(), err })
        await objects.quarantine(subject.root)
        this.onDamage(subject.root)
      } else log.error('our own copy could not be read', { root: subject.root.toString(), err })
      return undefined
    }
  }

  async #byPath(keeper: NodeId, { root, bytes }: Sized, options?: ChallengeOptions): Promise<Verdict> {
    const { components, dialogue, options: limits } = this.#parts
    const nonce = components.random.bytes(nonceBytes)
    await this.#census.noteAsked(root, keeper)
    const askedMs = components.clock.monotonicMs()
    try {
      const { storeEpoch, answer } = await within(
        components.clock,
        // It may be behind objects of others that are being read.
        answerMsFor(bytes, limits),
        (abort) => dialogue.ask(keeper, pathRequest, { nonce, root, hold: options?.hold === true }, abort),
        options
      )
      this.#presence.noteAlive(keeper)
      await this.#census.noteKeeper(keeper, storeEpoch)
      if (answer.kind !== 'path') return { root, outcome: answer.kind, by: 'none', held: false, askedMs }
      const right = verifyPath(nonce, root, answer.blocks)
      return { root, outcome: right ? 'proven' : 'wrong', by: 'path', held: right && answer.held, askedMs }
    } catch (err) {
      options?.signal?.throwIfAborted()
      components.log.debug('a challenge was not answered', { keeper, err })
      return { root, outcome: 'silent', by: 'none', held: false, askedMs }
    }
  }

  async #record(keeper: NodeId, verdicts: readonly Verdict[]): Promise<void> {
    await this.#records.note(keeper, verdicts)
    const right: CID[] = []
    const wrong: CID[] = []
    const { clock } = this.#parts.components
    for (const { root, outcome, askedMs } of verdicts) {
      switch (outcome) {
        case 'proven':
          this.counts.made++
          right.push(root)
          await this.#census.noteProven(root, keeper)
          break
        case 'late':
          this.counts.late++
          await this.#census.noteLate(root, keeper)
          break
        case 'wrong':
          this.counts.wrong++
          wrong.push(root)
          this.#parts.components.log.warn('a keeper answered a challenge wrongly', {
            keeper,
            root: root.toString()
          })
          await this.#census.noteWrong(root, keeper)
          break
        case 'absent':
          await this.#census.noteAbsent(root, keeper, clock.monotonicMs() - askedMs)
          break
        case 'declined':
          await this.#census.noteDeclined(root, keeper)
          break
        case 'silent':
          this.counts.silent++
          this.#census.noteUnanswered(root)
          break
        case 'busy':
          this.#census.noteUnanswered(root)
          break
      }
    }
    if (right.length > 0) await this.#receipts.write(keeper, right, true)
    if (wrong.length > 0) await this.#receipts.write(keeper, wrong, false)
  }
}

/** What came of somebody's challenge; nothing when it was called off. */
async function settled(pending: Promise<readonly Verdict[]>): Promise<readonly Verdict[]> {
  try {
    return await pending
  } catch {
    // Theirs to report: we ask for ourselves.
    return []
  }
}

function pendingKey(keeper: NodeId, root: CID): string {
  return `${keeper} ${toHex(rootKey(root))}`
}
