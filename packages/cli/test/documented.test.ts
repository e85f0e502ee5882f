// docs/cli.md against the program: every command, option, exit code and setting is there, and none that
// is not.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Command } from 'commander'
import { configTemplate } from '../src/config.ts'
import { readEnvironment } from '../src/environment.ts'
import { doctorExitCode, exitCodes, interruptedExitCode, unexpectedExitCode } from '../src/exit-codes.ts'
import { createProgram } from '../src/program.ts'

const document = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8')

function leaves(command: Command, path: readonly string[] = []): { path: string; command: Command }[] {
  const here = [...path, command.name()]
  if (command.commands.length === 0) return [{ path: here.join(' '), command }]
  return command.commands.filter((sub) => sub.name() !== 'help').flatMap((sub) => leaves(sub, here))
}

const program = createProgram({
  environment: readEnvironment({}),
  json: false,
  signal: new AbortController().signal
})

test('every command and option is documented, and no other', () => {
  const rows = new Map(
    [...document.matchAll(/^\| `(commonhold [a-z]+(?: [a-z]+)?)([^`]*)` \| (.*) \|$/gm)].map((found) => [
      found[1],
      found[0]
    ])
  )
  const commands = leaves(program)
  assert.deepEqual(new Set(rows.keys()), new Set(commands.map(({ path }) => path)))
  for (const { path, command } of commands) {
    for (const option of command.options) {
      assert.ok(
        rows.get(path)?.includes(option.long ?? option.flags),
        `${path} ${option.long} is in docs/cli.md`
      )
    }
  }
})

test('every exit code is documented', () => {
  for (const [name, code] of Object.entries(exitCodes))
    assert.ok(document.includes(`| ${code} | \`${name}\` |`), name)
  for (const code of [0, unexpectedExitCode, doctorExitCode, interruptedExitCode]) {
    assert.match(document, new RegExp(`^\\| ${code} \\| +\\|`, 'm'))
  }
  const codes = Object.values(exitCodes)
  assert.equal(new Set(codes).size, codes.length, 'no two errors share a code')
})

test('every setting is documented, and no other', () => {
  const documented = new Set(
    [...document.matchAll(/^\| `([a-z]+\.[A-Za-z]+)` \|/gm)].map((found) => found[1])
  )
  let section = ''
  const known = new Set<string>(['pool.timeScale'])
  for (const line of configTemplate.split('\n')) {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
    const key = /^# (\w+) = /.exec(line)?.[1]
    if (key !== undefined && section !== '') known.add(`${section}.${key}`)
  }
  assert.deepEqual(documented, known)
})
