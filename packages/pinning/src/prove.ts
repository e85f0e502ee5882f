// The challenger's side of a proof: ask keepers about the bytes, judge the answers, write down what came
// of it and tell others by signed receipts. Station: plan -> PROVE -> census.
// Only a wrong answer to a question whose right answer we know counts against a keeper; silence, refusal,
// `busy` and our own trouble are neutral.

import { type AbortOptions, type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from './census.ts'
import { challengeRequest, type ProofAnswer, pathRequest } from './challenge.ts'
import { within } from './deadline.ts'
import { sameBytes } from './fields.ts'
import type { KeepingParts } from './keeping-parts.ts'
import type { Presence } from './presence.ts'
import { nonceBytes, proofDigest, verifyPath } from './proof.ts'
import type { ProofReceipts } from './proof-receipts.ts'
import { rootKey } from './root-key.ts'

export interface Verdict {
  readonly root: CID
  readonly outcome: 'proven' | 'wrong' | 'absent' | 'declined' | 'busy' | 'silent'
  readonly by: 'digest' | 'path' | 'none'
  /** Whether the keeper promised not to release it for `holdMs` from when we asked. */
  readonly held: boolean
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
  /** `keeper root` of challenges without an answer yet: one question about one copy at a time. */
  readonly #pending = new Set<string>()
  readonly counts: { made: number; wrong: number; silent: number } = { made: 0, wrong: 0, silent: 0 }
  /** Told when comparing found our own copy damaged. */
  onDamage: (root: CID) => void = () => {}

  constructor(parts: KeepingParts, census: Census, presence: Presence, receipts: ProofReceipts) {
    this.#parts = parts
    this.#census = census
    this.#presence = presence
    this.#receipts = receipts
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
    for (const root of free) this.#pending.add(pendingKey(keeper, root))
    try {
      const { here, elsewhere } = await this.#sort(free)
      const verdicts: Verdict[] = []
      const { proofObjectsMax } = this.#parts.options
      for (let i = 0; i < here.length; i += proofObjectsMax) {
        verdicts.push(...(await this.#byDigest(keeper, here.slice(i, i + proofObjectsMax), options)))
      }
      for (const root of elsewhere) verdicts.push(await this.#byPath(keeper, root, options))
      await this.#record(keeper, verdicts)
      return verdicts
    } finally {
      for (const root of free) this.#pending.delete(pendingKey(keeper, root))
    }
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
    let answers: readonly ProofAnswer[]
    try {
      const answer = await within(
        components.clock,
        limits.proofAnswerMs + (bytes / limits.proofBytesPerSecondMin) * 1000,
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
      return roots.map((root) => ({ root, outcome: 'silent', by: 'none', held: false }))
    }
    const verdicts: Verdict[] = []
    for (const [i, root] of roots.entries()) {
      const answer = answers[i]
      if (answer === undefined) verdicts.push({ root, outcome: 'silent', by: 'none', held: false })
      else if (answer.kind !== 'proof') verdicts.push({ root, outcome: answer.kind, by: 'none', held: false })
      else {
        const right = await this.#ownDigest({ pool: roster.poolId, nonce, keeper, root })
        // Our own copy cannot be read: we have no verdict on another's.
        if (right === undefined) verdicts.push({ root, outcome: 'busy', by: 'none', held: false })
        else {
          const proven = sameBytes(right, answer.digest)
          verdicts.push({
            root,
            outcome: proven ? 'proven' : 'wrong',
            by: 'digest',
            held: proven && answer.held
          })
        }
      }
    }
    return verdicts
  }

  async #ownDigest(subject: {
    pool: Uint8Array
    nonce: Uint8Array
    keeper: NodeId
    root: CID
  }): Promise<Uint8Array | undefined> {
    const { objects, log } = this.#parts.components
    try {
      return await proofDigest(subject, objects.blocks(subject.root))
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
    // The keeper may have to read up to the leaf to find it.
    const size = (await wanted.get(root))?.size ?? 0
    try {
      const { storeEpoch, answer } = await within(
        components.clock,
        limits.proofAnswerMs + (size / limits.proofBytesPerSecondMin) * 1000,
        (abort) => dialogue.ask(keeper, pathRequest, { nonce, root, hold: options?.hold === true }, abort),
        options
      )
      this.#presence.noteAlive(keeper)
      await this.#census.noteKeeper(keeper, storeEpoch)
      if (answer.kind !== 'path') return { root, outcome: answer.kind, by: 'none', held: false }
      const right = verifyPath(nonce, root, answer.blocks)
      return { root, outcome: right ? 'proven' : 'wrong', by: 'path', held: right && answer.held }
    } catch (err) {
      options?.signal?.throwIfAborted()
      components.log.debug('a challenge was not answered', { keeper, err })
      return { root, outcome: 'silent', by: 'none', held: false }
    }
  }

  async #record(keeper: NodeId, verdicts: readonly Verdict[]): Promise<void> {
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
        case 'busy':
          break
        case 'silent':
          this.counts.silent++
          break
      }
    }
    if (right.length > 0) await this.#receipts.write(keeper, right, true)
    if (wrong.length > 0) await this.#receipts.write(keeper, wrong, false)
  }
}

function pendingKey(keeper: NodeId, root: CID): string {
  return `${keeper} ${toHex(rootKey(root))}`
}
