// What each keeper made of our challenges, for people to read, and the strikes of silence. A keeper that answers
// about others and never about one object must not park it there: after `silenceStrikesMax` the copy is a mere
// claim again, that ages. That is no accusation: only a wrong answer is one, and it is the census that acts on it.

import type { NodeId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { rootKey, rootOfKey } from '../root-key.ts'
import type { KeeperTables } from './keeper-tables.ts'

type Row = KeeperTables['keeper_record']

export interface AnswerNote {
  readonly root: CID
  readonly outcome: 'proven' | 'late' | 'wrong' | 'absent' | 'declined' | 'busy' | 'silent'
  readonly by: 'digest' | 'path' | 'none'
}

/** Counts are of answers about objects, to challenges of this node, ever. */
export interface KeeperRecord {
  readonly node: NodeId
  readonly right: number
  readonly wrong: number
  readonly silent: number
  readonly declined: number
  readonly busy: number
  readonly absent: number
  /** Right and slower than a disk: perhaps fetched, perhaps a slow disk. No proof, and no fault. */
  readonly late: number
  /** How often it came back with another store. */
  readonly storeChanges: number
  readonly lastRightAgeMs?: number
  readonly lastWrong?: { readonly root: CID; readonly by: 'digest' | 'path'; readonly ageMs: number }
  /** Groups of its under suspicion, and right answers still to come in all of them. */
  readonly suspectGroups: number
  readonly suspectProofsLeft: number
  /** Objects it still owes an answer about: asked, and silent since. */
  readonly overdue: number
  /** Objects it is silent about while it answers about others. */
  readonly silentAbout: readonly CID[]
}

const none: Omit<Row, 'node'> = {
  right: 0,
  wrong: 0,
  silent: 0,
  declined: 0,
  busy: 0,
  absent: 0,
  late: 0,
  epochs: 0,
  right_ms: null,
  wrong_ms: null,
  wrong_root: null,
  wrong_by: null
}

/** Objects named in one record; the rest is counted. */
const silentShownMax = 100

export class KeeperRecords {
  readonly #parts: KeepingParts
  /** Own time of the last answer of any kind, in this run. */
  readonly #answeredMs = new Map<NodeId, number>()
  /** Told when silence about an object has used up its patience. */
  onStruck: (root: CID, keeper: NodeId) => Promise<void> = async () => {}

  constructor(parts: KeepingParts) {
    this.#parts = parts
  }

  async note(keeper: NodeId, notes: readonly AnswerNote[]): Promise<void> {
    if (notes.length === 0) return
    const nowMs = this.#parts.time.nowMs()
    const row = await this.#row(keeper)
    for (const { root, outcome, by } of notes) {
      row[outcome === 'proven' ? 'right' : outcome]++
      if (outcome === 'proven') row.right_ms = nowMs
      if (outcome === 'wrong') {
        row.wrong_ms = nowMs
        row.wrong_root = rootKey(root)
        row.wrong_by = by === 'path' ? 'path' : 'digest'
      }
    }
    await this.#write(row)
    // First what is silence, judged by answers before this question; then what was answered.
    for (const { root, outcome } of notes) if (outcome === 'silent') await this.#silent(keeper, root, nowMs)
    const answered = notes.filter(({ outcome }) => outcome !== 'silent' && outcome !== 'busy')
    for (const { root } of answered) await this.#answered(keeper, root)
    if (answered.length > 0) this.#answeredMs.set(keeper, nowMs)
  }

  async noteStoreChange(keeper: NodeId): Promise<void> {
    const row = await this.#row(keeper)
    row.epochs++
    await this.#write(row)
  }

  async of(
    keeper: NodeId,
    suspicion: Pick<KeeperRecord, 'suspectGroups' | 'suspectProofsLeft'>
  ): Promise<KeeperRecord> {
    const nowMs = this.#parts.time.nowMs()
    const { right_ms, wrong_ms, wrong_root, wrong_by, epochs, ...counts } = await this.#row(keeper)
    const { database } = this.#parts.components
    const { overdue } = await database
      .selectFrom('silence')
      .select((eb) => eb.fn.countAll<number>().as('overdue'))
      .where('keeper', '=', keeper)
      .executeTakeFirstOrThrow()
    const silences = await database
      .selectFrom('silence')
      .select('root')
      .where('keeper', '=', keeper)
      .where('strikes', '>', 0)
      .limit(silentShownMax)
      .execute()
    return {
      ...counts,
      storeChanges: epochs,
      ...suspicion,
      ...(right_ms === null ? {} : { lastRightAgeMs: nowMs - right_ms }),
      ...(wrong_ms === null || wrong_root === null || wrong_by === null
        ? {}
        : { lastWrong: { root: rootOfKey(wrong_root), by: wrong_by, ageMs: nowMs - wrong_ms } }),
      overdue: Number(overdue),
      silentAbout: silences.map(({ root }) => rootOfKey(root))
    }
  }

  /** A strike only when it answered about something else since we asked about this the last time. */
  async #silent(keeper: NodeId, root: CID, nowMs: number): Promise<void> {
    const { database } = this.#parts.components
    const key = rootKey(root)
    const before = await database
      .selectFrom('silence')
      .selectAll()
      .where('keeper', '=', keeper)
      .where('root', '=', key)
      .executeTakeFirst()
    const answeredMs = this.#answeredMs.get(keeper)
    const struck = before !== undefined && answeredMs !== undefined && answeredMs > before.asked_ms
    const strikes = (before?.strikes ?? 0) + (struck ? 1 : 0)
    const row = { root: key, keeper, strikes, asked_ms: nowMs }
    await database
      .insertInto('silence')
      .values(row)
      .onConflict((c) => c.columns(['keeper', 'root']).doUpdateSet(row))
      .execute()
    if (struck && strikes >= this.#parts.options.silenceStrikesMax) await this.onStruck(root, keeper)
  }

  async #answered(keeper: NodeId, root: CID): Promise<void> {
    await this.#parts.components.database
      .deleteFrom('silence')
      .where('keeper', '=', keeper)
      .where('root', '=', rootKey(root))
      .execute()
  }

  async #row(node: NodeId): Promise<Row> {
    const row = await this.#parts.components.database
      .selectFrom('keeper_record')
      .selectAll()
      .where('node', '=', node)
      .executeTakeFirst()
    return row ?? { node, ...none }
  }

  async #write(row: Row): Promise<void> {
    await this.#parts.components.database
      .insertInto('keeper_record')
      .values(row)
      .onConflict((c) => c.column('node').doUpdateSet(row))
      .execute()
  }
}
