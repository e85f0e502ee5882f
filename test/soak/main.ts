// `npm run soak` and `npm run chaos -- [--seed N] [--minutes N] [--record]`: a pool of real processes under uploads, reads
// and blows, by hand and for as long as is wished. Ends by itself, non-zero when anything did not hold.

import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { documentOf, tableOf, verdictOf } from './report.ts'
import { type ProfileName, profiles, soak } from './soak.ts'

const { values } = parseArgs({
  options: {
    profile: { type: 'string', default: 'soak' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    minutes: { type: 'string', default: '30' },
    record: { type: 'boolean', default: false }
  }
})
const seed = Number(values.seed)
const minutes = Number(values.minutes)
const { profile } = values
if (!Number.isSafeInteger(seed) || !(minutes > 0) || !isProfile(profile)) {
  process.stderr.write('--seed is a whole number, --minutes a number above 0, --profile soak or chaos.\n')
  process.exit(2)
}
const again = `npm run ${profile} -- --seed ${seed} --minutes ${minutes}`
console.log(again)

const startedMs = performance.now()
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())
const result = await soak({
  profile,
  seed,
  minutes,
  interrupt: interrupted.signal,
  say: (line) =>
    console.log(`${String(Math.round((performance.now() - startedMs) / 1000)).padStart(5)} s  ${line}`)
})
console.log(`\n${again}\n\n${tableOf(result)}\n\n${verdictOf(result)}`)
if (values.record && !result.interrupted) {
  const day = new Date().toISOString().slice(0, 10)
  const folder = new URL(`../../docs/${profile}/`, import.meta.url)
  await mkdir(folder, { recursive: true })
  await writeFile(new URL(`${day}.md`, folder), documentOf(result, profile, seed, minutes, day))
}
// A read that is still under way at a node that is gone must not hold us.
process.exit(result.failed !== undefined ? 1 : result.interrupted ? 130 : 0)

function isProfile(word: string): word is ProfileName {
  return Object.hasOwn(profiles, word)
}
