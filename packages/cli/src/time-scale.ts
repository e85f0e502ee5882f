// What running the pool's delays faster must not make faster: other machines. Waits for an answer stay
// as long as they are in real time, and so do the speeds expected of others.

import { type KeepingOptions, keepingDefaults } from '@commonhold/pinning'
import type { Config } from './config.ts'

/** The keeping options of a node whose pool clock runs `timeScale` times faster. */
export function keepingAt(pool: Config['pool']): Partial<KeepingOptions> {
  const { timeScale } = pool
  const waits = {
    ackWaitMs: (pool.ackWait ?? keepingDefaults.ackWaitMs) * timeScale,
    presenceAnswerMs: keepingDefaults.presenceAnswerMs * timeScale,
    proofAnswerMs: keepingDefaults.proofAnswerMs * timeScale,
    offerAnswerMs: keepingDefaults.offerAnswerMs * timeScale
  }
  const speeds = {
    proofBytesPerSecondMin: keepingDefaults.proofBytesPerSecondMin / timeScale,
    offerBytesPerSecondMin: keepingDefaults.offerBytesPerSecondMin / timeScale,
    answerBytesPerSecondMax: keepingDefaults.answerBytesPerSecondMax / timeScale,
    repairBytesPerSecondMax: keepingDefaults.repairBytesPerSecondMax / timeScale
  }
  return {
    ...(timeScale === 1 ? { ackWaitMs: waits.ackWaitMs } : { ...waits, ...speeds }),
    ...(pool.ackCopies === undefined ? {} : { ackCopies: pool.ackCopies }),
    ackWhenShort: pool.ackWhenShort
  }
}
