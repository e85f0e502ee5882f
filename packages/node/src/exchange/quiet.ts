// Looks now and then for streams on which nothing happens any more. One timer for all of them.

import type { Clock } from '@commonhold/core'
import { defaults } from '../options.ts'

/** Calls `look` until the signal. */
export function whileQuiet(clock: Clock, signal: AbortSignal, look: (nowMs: number) => void): void {
  const run = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(defaults.exchangeIdleMs / 4, { signal })
      look(clock.monotonicMs())
    }
  }
  run().catch(() => {
    // Stopped.
  })
}
