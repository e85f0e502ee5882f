// The keeper's side of a challenge: read the bytes (which doubles as our own scrub), answer, promise.
// What it may cost is `answer-budget.ts`. A damaged block makes this copy absent here and now, before
// anybody else finds it.

import { type NodeId, NotFoundError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { Holds } from '../release/holds.ts'
import { AnswerBudget } from './answer-budget.ts'
import {
  type ChallengeAnswer,
  challengeRequest,
  type PathAnswer,
  type ProofAnswer,
  pathRequest
} from './challenge.ts'
import { pathTo } from './proof.ts'

/** Ends a reading that was begun. */
type End = () => void

const nothing: End = () => {}

export class Answers {
  readonly #parts: KeepingParts
  readonly #holds: Holds
  readonly #budget: AnswerBudget
  #given = 0
  /** Told when a challenge found our copy damaged. */
  onDamage: (root: CID) => void = () => {}

  constructor(parts: KeepingParts, holds: Holds) {
    const { components, dialogue, options } = parts
    this.#parts = parts
    this.#holds = holds
    this.#budget = new AnswerBudget(components.clock, options)
    dialogue.on(challengeRequest, async (from, challenge): Promise<ChallengeAnswer> => {
      const answers: ProofAnswer[] = []
      for (const root of challenge.roots) {
        answers.push(await this.#proof(from, challenge.nonce, root, challenge.hold))
      }
      return { storeEpoch: components.objects.storeEpoch, answers }
    })
    dialogue.on(pathRequest, async (from, challenge): Promise<PathAnswer> => {
      const { nonce, root, hold } = challenge
      return { storeEpoch: components.objects.storeEpoch, answer: await this.#path(from, nonce, root, hold) }
    })
  }

  /** Challenges answered with a proof so far. */
  get given(): number {
    return this.#given
  }

  async #proof(from: NodeId, nonce: Uint8Array, root: CID, hold: boolean): Promise<ProofAnswer> {
    const { components, roster, readings } = this.#parts
    const subject = { pool: roster.poolId, nonce, keeper: components.keys.nodeId, root }
    // A reading that is to come anyway is neither work nor bytes more.
    const begin = (size: number): End | undefined =>
      readings.isAwaited(subject) ? nothing : this.#begin(from, size)
    return await this.#reading(root, from, hold, begin, async (held): Promise<ProofAnswer> => {
      return { kind: 'proof', digest: await readings.digest(subject), held }
    })
  }

  async #path(from: NodeId, nonce: Uint8Array, root: CID, hold: boolean): Promise<PathAnswer['answer']> {
    const { options } = this.#parts
    const begin = (size: number): End | undefined => this.#begin(from, Math.min(size, options.pathBytesMax))
    return await this.#reading(root, from, hold, begin, async (held): Promise<PathAnswer['answer']> => {
      const blocks = await pathTo(nonce, root, (cid) => this.#block(cid))
      const bytes = blocks.reduce((sum, block) => sum + block.length, 0)
      return bytes > options.pathBytesMax ? { kind: 'busy' } : { kind: 'path', blocks, held }
    })
  }

  async #reading<A>(
    root: CID,
    from: NodeId,
    hold: boolean,
    begin: (size: number) => End | undefined,
    read: (held: boolean) => Promise<A>
  ): Promise<A | { kind: 'absent' | 'declined' | 'busy' }> {
    const { components, wanted } = this.#parts
    const wish = await wanted.get(root)
    const subject = wish?.digest === undefined ? { root } : { root, digest: wish.digest }
    if ((await components.policy.decide(subject)).verdict === 'deny') return { kind: 'declined' }
    const size = await components.objects.size(root)
    if (size === undefined) return { kind: 'absent' }
    const end = begin(size)
    if (end === undefined) return { kind: 'busy' }
    try {
      // The promise first, then the reading: between them nothing may drop what the answer speaks of.
      const held = hold && (await this.#holds.grant(root, size, from))
      const answer = await read(held)
      this.#given++
      return answer
    } catch (err) {
      return await this.#unreadable(root, err)
    } finally {
      end()
    }
  }

  #begin(from: NodeId, bytes: number): End | undefined {
    return this.#budget.begin(this.#parts.roster.operatorOf(from) ?? from, bytes)
  }

  async #block(cid: CID): Promise<Uint8Array> {
    const block = await this.#parts.components.objects.block(cid)
    if (block === undefined) throw new NotFoundError(`Block ${cid.toString()} is not on this node.`)
    return block
  }

  async #unreadable(root: CID, err: unknown): Promise<{ kind: 'absent' | 'declined' | 'busy' }> {
    const { components } = this.#parts
    const name = err instanceof Error ? err.name : ''
    if (name === 'CorruptBlockError' || name === 'NotFoundError') {
      components.log.warn('our own copy is damaged; it will be fetched anew', { root: root.toString(), err })
      await components.objects.quarantine(root)
      this.onDamage(root)
      return { kind: 'absent' }
    }
    // Denied while it was read.
    if (name === 'DeniedError') return { kind: 'declined' }
    // A disk that fails to answer says nothing about the bytes: neither absent nor wrong.
    components.log.error('a copy could not be read for a proof', { root: root.toString(), err })
    return { kind: 'busy' }
  }
}
