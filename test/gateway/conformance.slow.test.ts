// Every case of docs/conformance.md, against two real nodes, and the page's counts are those of the cases there are. Seen to
// fail with a case that expects another status.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { groups } from './conformance/cases.ts'
import { runAll, startGround } from './conformance/run.ts'

test('the gateway conforms', { timeout: 300_000 }, async () => {
  await using ground = await startGround()
  const failed = (await runAll(ground)).filter(({ failure }) => failure !== undefined)
  assert.deepEqual(failed, [])
})

test('docs/conformance.md is up to date', async () => {
  const page = await readFile(new URL('../../docs/conformance.md', import.meta.url), 'utf8')
  for (const { spec, cases, skipped } of groups) {
    assert.ok(page.includes(`| ${spec} | ${cases.length} | 0 | ${skipped.length} |`), spec)
    for (const { name } of skipped) assert.ok(page.includes(name), name)
  }
})
