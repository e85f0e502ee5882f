// What running the pool's delays faster must not make faster: machines. Waits for an answer stay as long as
// they are in real time, and so do the speeds that are expected of others. What a node permits itself (bytes
// of audits and of repairs per second) follows the pool's clock, because so does the need for them: a month of
// audits in twelve hours is sixty times as much reading per second.

import { type KeepingOptions, keepingDefaults } from '@commonhold/pinning'
import type { Config } from './config.ts'

/** The keeping options of a node whose pool clock runs `timeScale` times faster. */
export function keepingAt(pool: Config['pool']): Partial<KeepingOptions> {
  const { timeScale } = pool
  const waits = {
    ackWaitMs: (pool.ackWait ?? keepingDefaults.ackWaitMs) * timeScale,
    presenceAnswerMs: keepingDefaults.presenceAnswerMs * timeScale,
    proofAnswerMs: keepingDefaults.proofAnswerMs * timeScale,
    proofWayMs: keepingDefaults.proofWayMs * timeScale,
    offerAnswerMs: keepingDefaults.offerAnswerMs * timeScale
  }
  const speeds = {
    proofDiskBytesPerSecondMin: keepingDefaults.proofDiskBytesPerSecondMin / timeScale,
    proofBytesPerSecondMin: keepingDefaults.proofBytesPerSecondMin / timeScale,
    offerBytesPerSecondMin: keepingDefaults.offerBytesPerSecondMin / timeScale,
    holdBytesPerSecond: keepingDefaults.holdBytesPerSecond / timeScale
  }
  return {
    ...(timeScale === 1 ? { ackWaitMs: waits.ackWaitMs } : { ...waits, ...speeds }),
    ...(pool.ackCopies === undefined ? {} : { ackCopies: pool.ackCopies }),
    ...(pool.repairs === undefined ? {} : { repairConcurrency: pool.repairs }),
    ackWhenShort: pool.ackWhenShort
  }
}
