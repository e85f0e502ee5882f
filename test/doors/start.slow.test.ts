// The door by which a process comes to its data folder and its addresses: taken, foreign, damaged or not there
// any more. Each is said in one sentence with an exit code of its own, and whoever was there first goes on.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { AddAnswer, StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { exitCodes } from '../../packages/cli/src/exit-codes.ts'
import { type CommandResult, runCommand } from '../processes/command.ts'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-start-'))
})

after(() => rm(folder, { recursive: true, force: true }))

/** Less than delegations and proof receipts live: these are the dates that are absolute. */
const clockOffsetMs = 12 * 24 * 3_600_000
const bounded = { timeout: 120_000 }
const quiet = ['--set', 'network.listen=["/ip4/127.0.0.1/tcp/0"]', '--set', 'network.mdns=false']

/** A `start` that is expected to end by itself. */
function start(dataFolder: string, ...args: string[]): Promise<CommandResult> {
  return runCommand(['start', ...quiet, '--http', '127.0.0.1:0', ...args], { dataFolder, timeoutMs: 60_000 })
}

function refused(result: CommandResult, code: number, message: RegExp): void {
  assert.equal(result.code, code, result.stderr)
  assert.match(result.stderr, message)
  assert.doesNotMatch(result.stderr, /\n\s+at /, 'no stack trace')
}

test('a second process on one folder is refused and named the first, which goes on', bounded, async () => {
  await using first = new NodeProcess({ name: 'first', dataFolder: join(folder, 'shared') })
  await first.start()
  refused(
    await start(first.dataFolder),
    exitCodes.ConflictError,
    new RegExp(`in use by process ${first.pid}`)
  )
  assert.equal((await first.ask<StatusAnswer>('status')).node.id, first.nodeId)
})

test(
  'a port that is taken is said as that, whoever listens there, and the folder is free again',
  bounded,
  async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as { port: number }
    try {
      const data = join(folder, 'ports')
      refused(
        await start(data, '--http', `127.0.0.1:${port}`),
        exitCodes.ConflictError,
        new RegExp(`${port}`)
      )
      refused(
        await start(data, '--set', `network.listen=["/ip4/127.0.0.1/tcp/${port}"]`),
        exitCodes.ConflictError,
        new RegExp(`${port}`)
      )
      await using node = new NodeProcess({ name: 'ports', dataFolder: data })
      await node.start()
    } finally {
      taken.close()
    }
  }
)

test('the socket of a killed node is taken over', bounded, async () => {
  await using node = new NodeProcess({ name: 'stale', dataFolder: join(folder, 'stale') })
  await node.start()
  await node.kill()
  assert.ok((await readdir(node.dataFolder)).includes('control.sock'), 'it was left behind')
  const alone = await node.command('status')
  refused(alone, exitCodes.UnreachableError, /commonhold start/)
  await node.start()
  assert.equal((await node.ask<StatusAnswer>('status')).node.id, node.nodeId)
})

for (const [what, damage, code, message] of [
  ['garbage', 'store-epoch', exitCodes.StoreMismatchError, /damaged or of a later version/],
  ['of a later version', 'store-epoch', exitCodes.StoreMismatchError, /damaged or of a later version/],
  ['gone', 'blocks/store-epoch', exitCodes.StoreMismatchError, /is its disk mounted/],
  ['garbage', 'keys/node', undefined, /key/i]
] as const) {
  test(`data folder: ${damage} ${what}: refused, and left as it is`, bounded, async () => {
    const data = join(folder, randomBytes(4).toString('hex'))
    await using node = new NodeProcess({ name: 'damaged', dataFolder: data })
    await node.start()
    await node.stop()
    const path = join(data, damage)
    const before = await readFile(path)
    if (what === 'gone') await rm(path)
    else
      await writeFile(path, what === 'garbage' ? randomBytes(60) : `commonhold store 9 ${'0'.repeat(32)}\n`)
    const spoilt = await readFile(path).catch(() => undefined)
    const result = await start(data)
    assert.notEqual(result.code, 0)
    refused(result, code ?? result.code ?? 0, message)
    assert.deepEqual(await readFile(path).catch(() => undefined), spoilt)
    await writeFile(path, before)
    await node.start()
  })
}

