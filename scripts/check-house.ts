// The rules of the house that no other tool checks: how files open, exact and single versions, a lock that
// names no host. Each rule returns what is wrong; there is no list of exceptions.

import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8')
const found = (...patterns: string[]): string[] =>
  globSync(patterns, { cwd: root, exclude: ['**/node_modules/**', '**/dist/**'] }).toSorted()

interface Manifest {
  name: string
  version: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}

const manifests = ['package.json', ...found('packages/*/package.json')]
const manifestOf = (file: string): Manifest => JSON.parse(read(file)) as Manifest

/** Every source opens with what it owns and never does. */
function openings(): string[] {
  return found('packages/*/src/**/*.ts', 'packages/*/bin/*', 'scripts/*.ts', 'test/**/*.ts')
    .filter((file) => !/^(#!.*\n)?(\/\/ \S|\/\*\*)/.test(read(file)))
    .map((file) => `${file}: opens without saying what it is`)
}

/** One version for all packages, and no range: what is tested is what is installed. */
function versions(): string[] {
  const version = manifestOf('package.json').version
  return manifests.flatMap((file) => {
    const manifest = manifestOf(file)
    const ranges = Object.entries({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies
    }).filter(([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(range))
    return [
      ...(manifest.version === version ? [] : [`${file}: version ${manifest.version}, not ${version}`]),
      ...ranges.map(([name, range]) => `${file}: ${name} has the range ${range}, not an exact version`)
    ]
  })
}

/** Siblings never depend on one another; only the command knows them all. */
function siblings(): string[] {
  return manifests.flatMap((file) => {
    const manifest = manifestOf(file)
    if (manifest.name === 'commonhold' || manifest.name === 'commonhold-workspace') return []
    return Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
      .filter((name) => name.startsWith('@commonhold/') && name !== '@commonhold/core')
      .map((name) => `${file}: depends on its sibling ${name}`)
  })
}

/** The lock works with every mirror and on every platform. */
function lock(): string[] {
  interface Entry {
    version?: string
    resolved?: string
    integrity?: string
    link?: boolean
  }
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Entry> }
  const hosts = Object.entries(packages)
    .filter(([, entry]) => entry.resolved !== undefined && entry.link !== true)
    .map(([path]) => `package-lock.json: ${path} names the host it came from`)
  const unlocked = Object.entries(manifestOf('packages/cli/package.json').optionalDependencies ?? {})
    .filter(([name, version]) => {
      const entry = packages[`node_modules/${name}`]
      return entry?.version !== version || entry.integrity === undefined
    })
    .map(([name]) => `package-lock.json: ${name} is not locked, so another platform would go without Node`)
  return [...hosts, ...unlocked]
}

/** A checkout works wherever it lies: nothing in it names a place on somebody's machine. */
function places(): string[] {
  const place = /(?<![\w.~)}\]*-])\/(root|work)\/[a-z]/
  return found('**/*.{ts,js,md,json,sh}', '.ci/*')
    .filter((file) => file !== 'scripts/check-house.ts' && file !== 'package-lock.json')
    .flatMap((file) =>
      read(file)
        .split('\n')
        .flatMap((line, i) => (place.test(line) ? [`${file}:${i + 1}: names a place on one machine`] : []))
    )
}

const wrong = [openings, versions, siblings, lock, places].flatMap((rule) => rule())
for (const sentence of wrong) console.error(sentence)
if (wrong.length > 0) process.exit(1)
