// This node's own journal: the one writer of its wishes. A change is durable here before anybody sees it,
// and changes made at the same time share a batch. Never writes on from a past others have seen pass: a
// restored backup or a rebuilt node opens a new journal that imports the old.

import {
  type AbortOptions,
  type Clock,
  type Log,
  type NodeId,
  type OperatorId,
  publicKeyOfOperator,
  type Random,
  type SigningKey,
  UnauthorizedError
} from '@commonhold/core'
import { defaults } from '../options.ts'
import type { Roster } from '../roster/roster.ts'
import { type Change, sealBatch, signOpening } from './journal-records.ts'
import type { Journals } from './journals.ts'
import type { JournalId } from './wanted.ts'

/** What the other members said about this node's own journals. */
export interface OwnHeadsSurvey {
  /** Other operators in the roster that could have answered. */
  readonly operatorsAsked: number
  readonly operatorsAnswered: number
  /** Own journals of which somebody knows a batch that is not here, even after asking for it. */
  readonly ahead: readonly JournalId[]
  /** Whether anybody knew a batch that was not here before the survey. */
  readonly behind: boolean
}

export interface OwnJournalParts {
  readonly journals: Journals
  readonly roster: Roster
  readonly node: SigningKey
  readonly nodeId: NodeId
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  /** Asks the members, within a bounded time, and fetches back what is missing. */
  readonly survey: (options?: AbortOptions) => Promise<OwnHeadsSurvey>
}

/** What was written: with it a keeper can make the wish durable at its place. */
export interface Appended {
  readonly journal: JournalId
  /** Of the last batch. */
  readonly seq: number
  readonly opening: Uint8Array
  /** Sealed; one unless more than `batchEntriesMax` changes were given at once. */
  readonly batches: readonly Uint8Array[]
}

interface Waiting {
  readonly changes: readonly Change[]
  readonly signal: AbortSignal | undefined
  readonly done: PromiseWithResolvers<Appended>
}

export class OwnJournal {
  readonly #parts: OwnJournalParts
  readonly #gatherMs: number
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  /** The journal being written; absent until the first append after a start has asked around. */
  #current: { readonly id: JournalId; readonly idBytes: Uint8Array; readonly opening: Uint8Array } | undefined
  /** End we wrote last: another one there means somebody else writes with our key. */
  #end: { readonly seq: number; readonly hash: Uint8Array } | undefined

  constructor(parts: OwnJournalParts, options: { readonly appendGatherMs?: number } = {}) {
    this.#parts = parts
    this.#gatherMs = options.appendGatherMs ?? defaults.appendGatherMs
  }

