// `npm run soak -- [--seed N] [--minutes N] [--record]`: a pool of real processes under uploads, reads and blows, by
// hand and for as long as is wished. Ends by itself, non-zero when anything did not hold.

import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { documentOf, tableOf, verdictOf } from './report.ts'
import { soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    minutes: { type: 'string', default: '30' },
    record: { type: 'boolean', default: false }
  }
})
const seed = Number(values.seed)
const minutes = Number(values.minutes)
if (!Number.isSafeInteger(seed) || !(minutes > 0)) {
  process.stderr.write('--seed is a whole number, --minutes a number above 0.\n')
  process.exit(2)
}
console.log(`seed ${seed}, ${minutes} minutes`)

const startedMs = performance.now()
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())
const result = await soak({
  seed,
  minutes,
  interrupt: interrupted.signal,
  say: (line) =>
    console.log(`${String(Math.round((performance.now() - startedMs) / 1000)).padStart(5)} s  ${line}`)
})
console.log(`\nseed ${seed}, ${minutes} minutes\n\n${tableOf(result)}\n\n${verdictOf(result)}`)
if (values.record && !result.interrupted) {
  const day = new Date().toISOString().slice(0, 10)
  const folder = new URL('../../docs/soak/', import.meta.url)
  await mkdir(folder, { recursive: true })
  await writeFile(new URL(`${day}.md`, folder), documentOf(result, seed, minutes, day))
}
if (result.failed !== undefined) process.exitCode = 1
else if (result.interrupted) process.exitCode = 130
