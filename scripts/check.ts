// `npm run check`: everything that can be said about the code without running it, in one command. Runs all
// checks even after a failure, so that one run shows everything there is to mend.

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = (name: string): string => `${root}node_modules/.bin/${name}`

const checks: readonly { name: string; command: string; args: readonly string[] }[] = [
  { name: 'types', command: bin('tsc'), args: ['-b'] },
  { name: 'lint', command: bin('oxlint'), args: [] },
  // `check` would lint as well; of Biome we use the formatter and the order of imports.
  { name: 'format', command: bin('biome'), args: ['check', '.'] },
  { name: 'dead code', command: bin('knip'), args: ['--no-progress'] },
  { name: 'house', command: process.execPath, args: ['--conditions=source', `${root}scripts/check-house.ts`] }
]

const failed: string[] = []
for (const { name, command, args } of checks) {
  const startMs = performance.now()
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) console.error(error.message)
  const passed = status === 0
  if (!passed) failed.push(name)
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${Math.round(performance.now() - startMs)} ms)`)
}
console.log(
  `${checks.length - failed.length} passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`
)
if (failed.length > 0) process.exit(1)
