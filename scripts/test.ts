// `npm test`: every fast test of every package, and what spans them. `--slow` runs the further suites
// (*.slow.test.ts) instead; words after the flags narrow it to the files whose path contains one of them.

import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: flags, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { slow: { type: 'boolean', default: false } }
})

/** One test may take this long, and its file a little longer, in milliseconds: a failure with a name, not a run without end. */
const testTimeoutMs = flags.slow ? 20 * 60_000 : 120_000
// A node under test is several threads and a disk; beyond the cores, tests only time each other out. The slow
// ones measure memory and speed, so they run alone.
const concurrency = flags.slow ? 1 : Math.max(2, availableParallelism())

const files = globSync(['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root })
  .filter((file) => file.endsWith('.slow.test.ts') === flags.slow)
  // Without the word `packages`, in which `pack` would find every file.
  .filter(
    (file) => words.length === 0 || words.some((word) => file.replace(/^packages\//, '').includes(word))
  )
  .toSorted()

if (files.length === 0) {
  console.error(`No test file matches ${words.join(', ') || (flags.slow ? '*.slow.test.ts' : '*.test.ts')}.`)
  process.exit(1)
}

const child = spawn(
  process.execPath,
  [
    '--conditions=source',
    '--test',
    `--test-timeout=${testTimeoutMs}`,
    `--import=${new URL('test-deadline.ts', import.meta.url).href}`,
    `--test-concurrency=${concurrency}`,
    ...(process.stdout.isTTY ? [] : ['--test-reporter=spec', '--test-reporter-destination=stdout']),
    ...files
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, TEST_FILE_DEADLINE_MS: `${testTimeoutMs + 10_000}` } }
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code) => process.exit(code ?? 1))
