// The first five minutes of a stranger, with nothing but what the machine has in its PATH: `npm start` in a clean
// home, then in another terminal add a picture, look at its copies, open it in a browser, stop.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { after, before, suite } from 'node:test'
import { fileURLToPath } from 'node:url'
import { photograph } from '../scripts/make-fixtures.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const home = mkdtempSync(join(tmpdir(), 'commonhold-stranger-'))
const environment = {
  HOME: home,
  // Without what npm put in front: there `node` is the one of the machine.
  PATH: (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(delimiter)
}

function commonhold(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('node', ['packages/cli/bin/commonhold.js', ...words], {
    cwd: root,
    env: environment,
    encoding: 'utf8'
  })
}

suite('npm start', { timeout: 120_000 }, () => {
  let npm: ChildProcess
  let bridge: string

  before(async () => {
    const words = ['--http', '127.0.0.1:0', '--listen', '/ip4/127.0.0.1/tcp/0', '--set', 'network.mdns=false']
    // A group of its own, because that is what ^C in a terminal ends.
    npm = spawn('npm', ['start', '--', ...words], {
      cwd: root,
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit']
    })
    assert.ok(npm.stdout)
    for await (const line of createInterface({ input: npm.stdout })) {
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
      if (url === undefined) continue
      bridge = url
      break
    }
    assert.ok(bridge, 'it says where its bridge is')
  })
  after(() => {
    if (npm.exitCode === null && npm.pid !== undefined) process.kill(-npm.pid, 'SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })

  test('the bridge says in plain words what this is', async () => {
    const answer = await fetch(bridge)
    assert.equal(answer.status, 200)
    assert.match(await answer.text(), /Commonhold/)
  })

  test('a picture is added, looked at and served byte by byte', async () => {
    const added = commonhold('add', photograph, '--copies', '1', '--json')
    assert.equal(added.status, 0, added.stderr)
    const cid = /"(bafk[a-z2-7]+|bafy[a-z2-7]+)"/.exec(added.stdout)?.[1]
    assert.ok(cid, added.stdout)
    assert.equal(commonhold('pin', 'status', cid).status, 0)
    assert.equal(commonhold('status').status, 0)
    const served = await fetch(`${bridge}/media/${cid}`)
    assert.equal(served.headers.get('content-type'), 'image/jpeg')
    assert.deepEqual(Buffer.from(await served.arrayBuffer()), readFileSync(photograph))
  })

  test('more copies than there are operators fails at once and says why', () => {
    const added = commonhold('add', photograph, '--copies', '3', '--wait')
    assert.notEqual(added.status, 0)
    assert.match(added.stderr, /1 operator, 3 needed/)
  })

  test('it stops when told to', async () => {
    assert.ok(npm.pid)
    const ended = once(npm, 'exit')
    process.kill(-npm.pid, 'SIGTERM')
    await ended
    assert.notEqual(commonhold('status').status, 0)
  })
})
