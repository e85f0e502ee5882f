// Which pool this node is in: one small durable log, whose last record counts. Apart from the index, for an
// index can be lost and a membership must not be.

import { decodeRecord, encodeRecord, type RecordType } from '@commonhold/core'
import { z } from 'zod'
import type { RecordLogs } from './components.ts'
import { hashField } from './fields.ts'

const logName = 'pools'

const choiceRecord: RecordType<{ pool: Uint8Array }> = {
  kind: 'pool-choice',
  bytesMax: 256,
  schema: z.strictObject({ pool: hashField })
}

/** Pool id, absent when none was founded or joined yet. */
export async function currentPool(logs: RecordLogs): Promise<Uint8Array | undefined> {
  if (!(await logs.list()).includes(logName)) return undefined
  await using log = await logs.open(logName)
  let pool: Uint8Array | undefined
  for await (const bytes of log.records()) pool = decodeRecord(choiceRecord, bytes).pool
  return pool
}

/** Call it last: when genesis, roster and own entries of the pool are durable. */
export async function choosePool(logs: RecordLogs, pool: Uint8Array): Promise<void> {
  await using log = await logs.open(logName)
  await log.append([encodeRecord({ pool })])
}
