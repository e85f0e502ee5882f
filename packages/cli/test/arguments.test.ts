// The command line × every kind of bad input, as a user's shell would give it: an exit code from the
// table, a full sentence on stderr, nothing on stdout, and no node needed to say so.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { runCommand } from '../../../test/processes/command.ts'
import { exitCodes } from '../src/exit-codes.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-arguments-'))
})

after(() => rm(folder, { recursive: true, force: true }))

const invalid = exitCodes.InvalidInputError
const unreachable = exitCodes.UnreachableError
const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

const table: readonly (readonly [what: string, args: readonly string[], code: number, message: RegExp])[] = [
  ['unknown command', ['stauts'], invalid, /Unknown command 'stauts'. Did you mean “status”/],
  ['unknown option', ['status', '--wacth'], invalid, /Unknown option '--wacth'. Did you mean “--watch”/],
  ['missing argument', ['get'], invalid, /Missing required argument 'name'/],
  ['too many arguments', ['get', cid, cid], invalid, /Too many arguments/],
  ['empty name', ['pin', 'status', ''], unreachable, /No node is running/],
  ['wrong type', ['add', 'x', '--copies', 'three'], invalid, /whole number from 1 to 32/],
  ['out of range', ['add', 'x', '--copies', '33'], invalid, /whole number from 1 to 32/],
  ['negative', ['add', 'x', '--copies', '-1'], invalid, /whole number from 1 to 32/],
  ['wrong choice', ['add', 'x', '--visibility', 'friends'], invalid, /Allowed choices are public, members/],
  ['no such file', ['add', '/no/such/file'], invalid, /There is no file “\/no\/such\/file”/],
  ['no such scope', ['token', 'add', 'x', '--scope', 'everything'], invalid, /Allowed choices are upload/],
  ['bad duration', ['token', 'add', 'x', '--expires', 'soon'], invalid, /not a duration/],
  ['bad range', ['get', cid, '--range', '9-1', '-o', 'x'], invalid, /not a range of bytes/],
  ['bad size', ['start', '--keep', 'much'], invalid, /not a size for --keep/],
  ['bad address', ['start', '--http', 'nowhere'], invalid, /not an address/],
  ['bad setting', ['start', '--set', 'port'], invalid, /not a setting/],
  ['unknown setting', ['start', '--set', 'http.prot=1'], invalid, /Did you mean “http\.port”/],
  ['oversized', ['pin', 'status', 'x'.repeat(100_000)], unreachable, /No node is running/],
  ['garbage', ['\u0001\u0002', '%%%'], invalid, /Unknown command/],
  ['keys: garbage', ['key', 'import'], invalid, /key export/],
  ['keys: none yet', ['key', 'show'], exitCodes.NotFoundError, /commonhold init/],
  ['no node', ['status'], unreachable, /commonhold start/]
]

for (const [what, args, code, message] of table) {
  test(`arguments: ${what}`, async () => {
    const result = await runCommand(args, {
      dataFolder: join(folder, 'data'),
      stdin: 'garbage',
      timeoutMs: 20_000
    })
    assert.equal(result.code, code, result.stderr)
    assert.match(result.stderr, message)
    assert.equal(result.stdout, '')
    assert.doesNotMatch(result.stderr, /\n\s+at /, 'no stack trace for what the user did')
    assert.ok(result.stderr.length < 1000)
  })
}

test('with --json the error is JSON too, with its name and exit code', async () => {
  for (const [args, name] of [
    [['stauts', '--json'], 'InvalidInputError'],
    [['--json', 'status'], 'UnreachableError']
  ] as const) {
    const result = await runCommand(args, { dataFolder: join(folder, 'data') })
    const { error } = JSON.parse(result.stderr) as { error: { name: 'InvalidInputError'; exitCode: number } }
    assert.equal(error.name, name)
    assert.equal(error.exitCode, result.code)
    assert.equal(result.code, exitCodes[error.name])
  }
})

test('help and version need no node and end well', async () => {
  for (const args of [['--help'], ['add', '--help'], ['help', 'pin'], ['--version'], ['version']]) {
    const result = await runCommand(args, { dataFolder: join(folder, 'data') })
    assert.equal(result.code, 0, result.stderr)
    assert.notEqual(result.stdout, '')
  }
})
