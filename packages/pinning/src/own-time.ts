// This node's own time: milliseconds that only grow, also across restarts, so that ages kept in the
// index ("proved then", "unwanted since") mean the same tomorrow. No other machine ever sees it.

import type { Clock } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { PinningTables } from './database.ts'

export class OwnTime {
  readonly #clock: Clock
  readonly #database: Kysely<PinningTables>
  /** Own time at monotonic 0 of this run. */
  readonly #baseMs: number

  private constructor(clock: Clock, database: Kysely<PinningTables>, baseMs: number) {
    this.#clock = clock
    this.#database = database
    this.#baseMs = baseMs
  }

  /**
   * Continues from the last saved moment. The wall clock only bridges the time we were down: when it was
   * set back meanwhile, ages stand still instead of jumping.
   */
  static async open(clock: Clock, database: Kysely<PinningTables>): Promise<OwnTime> {
    const saved = await database.selectFrom('own_time').selectAll().executeTakeFirst()
    const nowMs = saved === undefined ? 0 : saved.own_ms + Math.max(0, clock.wallMs() - saved.wall_ms)
    const time = new OwnTime(clock, database, nowMs - clock.monotonicMs())
    await time.save()
    return time
  }

  nowMs(): number {
    return Math.round(this.#baseMs + this.#clock.monotonicMs())
  }

  /** A crash loses what passed since, which the wall clock then bridges. */
  async save(): Promise<void> {
    const row = { id: 1, own_ms: this.nowMs(), wall_ms: Math.round(this.#clock.wallMs()) }
    await this.#database
      .insertInto('own_time')
      .values(row)
      .onConflict((c) => c.column('id').doUpdateSet(row))
      .execute()
  }
}
