// This node's own time: milliseconds that only grow, also across restarts, so that ages kept in the
// index ("proved then", "unwanted since") mean the same tomorrow. No other machine ever sees it.
// It also notices that this process did not run for a while (a suspended laptop, SIGSTOP): what it believed before
// is as stale then as after a restart.

import type { Clock } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { PinningTables } from '../database.ts'

export class OwnTime {
  readonly #clock: Clock
  readonly #database: Kysely<PinningTables>
  /** Own time at monotonic 0 of this run. */
  readonly #baseMs: number
  readonly #breakMs: number
  #lastMs: number
  #awakeSinceMs: number

  private constructor(clock: Clock, database: Kysely<PinningTables>, baseMs: number, breakMs: number) {
    this.#clock = clock
    this.#database = database
    this.#baseMs = baseMs
    this.#breakMs = breakMs
    this.#lastMs = Math.round(baseMs + clock.monotonicMs())
    this.#awakeSinceMs = this.#lastMs
  }

  /**
   * Continues from the last saved moment. The wall clock only bridges the time we were down: when it was
   * set back meanwhile, ages stand still instead of jumping.
   * @param breakMs a gap between two looks at the time that means we did not run: longer than any we leave ourselves
   */
  static async open(clock: Clock, database: Kysely<PinningTables>, breakMs: number): Promise<OwnTime> {
    const saved = await database.selectFrom('own_time').selectAll().executeTakeFirst()
    const nowMs = saved === undefined ? 0 : saved.own_ms + Math.max(0, clock.wallMs() - saved.wall_ms)
    const time = new OwnTime(clock, database, nowMs - clock.monotonicMs(), breakMs)
    await time.save()
    return time
  }

  nowMs(): number {
    const nowMs = Math.round(this.#baseMs + this.#clock.monotonicMs())
    if (nowMs - this.#lastMs >= this.#breakMs) this.#awakeSinceMs = nowMs
    this.#lastMs = nowMs
    return nowMs
  }

  /** Since when we have been running without a break. */
  awakeSinceMs(): number {
    this.nowMs()
    return this.#awakeSinceMs
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
