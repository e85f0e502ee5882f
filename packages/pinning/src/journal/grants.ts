// The grant of an author: how many bytes of copies its wishes may bind. Wishes beyond it, in the order they
// were made, bind nobody. Every reader applies this one rule to the same rows, so all agree whose objects
// the pool owes copies. Normative text: docs/protocol/journal.md, "Grants".

import type { OperatorId } from '@commonhold/core'
import { sql, type Transaction } from 'kysely'
import type { PinningTables } from '../database.ts'

/** No wish is cheaper than a disk's smallest unit, or empty files would be wished without end. */
const chargedBytesMin = 4096

/** Bounds sums of costs far below 2^53, so that they stay exact. */
const costMax = 2 ** 50

export function grantCost(size: number, copiesMin: number): number {
  return Math.min(costMax, Math.max(size, chargedBytesMin) * copiesMin)
}

/** Keeps the running sum of the costs of an operator's wishes. */
export async function addUse(
  trx: Transaction<PinningTables>,
  operator: OperatorId,
  costMore: number
): Promise<void> {
  await trx
    .insertInto('grant_use')
    .values({ operator, cost: costMore })
    .onConflict((c) => c.column('operator').doUpdateSet({ cost: sql`cost + ${costMore}` }))
    .execute()
}

/**
 * Marks which of the operator's wishes bind: in order of (generation, seq, journal, root), each that still fits.
 * @param grantBytes absent when the operator does not count: then none binds.
 * @returns roots of wishes whose mark changed
 */
export async function regrant(
  trx: Transaction<PinningTables>,
  operator: OperatorId,
  grantBytes: number | undefined
): Promise<Uint8Array[]> {
  const used = await trx
    .selectFrom('grant_use')
    .select('cost')
    .where('operator', '=', operator)
    .executeTakeFirst()
  if (grantBytes === undefined) return setAll(trx, operator, 0)
  // Nearly always everything fits, and then nothing has to be walked.
  if (used === undefined || used.cost <= grantBytes) return setAll(trx, operator, 1)

  const changed: Uint8Array[] = []
  let freeBytes = grantBytes
  const rows = await trx
    .selectFrom('operator_wish')
    .select(['root', 'cost', 'binding'])
    .where('operator', '=', operator)
    .orderBy('generation')
    .orderBy('seq')
    .orderBy('journal')
    .orderBy('root')
    .execute()
  for (const row of rows) {
    const fits = row.cost <= freeBytes
    if (fits) freeBytes -= row.cost
    if (fits === (row.binding === 1)) continue
    changed.push(row.root)
    await trx
      .updateTable('operator_wish')
      .set({ binding: fits ? 1 : 0 })
      .where('operator', '=', operator)
      .where('root', '=', row.root)
      .execute()
  }
  return changed
}

async function setAll(
  trx: Transaction<PinningTables>,
  operator: OperatorId,
  binding: 0 | 1
): Promise<Uint8Array[]> {
  const rows = await trx
    .updateTable('operator_wish')
    .set({ binding })
    .where('operator', '=', operator)
    .where('binding', '=', 1 - binding)
    .returning('root')
    .execute()
  return rows.map((row) => row.root)
}