  /**
   * Resolves when the changes are durable here, in the pin set, and may be shown to others.
   * Called off by the signal only while waiting; what is being written is written.
   * @throws UnauthorizedError when the roster holds no delegation for this node
   */
  append(changes: readonly Change[], options?: AbortOptions): Promise<Appended> {
    if (changes.length === 0) throw new Error('an append without changes')
    const done = Promise.withResolvers<Appended>()
    this.#waiting.push({ changes, signal: options?.signal, done })
    this.#wake()
    return done.promise
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  #wake(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length > 0) this.#wake()
    })
  }

  async #write(): Promise<void> {
    if (this.#gatherMs > 0) await this.#parts.clock.sleep(this.#gatherMs)
    const turn = this.#nextTurn()
    if (turn.length === 0) return
    try {
      const appended = await this.#seal(turn.flatMap(({ changes }) => changes))
      for (const { done } of turn) done.resolve(appended)
    } catch (err) {
      for (const { done } of turn) done.reject(err)
    }
  }

  /** As many whole appends as fit one batch; at least one, however large. */
  #nextTurn(): Waiting[] {
    const turn: Waiting[] = []
    let entries = 0
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]
      if (next === undefined) break
      if (turn.length > 0 && entries + next.changes.length > defaults.batchEntriesMax) break
      this.#waiting.shift()
      if (next.signal?.aborted === true) {
        next.done.reject(next.signal.reason)
        continue
      }
      turn.push(next)
      entries += next.changes.length
    }
    return turn
  }

  async #seal(changes: readonly Change[]): Promise<Appended> {
    const { journals, roster, node } = this.#parts
    const current = await this.#writable()
    const batches: Uint8Array[] = []
    for (let from = 0; from < changes.length; from += defaults.batchEntriesMax) {
      const place = {
        journal: current.idBytes,
        seq: (this.#end?.seq ?? 0) + 1,
        prev: this.#end?.hash ?? null
      }
      const batch = sealBatch(place, changes.slice(from, from + defaults.batchEntriesMax), roster.k, node)
      // Until this resolves the head exists only in our memory: nobody can have seen what a crash takes away.
      await journals.accept({ batches: [batch.bytes] })
      this.#end = { seq: batch.seq, hash: batch.hash }
      batches.push(batch.bytes)
    }
    return { journal: current.id, seq: this.#end?.seq ?? 0, opening: current.opening, batches }
  }

  async #writable(): Promise<{ id: JournalId; idBytes: Uint8Array; opening: Uint8Array }> {
    const { roster, nodeId, journals, log } = this.#parts
    const operator = roster.operatorOf(nodeId)
    if (operator === undefined) {
      throw new UnauthorizedError('The roster holds no delegation for this node; join the pool first.')
    }
    if (this.#current !== undefined && this.#isOurs(this.#current.id)) return this.#current
    if (this.#current !== undefined) {
      log.warn('somebody else wrote with the key of this node; a new journal is opened', {
        journal: this.#current.id
      })
      this.#current = undefined
    }
    const survey = await this.#parts.survey()
    const leaves = journals.graph.leavesOf(nodeId, operator)
    const [only] = leaves
    // With nobody to say otherwise a node goes on writing only if it is alone; else a new journal is the
    // answer that cannot fork: it costs one record, and waiting would cost the user the upload.
    const confirmed = survey.operatorsAnswered > 0 || survey.operatorsAsked === 0
    const goesOn =
      only !== undefined &&
      leaves.length === 1 &&
      journals.graph.branches(only) <= 1 &&
      confirmed &&
      !survey.behind &&
      survey.ahead.length === 0
    const current = goesOn ? this.#reopen(only) : await this.#open(operator, [...leaves, ...survey.ahead])
    this.#current = current
    return current
  }

  /** Whether the journal still ends where we left it. */
  #isOurs(id: JournalId): boolean {
    const tips = this.#parts.journals.graph.get(id)?.tips ?? []
    if (this.#end === undefined) return tips.length === 0
    const [tip] = tips
    return tips.length === 1 && tip !== undefined && Buffer.compare(tip.hash, this.#end.hash) === 0
  }

  #reopen(id: JournalId): { id: JournalId; idBytes: Uint8Array; opening: Uint8Array } {
    const known = this.#parts.journals.graph.get(id)
    if (known === undefined) throw new Error(`own journal ${id} is not in the graph`)
    this.#end = known.tips[0]
    return { id, idBytes: new Uint8Array(Buffer.from(id, 'hex')), opening: known.opening }
  }

  async #open(
    operator: OperatorId,
    imported: readonly JournalId[]
  ): Promise<{ id: JournalId; idBytes: Uint8Array; opening: Uint8Array }> {
    const { journals, roster, node, random } = this.#parts
    const imports = [...new Set(imported)]
      .sort()
      .slice(0, defaults.importsMax)
      .map((id) => new Uint8Array(Buffer.from(id, 'hex')))
    const opening = signOpening(
      {
        pool: roster.poolId,
        operator: publicKeyOfOperator(operator),
        node: node.publicKey,
        nonce: random.bytes(16),
        imports
      },
      node
    )
    await journals.accept({ openings: [opening.bytes] })
    this.#end = undefined
    const id = Buffer.from(opening.hash).toString('hex')
    return { id, idBytes: opening.hash, opening: opening.bytes }
  }
}
