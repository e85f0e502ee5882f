// Writes docs/limits.md from the comments and values of every options.ts and limits.ts: `npm run limits`.
// The page shows the values the program really has, and generation fails where a comment claims another one,
// so that neither text nor page can drift (test/limits.test.ts).

import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const target = `${root}docs/limits.md`

interface Limit {
  name: string
  text: string
  /** The value as the comment claims it; undefined where there is no @default. */
  claimed: string | undefined
  value: unknown
}

/** The whole page. Throws one error that lists everything to mend. */
export async function limitsPage(): Promise<string> {
  const files = globSync('packages/*/src/{limits,options,*-options}.ts', { cwd: root }).toSorted(byPackage)
  const wrong: string[] = []
  const sections: string[] = []
  for (const file of files) {
    const limits = await limitsIn(file)
    wrong.push(...limits.flatMap((limit) => faults(file, limit)))
    sections.push(section(file, limits))
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n'))
  return [
    '# Limits and options',
    '',
    'Generated from the sources by `npm run limits`; do not edit. These are the delays and bounds of the program, each with',
    'its reason. What an operator sets is in the config file, which `commonhold init` writes with its explanations.',
    '',
    ...sections
  ].join('\n')
}

/** In the order of dependency, so that what all share comes first. */
function byPackage(a: string, b: string): number {
  const order = ['core', 'node', 'pinning', 'http-bridge', 'cli']
  const rank = (file: string): number => order.indexOf(file.split('/')[1] ?? '')
  return rank(a) - rank(b) || a.localeCompare(b)
}

async function limitsIn(file: string): Promise<Limit[]> {
  const exported = (await import(`${root}${file}`)) as Record<string, unknown>
  const values = Object.assign({}, ...Object.values(exported).filter((value) => typeof value === 'object'))
  const commented = /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:readonly )?(\w+)\??: /g
  const limits: Limit[] = []
  for (const [, comment = '', name = ''] of readFileSync(`${root}${file}`, 'utf8').matchAll(commented)) {
    const words = comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim()
    const [text = '', claimed] = words.split(/\s*@default\s*/)
    limits.push({ name, text: text.trim(), claimed, value: (values as Record<string, unknown>)[name] })
  }
  const silent = Object.keys(values).filter((name) => !limits.some((limit) => limit.name === name))
  if (silent.length > 0) throw new Error(`${file}: no comment on ${silent.join(', ')}`)
  return limits
}

function faults(file: string, { name, text, claimed, value }: Limit): string[] {
  const where = `${file}: ${name}`
  if (text === '') return [`${where} has no text`]
  if (claimed === undefined) return file.endsWith('limits.ts') ? [] : [`${where} has no @default`]
  const number = asNumber(claimed)
  if (typeof value === 'number' && number !== value)
    return [`${where} is ${value}, its @default says ${claimed}`]
  if (value === undefined && claimed !== 'undefined')
    return [`${where} has no value, its @default says ${claimed}`]
  if (typeof value === 'string' && claimed !== `'${value}'`)
    return [`${where} is '${value}', its @default says ${claimed}`]
  return []
}

const units: Record<string, number> = {
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  days: 86_400_000
}

/** `900000 (15 min)`, `60_000` and `4 MiB` are all spellings of a number. */
function asNumber(claimed: string): number | undefined {
  const [, digits, unit] = /^([\d_,.]+)(?: (KiB|MiB|GiB|TiB|s|min|h|days)\b)?/.exec(claimed) ?? []
  if (digits === undefined) return undefined
  return Number(digits.replaceAll(/[_,]/g, '')) * (unit === undefined ? 1 : (units[unit] ?? 1))
}

function section(file: string, limits: readonly Limit[]): string {
  const source = `../${file}`
  const rows = limits.map(
    ({ name, text, value }) => `| \`${name}\` | ${shown(name, value)} | ${text.replaceAll('|', '\\|')} |`
  )
  return [`## [${file}](${source})`, '', '| name | value | what, why |', '|---|---|---|', ...rows, ''].join(
    '\n'
  )
}

function shown(name: string, value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value !== 'number') return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
  const digits = Number.isInteger(value) ? value.toLocaleString('en') : String(value)
  const fitting = /Bytes/.test(name)
    ? ['TiB', 'GiB', 'MiB', 'KiB']
    : /Ms(Max|Min)?$/.test(name)
      ? ['days', 'h', 'min', 's']
      : []
  for (const unit of fitting) {
    const count = value / (units[unit] ?? 1)
    if (count >= 1 && Number.isInteger(count * 10))
      return `${count} ${unit === 'days' && count === 1 ? 'day' : unit}`
  }
  return fitting.includes('s') ? `${digits} ms` : digits
}

if (import.meta.main) {
  writeFileSync(target, await limitsPage())
  console.log('docs/limits.md')
}
