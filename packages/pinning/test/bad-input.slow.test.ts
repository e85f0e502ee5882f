// A hundred thousand damaged records at the doors of the shared half, in a heap of 96 MiB. The table of single
// faults, and a short run of this, are in bad-input.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

test('a hundred thousand damaged records', { timeout: 300_000 }, async () => {
  const worker = new Worker(new URL('commons/damage-worker.ts', import.meta.url), {
    workerData: 100_000,
    execArgv: ['--conditions=source'],
    resourceLimits: { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 }
  })
  // An error in the worker, out of memory included, rejects here.
  const [code] = await once(worker, 'exit')
  assert.equal(code, 0)
})
