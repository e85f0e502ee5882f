// The challenger's side of a proof: ask keepers about the bytes, judge the answers, write down what came
// of it and tell others by signed receipts. Station: plan -> PROVE -> census.
// Only a wrong answer to a question whose right answer we know counts against a keeper; silence, refusal,
// `busy` and our own trouble are neutral.

import { type AbortOptions, type NodeId, toHex, unlessAborted } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { answerMsFor } from './by-size.ts'
import type { Census } from './census.ts'
import { challengeRequest, type ProofAnswer, pathRequest } from './challenge.ts'
import { within } from './deadline.ts'
import { sameBytes } from './fields.ts'
import type { KeeperRecords } from './keeper-records.ts'
import type { KeepingParts } from './keeping-parts.ts'
import type { Presence } from './presence.ts'
import { nonceBytes, type ProofSubject, verifyPath } from './proof.ts'
import type { ProofReceipts } from './proof-receipts.ts'
import { rootKey } from './root-key.ts'

export interface Verdict {
  readonly root: CID
  readonly outcome: 'proven' | 'wrong' | 'absent' | 'declined' | 'busy' | 'silent'
  readonly by: 'digest' | 'path' | 'none'
  /** Whether the keeper promised not to release it for `holdMsFor` its size from `askedMs` on. */
  readonly held: boolean
  /** Monotonic time just before we asked. */
  readonly askedMs: number
  /** Right, and slower than a disk would be. */
  readonly late?: boolean
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
  readonly counts: { made: number; wrong: number; silent: number } = { made: 0, wrong: 0, silent: 0 }
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
    const { proofObjectsMax } = this.#parts.options
    for (let i = 0; i < here.length; i += proofObjectsMax) {
      verdicts.push(...(await this.#byDigest(keeper, here.slice(i, i + proofObjectsMax), options)))
    }
    for (const root of elsewhere) verdicts.push(await this.#byPath(keeper, root, options))
    await this.#record(keeper, verdicts)
    return verdicts
  }

  async #sort(roots: readonly CID[]): Promise<{ here: CID[]; elsewhere: CID[] }> {
    const here: CID[] = []
    const elsewhere: CID[] = []
    for (const root of roots) ((await this.#parts.components.objects.has(root)) ? here : elsewhere).push(root)
    return { here, elsewhere }
  }

  async #byDigest(keeper: NodeId, roots: readonly CID[], options?: ChallengeOptions): Promise<Verdict[]> {
    const { components, dialogue, roster, options: limits } = this.#parts
    const nonce = components.random.bytes(nonceBytes)
    for (const root of roots) await this.#census.noteAsked(root, keeper)
    const sizes = await Promise.all(
      roots.map(async (root) => (await this.#parts.wanted.get(root))?.size ?? 0)
    )
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    const askedMs = components.clock.monotonicMs()
    const verdictOf = (root: CID, outcome: Verdict['outcome'], held = false): Verdict => {
      const by = outcome === 'proven' || outcome === 'wrong' ? 'digest' : 'none'
      return { root, outcome, by, held, askedMs }
    }
    let answers: readonly ProofAnswer[]
    try {
      const answer = await within(
        components.clock,
        answerMsFor(bytes, limits),
        (abort) =>
          dialogue.ask(
            keeper,
            challengeRequest,
            { nonce, roots: [...roots], hold: options?.hold === true },
            abort
          ),
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
    const late = this.#isLate(sizes, answers, components.clock.monotonicMs() - askedMs)
    const verdicts: Verdict[] = []
    for (const [i, root] of roots.entries()) {
      const answer = answers[i]
      if (answer?.kind !== 'proof') verdicts.push(verdictOf(root, answer?.kind ?? 'silent'))
      else {
        const right = await this.#ownDigest({ pool: roster.poolId, nonce, keeper, root })
        // Our own copy cannot be read: we have no verdict on another's.
        if (right === undefined) verdicts.push(verdictOf(root, 'busy'))
        else if (sameBytes(right, answer.digest))
          verdicts.push({ ...verdictOf(root, 'proven', answer.held), late })
        else verdicts.push(verdictOf(root, 'wrong'))
      }
    }
    return verdicts
  }

  /** Whether what was answered is enough to tell, and took longer than reading it from a disk. */
  #isLate(sizes: readonly number[], answers: readonly ProofAnswer[], tookMs: number): boolean {
    const { proofTellBytesMin, proofDiskBytesPerSecondMin, proofWayMs } = this.#parts.options
    const read = sizes.reduce((sum, size, i) => sum + (answers[i]?.kind === 'proof' ? size : 0), 0)
    return read >= proofTellBytesMin && tookMs > proofWayMs + (read / proofDiskBytesPerSecondMin) * 1000
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

  async #byPath(keeper: NodeId, root: CID, options?: ChallengeOptions): Promise<Verdict> {
    const { components, dialogue, wanted, options: limits } = this.#parts
    const nonce = components.random.bytes(nonceBytes)
    await this.#census.noteAsked(root, keeper)
    // It may be behind objects of others that are being read.
    const size = (await wanted.get(root))?.size ?? 0
    const askedMs = components.clock.monotonicMs()
    try {
      const { storeEpoch, answer } = await within(
        components.clock,
        answerMsFor(size, limits),
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
    for (const { root, outcome } of verdicts) {
      switch (outcome) {
        case 'proven':
          this.counts.made++
          right.push(root)
          await this.#census.noteProven(root, keeper)
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
          await this.#census.noteAbsent(root, keeper)
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
