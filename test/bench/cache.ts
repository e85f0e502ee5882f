// Which share of requests the bridge's cache answers, beside LRU and FIFO of the same size on the same trace. Counts
// of a seeded trace: the same figures on every machine.

import { hitRatio } from '../../packages/http-bridge/test/cache-trace.ts'
import { type BenchRow, reportBench } from './report.ts'

const bytesMax = 100e6
const rows: BenchRow[] = []
for (const alpha of [0.7, 0.9, 1.1]) {
  const trace = { seed: 1, requests: 300_000, objects: 20_000, alpha, scanShare: 0.2 }
  const value = 100 * hitRatio('S3-FIFO', bytesMax, trace)
  for (const peer of ['LRU', 'FIFO'] as const) {
    rows.push({
      what: `hits, Zipf ${alpha}, a fifth of the requests a scan`,
      value,
      unit: '%',
      against: { what: peer, value: 100 * hitRatio(peer, bytesMax, trace) },
      ratioGoal: 1
    })
  }
}
await reportBench(
  'Cache of the bridge: S3-FIFO, 100 MB',
  rows,
  '300,000 requests for 20,000 objects of 20 KB to 1 MB. What a cache of any kind can answer is less than the four fifths that are no scan.'
)
