// The rules of the linter that invariants rest on bite: each forbidden line is linted in the place where it is
// forbidden, and its lawful neighbour beside it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { after, suite } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'commonhold-lint-'))
after(() => rmSync(folder, { recursive: true, force: true }))

// The rules in question need no types, and types would need the whole workspace here.
const config = readFileSync(join(root, '.oxlintrc.json'), 'utf8').replace(
  '"typeAware": true',
  '"typeAware": false'
)
writeFileSync(join(folder, '.oxlintrc.json'), config)

/** What the linter says about a file of this content in this place; empty when nothing. */
function lint(place: string, source: string): string {
  const file = join(folder, place)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, source)
  const { stdout, status } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['-f', 'unix', place], {
    cwd: folder,
    encoding: 'utf8'
  })
  rmSync(file)
  return status === 0 ? '' : stdout
}

suite('invariant 9: clock, randomness and network are parameters of pinning', () => {
  const forbidden = [
    'export const at = Date.now()',
    'export const at = new Date()',
    'export const at = globalThis.Date.now()',
    'export const at = performance.now()',
    'export const at = process.hrtime()',
    'export const luck = Math.random()',
    'export const luck = crypto.randomUUID()',
    'setTimeout(() => undefined, 1)',
    'setInterval(() => undefined, 1)',
    'setImmediate(() => undefined)',
    'export const signal = AbortSignal.timeout(1)',
    "import { setTimeout as sleep } from 'node:timers/promises'\nexport const s = sleep",
    "import { performance as p } from 'node:perf_hooks'\nexport const s = p",
    "import { randomBytes } from 'node:crypto'\nexport const s = randomBytes",
    "import { systemClock } from '@commonhold/core'\nexport const s = systemClock",
    "import { systemRandom } from '@commonhold/core'\nexport const s = systemRandom",
    "import { connect } from 'node:net'\nexport const s = connect",
    "import { createLibp2p } from 'libp2p'\nexport const s = createLibp2p",
    "export const answer = fetch('http://127.0.0.1/')"
  ]
  for (const source of forbidden) {
    test(`refused: ${source.split('\n')[0]}`, () => {
      assert.match(lint('packages/pinning/src/probe.ts', source), /no-restricted/)
      if (!source.includes('libp2p')) {
        assert.doesNotMatch(lint('packages/node/src/probe.ts', source), /no-restricted/, 'lawful in node')
      }
    })
  }

  test('hashing and the clock that is given are lawful', () => {
    const source = [
      "import { createHash } from 'node:crypto'",
      "import type { Clock, Random } from '@commonhold/core'",
      "export const hash = (): string => createHash('sha256').digest('hex')",
      'export const at = (clock: Clock, random: Random): number => clock.monotonicMs() + random.unit()'
    ].join('\n')
    assert.equal(lint('packages/pinning/src/probe.ts', source), '')
  })
})

suite('siblings never import one another', () => {
  const packages = {
    node: '@commonhold/node',
    pinning: '@commonhold/pinning',
    'http-bridge': '@commonhold/http-bridge'
  }
  for (const place of Object.keys(packages)) {
    for (const [sibling, name] of Object.entries(packages).filter(([sibling]) => sibling !== place)) {
      test(`${place} does not import ${sibling}, by name or by path`, () => {
        for (const from of [name, `../../${sibling}/src/index.ts`]) {
          const source = `import { something } from '${from}'\nexport const s = something`
          assert.match(lint(`packages/${place}/src/probe.ts`, source), /no-restricted-imports/, from)
        }
      })
    }
    test(`${place} imports core`, () => {
      const source = "import { limits } from '@commonhold/core'\nexport const s = limits"
      assert.equal(lint(`packages/${place}/src/probe.ts`, source), '')
    })
  }

  test('core imports none of them', () => {
    for (const name of [...Object.values(packages), 'commonhold']) {
      const source = `import { something } from '${name}'\nexport const s = something`
      assert.match(lint('packages/core/src/probe.ts', source), /no-restricted-imports/, name)
    }
  })
})

test('the environment is read in one file', () => {
  const source = "export const home = process.env['HOME']"
  for (const place of ['node/src/probe.ts', 'http-bridge/src/probe.ts', 'cli/src/commands/probe.ts']) {
    assert.match(lint(`packages/${place}`, source), /no-process-env/, place)
  }
  assert.equal(lint('packages/cli/src/environment.ts', source), '')
})
