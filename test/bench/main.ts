// `npm run bench [name …] [-- --record]`: runs the benchmarks one after another, each in a process of
// its own so that none warms or burdens the next.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const folder = new URL('.', import.meta.url)
const notBenchmarks = new Set(['main.ts', 'report.ts', 'http-load.ts', 'wire-bytes.ts'])
const all = (await readdir(folder))
  .filter((file) => file.endsWith('.ts') && !notBenchmarks.has(file))
  .map((file) => file.slice(0, -3))
const flags = process.argv.slice(2).filter((word) => word.startsWith('--'))
const names = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const unknown = names.filter((name) => !all.includes(name))
if (unknown.length > 0) {
  process.stderr.write(`No benchmark called ${unknown.join(', ')}. There are: ${all.join(', ')}.\n`)
  process.exit(2)
}
for (const name of names.length > 0 ? names : all) {
  const child = spawn(
    process.execPath,
    ['--conditions=source', fileURLToPath(new URL(`${name}.ts`, folder)), ...flags],
    { stdio: 'inherit' }
  )
  const [code] = await once(child, 'exit')
  if (code !== 0) process.exit(code ?? 1)
}
