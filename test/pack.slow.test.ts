// What is published works for a stranger: all tarballs are packed, installed into an empty folder where only an
// old Node is in the PATH, and the command is run there; and where no newer Node came along, it says what to do.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import test, { after, before, suite } from 'node:test'
import { fileURLToPath } from 'node:url'
import { packAll } from '../scripts/pack.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version

/** The PATH of the machine without what npm put in front of it: there `node` is the one the machine has. */
const machinePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter)
const { NODE_OPTIONS: _, ...inherited } = process.env
const environment = {
  ...Object.fromEntries(Object.entries(inherited).filter(([name]) => !name.toLowerCase().startsWith('npm_'))),
  PATH: machinePath
}

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

function run(folder: string, command: string, ...args: string[]): Ended {
  const { error, status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    env: environment,
    encoding: 'utf8'
  })
  if (error !== undefined) throw error
  return { status, stdout, stderr }
}

const launcher = 'node_modules/commonhold/bin/commonhold.js'

suite('the packed command', { timeout: 300_000 }, () => {
  let work: string
  let folder: string
  let tarballs: string[]

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'commonhold-pack-'))
    folder = await mkdtemp(join(tmpdir(), 'commonhold-installed-'))
    tarballs = packAll(work)
    writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true }\n')
    const installed = run(
      folder,
      'npm',
      'install',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      ...tarballs
    )
    assert.equal(installed.status, 0, installed.stderr)
  })
  after(async () => {
    await rm(work, { recursive: true, force: true })
    await rm(folder, { recursive: true, force: true })
  })

  test('this machine has an old Node in its PATH, or the suite shows nothing', () => {
    const major = Number(/^v(\d+)/.exec(run(folder, 'node', '--version').stdout)?.[1])
    assert.ok(major >= 18 && major < 24, `node in the PATH is ${major}, which needs no launcher`)
  })

  test('five packages of one version, with built JavaScript and no sources', () => {
    assert.equal(tarballs.length, 5)
    for (const name of [
      '@commonhold/core',
      '@commonhold/node',
      '@commonhold/pinning',
      '@commonhold/http-bridge',
      'commonhold'
    ]) {
      const place = join(folder, 'node_modules', name)
      const files = readdirSync(place, { recursive: true }).map(String)
      const manifest = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { version: string }
      assert.equal(manifest.version, version)
      const main = name === 'commonhold' ? 'main' : 'index'
      for (const file of ['README.md', 'LICENSE', `dist/${main}.js`, `dist/${main}.d.ts`])
        assert.ok(files.includes(file), `${name}/${file}`)
      const stray = files.filter((file) => /^(src|test)\b|tsbuildinfo|(?<!\.d)\.ts$/.test(file))
      assert.deepEqual(stray, [], name)
    }
  })

  test('npx commonhold --version and --help', () => {
    const shown = run(folder, 'npx', '--no-install', 'commonhold', '--version')
    assert.equal(shown.stdout.trim(), version, shown.stderr)
    const help = run(folder, 'npx', '--no-install', 'commonhold', '--help')
    assert.equal(help.status, 0, help.stderr)
    assert.match(help.stdout, /Usage: commonhold/)
  })

  test('the launcher itself, started by the old Node, hands over arguments and exit code', () => {
    const shown = run(folder, 'node', launcher, '--version')
    assert.equal(shown.stdout.trim(), version, shown.stderr)
    const wrong = run(folder, 'node', launcher, 'no-such-command')
    assert.notEqual(wrong.status, 0)
    assert.match(wrong.stderr, /no-such-command/)
  })

  const urlForm = /http:\/\/127\.0\.0\.1:\d+(?=\D)/
  test('a node runs from it and ends when the launcher is told to', async () => {
    const home = join(folder, 'home')
    const words = ['--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--set', 'network.mdns=false']
    const child = spawn('node', [launcher, '--data', home, 'start', ...words], {
      cwd: folder,
      env: environment,
      stdio: ['ignore', 'pipe', 'inherit']
    })
    try {
      let said = ''
      for await (const part of child.stdout.setEncoding('utf8')) {
        const told = urlForm.test(said)
        said += part
        const url = urlForm.exec(said)?.[0]
        // Once: what it says after that may come when it is gone.
        if (url === undefined || told) continue
        assert.equal((await fetch(`${url}/livez`)).status, 200)
        child.kill('SIGTERM')
      }
      if (child.exitCode === null) await once(child, 'exit')
      assert.equal(child.exitCode, 0, said)
    } finally {
      child.kill('SIGKILL')
    }
  })

  test('without the Node that came along, one paragraph says what to install', () => {
    const place = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`)
    assert.ok(existsSync(place), 'the platform package is installed')
    renameSync(place, `${place}.away`)
    try {
      const ended = run(folder, 'node', launcher, '--version')
      assert.equal(ended.status, 69)
      assert.equal(ended.stdout, '')
      assert.match(
        ended.stderr,
        /^Commonhold runs on Node 24 or newer, and this is Node \d+\.\d+\.\d+\. .*install Node 24.*\n$/
      )
    } finally {
      renameSync(`${place}.away`, place)
    }
  })

  test('a Node that does not start on this system is explained, not thrown', () => {
    const binary = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node')
    renameSync(binary, `${binary}.away`)
    try {
      writeFileSync(binary, 'not a program', { mode: 0o644 })
      assert.throws(() => accessSync(binary, constants.X_OK))
      const ended = run(folder, 'node', launcher, '--version')
      assert.equal(ended.status, 69)
      assert.match(ended.stderr, /does not start on this system .*Install Node 24/)
    } finally {
      renameSync(`${binary}.away`, binary)
    }
  })
})
