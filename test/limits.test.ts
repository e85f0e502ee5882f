// docs/limits.md says what the program does: it is what the sources generate now.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'
import { limitsPage } from '../scripts/generate-limits.ts'

test('docs/limits.md is what `npm run limits` writes', async () => {
  const written = (await readFile(new URL('../docs/limits.md', import.meta.url), 'utf8')).split('\n')
  const generated = (await limitsPage()).split('\n')
  const missing = generated.filter((line) => !written.includes(line))
  const outdated = written.filter((line) => !generated.includes(line))
  assert.deepEqual({ missing, outdated }, { missing: [], outdated: [] })
  // Only the order can be left to differ.
  assert.ok(written.join('\n') === generated.join('\n'), 'run npm run limits')
})
