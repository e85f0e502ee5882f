// Takes whatever ingest brings, counts it and forgets it: for files larger than a test should store.

import assert from 'node:assert/strict'
import { limits } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { ObjectIntake } from '../src/object-intake.ts'

export class CountingObjects {
  putsUnderWay = 0
  putsUnderWayMax = 0
  puts = 0

  begin = async (): Promise<ObjectIntake> => ({
    put: async (_cid: CID, bytes: Uint8Array) => {
      this.puts++
      this.putsUnderWay++
      this.putsUnderWayMax = Math.max(this.putsUnderWayMax, this.putsUnderWay)
      await new Promise<void>((resolve) => setImmediate(resolve))
      assert.ok(bytes.length <= limits.leafBytes)
      this.putsUnderWay--
    },
    keep: async () => undefined,
    complete: async () => {},
    [Symbol.asyncDispose]: async () => {}
  })
}
