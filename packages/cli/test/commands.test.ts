// Commands as processes of their own, against a node in memory behind a real control socket: what goes
// in comes out, what is printed for people and for programs, and how long an answer takes.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { silentLog } from '@commonhold/core'
import { answerOf, type CommandOptions, runCommand } from '../../../test/processes/command.ts'
import type * as answers from '../src/control/protocol.ts'
import { ControlServer } from '../src/control/server.ts'
import { controlSocketPath } from '../src/control/socket-path.ts'
import { exitCodes } from '../src/exit-codes.ts'
import { MemoryNode } from './memory-node.ts'

let folder: string
let server: ControlServer
let inFolder: CommandOptions
const node = new MemoryNode()
const picture = randomBytes(2_000_000)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-commands-'))
  inFolder = { dataFolder: folder }
  server = new ControlServer({ node, log: silentLog }, controlSocketPath(folder, '/nowhere'))
  await server.start()
  await mkdir(join(folder, 'pictures', 'inner'), { recursive: true })
  await writeFile(join(folder, 'pictures', 'a.jpg'), picture)
  await writeFile(join(folder, 'pictures', 'inner', 'b.jpg'), 'second')
  await writeFile(join(folder, 'pictures', '.hidden'), 'not meant')
})

after(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

test('add and get: files, folders, standard input, ranges', async () => {
  const added = await answerOf<answers.AddAnswer>(['add', join(folder, 'pictures', 'a.jpg')], inFolder)
  assert.equal(added.size, picture.length)
  const whole = join(folder, 'whole')
  await answerOf(['get', added.cid, '-o', whole], inFolder)
  assert.deepEqual(await readFile(whole), picture)
  const part = join(folder, 'part')
  await answerOf(['get', added.sha256, '-o', part, '--range', '100-199'], inFolder)
  assert.deepEqual(await readFile(part), picture.subarray(100, 200))

  const both = await runCommand(['add', join(folder, 'pictures'), '--json'], inFolder)
  const paths = both.stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { path: string }).path)
  assert.deepEqual(paths, [join(folder, 'pictures', 'a.jpg'), join(folder, 'pictures', 'inner', 'b.jpg')])

  const piped = await answerOf<answers.AddAnswer>(['add', '-'], { ...inFolder, stdin: 'from a pipe' })
  assert.equal((await runCommand(['get', piped.cid], inFolder)).stdout, 'from a pipe')
})

test('get leaves no file behind when it fails, and none half written', async () => {
  const absent = join(folder, 'absent')
  const result = await runCommand(['get', 'a'.repeat(64), '-o', absent], inFolder)
  assert.equal(result.code, exitCodes.NotFoundError)
  assert.deepEqual(
    (await readdir(folder)).filter((name) => name.startsWith('absent')),
    []
  )
})

test('one file that cannot be read does not keep the others from being added', async () => {
  const result = await runCommand(['add', '/dev/null/x', join(folder, 'pictures', 'a.jpg')], inFolder)
  assert.notEqual(result.code, 0)
  const mixed = await runCommand(['add', join(folder, 'pictures', 'a.jpg'), '--wait'], inFolder)
  assert.equal(mixed.code, exitCodes.PoolTooSmallError)
  assert.match(mixed.stderr, /^1 operator, 3 needed/)
})

test('status for people fits 80 columns and carries no colour into a pipe', async () => {
  const { stdout, code } = await runCommand(['status'], inFolder)
  assert.equal(code, 0)
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
  assert.ok(!stdout.includes('\u001b'))
  assert.match(stdout, /WARNING[\s\S]*POOL_TOO_SMALL[\s\S]*commonhold peers/)
})

test('every other question has an answer for people and one for programs', async () => {
  const { cid } = await answerOf<answers.AddAnswer>(['add', '-'], { ...inFolder, stdin: 'a thing' })
  const questions: readonly (readonly [args: readonly string[], seen: RegExp])[] = [
    [['status'], /at risk/],
    [['status', '--at-risk'], new RegExp(`${cid} +1 +at risk +POOL_TOO_SMALL BELOW_MIN`)],
    [['why', cid], /wanted by[\s\S]*this node +challenges[\s\S]*hold it/],
    [['peers'], /commonhold join \/ip4/],
    [['pin', 'ls'], new RegExp(cid)],
    [['pin', 'ls', '--own'], new RegExp(cid)],
    [['pin', 'add', cid, '--copies', '2'], /2 copies/],
    [['pin', 'status', cid], /1 live and proven/],
    [['prove', cid], /1 operator proved/],
    [['pool'], /open: everybody/],
    [['pool', 'members'], /\(this\)/],
    [['pool', 'create', 'garden'], /commonhold-recovery-/],
    [['token', 'add', 'people'], /^chtok_x$/m],
    [['token', 'ls'], /people/],
    [['token', 'rm', 'people'], /revoked/],
    [['deny', cid, '--reason', 'a test'], /deny rm/],
    [['deny', 'ls'], /a test/],
    [['deny', 'rm', cid], /allowed again/],
    [['join', '/ip4/192.0.2.1/tcp/1/p2p/x'], /memory/],
    [['pin', 'rm', cid], /no longer wanted/]
  ]
  for (const [args, seen] of questions) {
    const result = await runCommand(args, inFolder)
    assert.equal(result.code, 0, `${args.join(' ')}: ${result.stderr}`)
    assert.match(result.stdout, seen)
  }
  for (const args of [
    ['status'],
    ['status', '--at-risk'],
    ['peers'],
    ['pin', 'ls'],
    ['pool'],
    ['pool', 'members'],
    ['token', 'ls'],
    ['deny', 'ls']
  ]) {
    const { stdout } = await runCommand([...args, '--json'], inFolder)
    for (const line of stdout.trim().split('\n')) assert.doesNotThrow(() => JSON.parse(line), args.join(' '))
  }
  assert.equal((await runCommand(['deny', 'rm', cid], inFolder)).code, exitCodes.NotFoundError)
  assert.equal((await runCommand(['token', 'rm', 'people'], inFolder)).code, exitCodes.NotFoundError)
})

test('a command that only asks loads nothing of the node', async () => {
  // What makes it quick, measured by what it loads instead of by a clock on a busy machine.
  const result = await runCommand(['status'], {
    ...inFolder,
    env: { NODE_DEBUG: 'esm', NODE_OPTIONS: '' }
  })
  assert.equal(result.code, 0)
  for (const heavy of ['libp2p', 'kysely', 'zod', 'express', 'multiformats']) {
    assert.ok(!result.stderr.includes(`/${heavy}/`), `${heavy} is not loaded`)
  }
  assert.match(result.stderr, /commander/, 'the record of what was loaded is there')
})
