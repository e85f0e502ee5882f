// `npm run simulate -- [--seed N]… [--profile instances|homes|mixed|provider|provider-unknown|rough] [--years 3] [--members 300]
// [--groups 4096] [--arms commonhold,control,cluster,none,oracle] [--set option=ms]… [--workers 1] [--out folder]`: lives of a pool,
// seed by seed; a table and a plot go into the folder. Ends non-zero when the production code lost an object, or when the control lost none: then nothing was shown.

import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { plot } from './plot.ts'
import { profiles } from './profiles.ts'
import { type ArmName, armNames, type RunOptions, type RunResult } from './run.ts'
import { runAll } from './seeds.ts'
import { tableOf } from './table.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', multiple: true, default: ['1'] },
    profile: { type: 'string', default: 'instances' },
    years: { type: 'string', default: '3' },
    members: { type: 'string', default: '300' },
    groups: { type: 'string', default: '4096' },
    arms: { type: 'string', default: armNames.join(',') },
    set: { type: 'string', multiple: true, default: [] },
    workers: { type: 'string', default: '1' },
    out: { type: 'string' }
  }
})

function refuse(sentence: string): never {
  process.stderr.write(`${sentence}\n`)
  process.exit(2)
}

function numberOf(name: string, text: string, least: number): number {
  const value = Number(text)
  if (!(value >= least)) refuse(`${name} is a number of at least ${least}, not "${text}".`)
  return value
}

function isArm(name: string): name is ArmName {
  return (armNames as readonly string[]).includes(name)
}

const { profile } = values
if (!Object.hasOwn(profiles, profile)) {
  refuse(`There is no profile ${profile}; there are: ${Object.keys(profiles).join(', ')}.`)
}
const arms = values.arms.split(',').filter(isArm)
if (arms.length < values.arms.split(',').length) refuse(`Arms are: ${armNames.join(', ')}.`)
const options = Object.fromEntries(
  values.set.map((pair): [string, number] => {
    const [name = '', value = ''] = pair.split('=')
    return [name, numberOf(`--set ${name}`, value, 0)]
  })
)
const groups = numberOf('--groups', values.groups, 1)
const runs = values.seed.map(
  (text): RunOptions => ({
    seed: numberOf('--seed', text, 0),
    profile,
    years: numberOf('--years', values.years, 0.01),
    members: numberOf('--members', values.members, 10),
    groups,
    objects: groups,
    objectBytes: 2 ** 30,
    copiesMin: 3,
    options,
    arms
  })
)
const results: RunResult[] = []
await runAll(runs, numberOf('--workers', values.workers, 1), async (result) => {
  results.push(result)
  results.sort((a, b) => a.seed - b.seed)
  console.log(`seed ${result.seed}, ${Math.round(result.tookMs / 1000)} s\n\n${tableOf([result])}\n`)
  if (values.out !== undefined) await record(values.out)
})
if (results.length > 1) console.log(`all seeds\n\n${tableOf(results)}`)

/** After every seed, so that a run that is broken off has said what it found. */
async function record(folder: string): Promise<void> {
  const seeds = results.map((result) => result.seed).join(', ')
  const what = `${profile}, ${values.members} members, ${groups} groups, ${values.years} years, seeds ${seeds}`
  await mkdir(folder, { recursive: true })
  await writeFile(`${folder}/${profile}.svg`, plot(results, what))
  const each = results.map((result) => `Seed ${result.seed}:\n\n${tableOf([result])}\n`)
  const command = `npm run simulate -- ${process.argv.slice(2).join(' ')}`
  const head = `# ${profile}\n\n${what}. Made by \`${command}\`.\n\n![live copies](${profile}.svg)\n`
  await writeFile(
    `${folder}/${profile}.md`,
    `${head}\nAll seeds:\n\n${tableOf(results)}\n\n${each.join('\n')}`
  )
}

const lostBy = (name: ArmName): number =>
  results.flatMap((result) => result.arms).reduce((sum, one) => sum + (one.arm === name ? one.lost : 0), 0)
if (lostBy('commonhold') > 0) {
  console.error(`${lostBy('commonhold')} objects were lost.`)
  process.exitCode = 1
}
if (arms.includes('control') && lostBy('control') === 0) {
  console.error('The control lost nothing: this weather shows nothing.')
  process.exitCode = 1
}