test(
  'an index that is garbage or gone is made again, and nothing acknowledged is lost',
  bounded,
  async () => {
    await using node = new NodeProcess({ name: 'index', dataFolder: join(folder, 'index') })
    await node.start()
    const path = join(folder, 'upload')
    await writeFile(path, randomBytes(1_500_000))
    const { cid, size } = await node.ask<AddAnswer>('add', path, '--copies', '1')
    for (const damage of ['garbage', 'gone'] as const) {
      await node.kill()
      for (const index of await indexesOf(node.dataFolder)) {
        if (damage === 'gone') await rm(index)
        else await writeFile(index, randomBytes(20_000))
        for (const suffix of ['-wal', '-shm']) await rm(`${index}${suffix}`, { force: true })
      }
      await node.start()
      const response = await node.fetch(`/ipfs/${cid}`)
      assert.equal(response.status, 200, `served after its index was ${damage}`)
      assert.equal((await response.arrayBuffer()).byteLength, size)
      assert.ok((await node.blockFiles()).length >= 3, 'from its own disk')
    }
  }
)

test('a folder that holds something else is left alone', bounded, async () => {
  const data = join(folder, 'photos')
  await mkdir(data)
  await writeFile(join(data, 'holiday.jpg'), 'mine')
  refused(await start(data), exitCodes.StoreMismatchError, /is no data folder of Commonhold/)
  assert.deepEqual(await readdir(data), ['holiday.jpg'])
})

test('wall clocks that are weeks apart change nothing but dates', { timeout: 180_000 }, async () => {
  await using pool = await ProcessPool.start({
    names: ['past', 'present', 'future'],
    timeScale: 60,
    env: (name) => ({
      CLOCK_OFFSET_MS: String(({ past: -1, future: 1 }[name] ?? 0) * clockOffsetMs),
      NODE_OPTIONS: `--import=${new URL('wrong-clock.ts', import.meta.url).href}`
    })
  })
  const path = join(folder, 'upload')
  await writeFile(path, randomBytes(200_000))
  for (const node of pool.nodes) {
    const { copies } = await node.ask<AddAnswer>('add', path, '--copies', '3')
    assert.ok(copies >= 2)
    const { settled } = await node.ask<{ settled: { copiesLive: number } }>(
      'add',
      path,
      '--copies',
      '3',
      '--wait'
    )
    assert.equal(settled.copiesLive, 3)
  }
})

test(
  'a keeper that is frozen during a put delays it for no longer than the wait for receipts',
  bounded,
  async () => {
    await using pool = await ProcessPool.start({
      names: ['awake', 'other', 'frozen'],
      timeScale: 60,
      settings: { 'pool.ackCopies': 3, 'pool.ackWait': '4s' }
    })
    const [awake, , frozen] = pool.nodes
    assert.ok(awake !== undefined && frozen !== undefined)
    frozen.freeze(true)
    try {
      const path = join(folder, 'upload')
      await writeFile(path, randomBytes(100_000))
      const { cid, copies } = await awake.ask<AddAnswer>('add', path, '--copies', '3')
      assert.equal(copies, 2, 'it says how many there really are')
      const response = await awake.fetch(`/ipfs/${cid}`)
      assert.equal(response.status, 200)
      frozen.freeze(false)
      await until('the third copy is there after the thaw', 90_000, async () => {
        return (await pool.holdersOnDisk(NodeProcess.blockFileOf(cid))).length === 3 || undefined
      })
    } finally {
      frozen.freeze(false)
    }
  }
)

test('a wrong token opens nothing, at the bridge of a real node', bounded, async () => {
  await using node = new NodeProcess({ name: 'token', dataFolder: join(folder, 'token') })
  await node.start()
  const { token } = await node.ask<{ token: string }>('token', 'add', 'reader', '--scope', 'read')
  for (const authorization of [
    undefined,
    'Bearer nobody',
    `Bearer ${token}x`,
    `Bearer ${token}`,
    `Basic ${token}`
  ]) {
    const headers = authorization === undefined ? {} : { authorization }
    const response = await node.fetch('/media', { method: 'POST', body: randomBytes(1000), headers })
    assert.ok([400, 401, 403].includes(response.status), `${authorization}: ${response.status}`)
  }
  assert.deepEqual(await node.blockFiles(), [])
})

async function indexesOf(dataFolder: string): Promise<string[]> {
  const entries = await readdir(dataFolder, { recursive: true, withFileTypes: true })
  return entries
    .filter(({ name }) => name === 'index.db')
    .map(({ parentPath, name }) => join(parentPath, name))
}
