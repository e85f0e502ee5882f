// How each object stood when this node last looked at it, when age alone may change that, and how many stand
// how. Station: plan -> STANDINGS -> keep and overview. The counts are kept in the transaction of the rows
// they count (triggers in standing-tables.ts), so asking for them costs the same for ten objects and ten million.

import { toHex } from '@commonhold/core'
import type { Transaction } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { PinningTables } from '../database.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { Plan, Reason } from '../plan/plan.ts'
import type { Health } from '../plan/tally.ts'
import { groupOf, keysOf, rootKey, rootOfKey } from '../root-key.ts'
import type { CensusTables } from './census-tables.ts'
import { dueNow } from './standing-tables.ts'

type Row = CensusTables['standing']

/** A review that moved by less is not written: the ages it is computed from are rounded. */
const reviewSlackMs = 2000

/** Rows per statement: nine parameters each, far below SQLite's bound of 32,766. */
const rowsPerInsert = 64

export interface Looked {
  readonly root: CID
  readonly plan: Plan
  /** Own time from which it may turn out differently by age; absent when never. */
  readonly reviewMs?: number
}

export interface StandingCounts {
  readonly objects: number
  readonly byHealth: Readonly<Record<Health, number>>
  /** Number of live copies → objects. */
  readonly copies: Readonly<Record<number, number>>
  readonly byReason: ReadonlyMap<Reason, number>
  readonly proofsOverdue: number
}

export class Standings {
  readonly #parts: KeepingParts

  constructor(parts: KeepingParts) {
    this.#parts = parts
  }

  /** Writes what changed, in one transaction; `unwanted` stand nowhere any more. */
  async write(looked: readonly Looked[], unwanted: readonly CID[]): Promise<void> {
    const { database } = this.#parts.components
    const keys = keysOf(looked.map(({ root }) => root))
    const before = new Map<string, Row>()
    if (keys.length > 0) {
      const rows = await database.selectFrom('standing').selectAll().where('root', 'in', keys).execute()
      for (const row of rows) before.set(toHex(row.root), row)
    }
    const nowMs = this.#parts.time.nowMs()
    const changed = looked
      .map((one) => this.#row(one))
      .filter((row) => differs(row, before.get(toHex(row.root)), nowMs))
    if (changed.length === 0 && unwanted.length === 0) return
    await database.transaction().execute(async (trx) => {
      for (let at = 0; at < changed.length; at += rowsPerInsert) {
        await upsert(trx, changed.slice(at, at + rowsPerInsert))
      }
      if (unwanted.length === 0) return
      await trx.deleteFrom('standing').where('root', 'in', keysOf(unwanted)).execute()
    })
  }

  /** Objects told to be looked at now, fewest live copies first. */
  async marked(limit: number): Promise<CID[]> {
    const rows = await this.#parts.components.database
      .selectFrom('standing')
      .select('root')
      .where('review_ms', '=', dueNow)
      .orderBy('copies_live')
      .orderBy('root')
      .limit(limit)
      .execute()
    return rows.map((row) => rootOfKey(row.root))
  }

  /** Objects whose plan may have changed by age, longest due first. */
  async due(limit: number): Promise<CID[]> {
    const rows = await this.#parts.components.database
      .selectFrom('standing')
      .select('root')
      .where('review_ms', '>', dueNow)
      .where('review_ms', '<=', this.#parts.time.nowMs())
      .orderBy('review_ms')
      .limit(limit)
      .execute()
    return rows.map((row) => rootOfKey(row.root))
  }

  /** Marks what this keeper is said to hold in these groups, to be looked at in order of need. */
  async markOfKeeper(keeper: string, groupFrom: number, groupTo: number): Promise<void> {
    await this.#parts.components.database
      .updateTable('standing')
      .set({ review_ms: dueNow })
      .where('root', 'in', (eb) =>
        eb
          .selectFrom('copy')
          .select('copy.root')
          .where('copy.keeper', '=', keeper)
          .where('copy.hash_group', '>=', groupFrom)
          .where('copy.hash_group', '<', groupTo)
      )
      .execute()
  }

  async counts(): Promise<StandingCounts> {
    const rows = await this.#parts.components.database.selectFrom('standing_count').selectAll().execute()
    const byHealth = { healthy: 0, degraded: 0, 'at risk': 0, unreachable: 0, lost: 0 }
    const copies: Record<number, number> = {}
    const byReason = new Map<Reason, number>()
    let objects = 0
    let proofsOverdue = 0
    for (const row of rows) {
      objects += row.objects
      proofsOverdue += row.overdue
      byHealth[row.health] += row.objects
      copies[row.copies_live] = (copies[row.copies_live] ?? 0) + row.objects
      for (const reason of reasonsOf(row.reasons)) {
        byReason.set(reason, (byReason.get(reason) ?? 0) + row.objects)
      }
    }
    return { objects, byHealth, copies, byReason, proofsOverdue }
  }

  /** Groups by the worst health among their objects; groups without objects are healthy. */
  async groups(): Promise<Record<Health, number>> {
    const rows = await this.#parts.components.database
      .selectFrom('group_count')
      .select(['hash_group', 'health'])
      .where('health', '!=', 'healthy')
      .execute()
    const worst = new Map<number, Health>()
    for (const { health, hash_group } of rows) {
      const known = worst.get(hash_group)
      if (known === undefined || severity[health] > severity[known]) worst.set(hash_group, health)
    }
    const groups = {
      healthy: 2 ** this.#parts.roster.k - worst.size,
      degraded: 0,
      'at risk': 0,
      unreachable: 0,
      lost: 0
    }
    for (const health of worst.values()) groups[health]++
    return groups
  }

  #row({ root, plan, reviewMs }: Looked): Row {
    return {
      root: rootKey(root),
      hash_group: groupOf(root, this.#parts.roster.k),
      health: plan.health,
      copies_live: plan.copiesLive,
      overdue: plan.proofsOverdue,
      reasons: plan.reasons.join(' '),
      // Never `dueNow` by accident: that would be looked at before everything else, for ever.
      review_ms: reviewMs === undefined ? null : Math.max(dueNow + 1, Math.round(reviewMs))
    }
  }
}

/** Reason codes of a stored row. */
export function reasonsOf(codes: string): Reason[] {
  return codes.split(' ').filter((code) => code !== '') as Reason[]
}

const severity: Readonly<Record<Health, number>> = {
  healthy: 0,
  degraded: 1,
  'at risk': 2,
  unreachable: 3,
  lost: 4
}

function differs(row: Row, before: Row | undefined, nowMs: number): boolean {
  if (before === undefined) return true
  const same =
    row.health === before.health &&
    row.copies_live === before.copies_live &&
    row.overdue === before.overdue &&
    row.reasons === before.reasons
  if (!same || (row.review_ms === null) !== (before.review_ms === null)) return true
  if (row.review_ms === null || before.review_ms === null) return false
  // What was due is due no longer, however little its time moved.
  return before.review_ms <= nowMs || Math.abs(row.review_ms - before.review_ms) > reviewSlackMs
}

async function upsert(trx: Transaction<PinningTables>, rows: Row[]): Promise<void> {
  await trx
    .insertInto('standing')
    .values(rows)
    .onConflict((c) =>
      c.column('root').doUpdateSet((eb) => ({
        health: eb.ref('excluded.health'),
        copies_live: eb.ref('excluded.copies_live'),
        overdue: eb.ref('excluded.overdue'),
        reasons: eb.ref('excluded.reasons'),
        review_ms: eb.ref('excluded.review_ms')
      }))
    )
    .execute()
}
