// Whether this node is leaving its pool: one small durable log, whose last record counts. Apart from the
// index, like the choice of the pool, and before the roster says it: a node that dies in between goes on.

import { decodeRecord, encodeRecord, type RecordType } from '@commonhold/core'
import { z } from 'zod'
import type { RecordLogs } from '../components.ts'

export type LeavingState = 'staying' | 'leaving' | 'left'

const logName = 'leaving'

const markRecord: RecordType<{ state: LeavingState }> = {
  kind: 'leaving',
  bytesMax: 64,
  schema: z.strictObject({ state: z.enum(['staying', 'leaving', 'left']) })
}

export class LeavingMark {
  readonly #logs: RecordLogs
  #state: LeavingState

  private constructor(logs: RecordLogs, state: LeavingState) {
    this.#logs = logs
    this.#state = state
  }

  static async open(logs: RecordLogs): Promise<LeavingMark> {
    let state: LeavingState = 'staying'
    if ((await logs.list()).includes(logName)) {
      await using log = await logs.open(logName)
      for await (const bytes of log.records()) state = decodeRecord(markRecord, bytes).state
    }
    return new LeavingMark(logs, state)
  }

  get state(): LeavingState {
    return this.#state
  }

  /** Durable when it resolves. */
  async set(state: LeavingState): Promise<void> {
    await using log = await this.#logs.open(logName)
    await log.append([encodeRecord({ state })])
    this.#state = state
  }
}
