// A node whose disk is full: the put is refused with the error that means it, nothing of it stays, everything
// that was there is served, and when space returns the same put works. On a real file system of its own.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, statfs, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { AddAnswer } from '../../packages/cli/src/control/protocol.ts'
import { exitCodes } from '../../packages/cli/src/exit-codes.ts'
import { Disks } from '../chaos/disks.ts'
import { NodeProcess } from '../processes/node-process.ts'

const mebi = 2 ** 20
let folder: string
let mounted = false

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-full-'))
  await mkdir(join(folder, 'disk'))
  mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=320m', 'tmpfs', join(folder, 'disk')]).status === 0
})

after(async () => {
  if (mounted) spawnSync('umount', ['-l', join(folder, 'disk')])
  await rm(folder, { recursive: true, force: true })
})

test('disk full: refused, nothing torn, works again with space', { timeout: 180_000 }, async (t) => {
  if (!mounted) return t.skip('a file system can be mounted by root only')
  const disks = new Disks()
  await using node = new NodeProcess({
    name: 'small',
    dataFolder: join(folder, 'disk'),
    settings: { 'pool.ackCopies': 1 }
  })
  await node.start()
  const small = await put(node, 300_000)
  assert.equal(small.code, 0, small.stderr)
  const kept = JSON.parse(small.stdout) as AddAnswer
  const blocksBefore = await node.blockFiles()

  // More than it takes: what the disk has less what the node leaves to it (diskReserveBytes, 256 MiB).
  const large = await put(node, 100 * mebi)
  assert.equal(large.code, exitCodes.NoSpaceError, large.stderr)
  assert.deepEqual(await node.blockFiles(), blocksBefore, 'nothing of it stays')
  assert.deepEqual(await node.strayFiles(), [])

  // Not a byte left for anything: neither block, nor journal, nor index.
  const filler = join(folder, 'disk', 'filler')
  await fill(filler)
  for (const size of [50_000, 300_000, 2 * mebi]) {
    const refused = await put(node, size)
    assert.equal(refused.code, exitCodes.NoSpaceError, refused.stderr)
  }
  const { token } = await node.ask<{ token: string }>('token', 'add', 'full').catch(() => ({ token: '' }))
  if (token !== '') {
    const upload = await node.fetch('/media', {
      method: 'POST',
      body: randomBytes(500_000),
      headers: { authorization: `Bearer ${token}` }
    })
    assert.equal(upload.status, 507)
  }
  await assertServed(node, kept)

  // As a crash leaves it, with the disk still full: it starts, or says why not, and loses nothing.
  await node.kill()
  await rm(filler)
  await node.start()
  assert.deepEqual(await disks.tornBlocks(node), [])
  assert.deepEqual(await node.strayFiles(), [])
  await assertServed(node, kept)
  const again = await put(node, 2 * mebi)
  assert.equal(again.code, 0, again.stderr)
  await assertServed(node, JSON.parse(again.stdout) as AddAnswer)
  const { stdout } = await node.command('pin', 'ls', '--json')
  assert.equal(stdout.trim().split('\n').length, 2, 'the wishes that were acknowledged, and no others')
})

async function put(node: NodeProcess, size: number) {
  const path = join(folder, 'upload')
  await writeFile(path, randomBytes(size))
  return node.command('add', path, '--copies', '1', '--json')
}

/** To the last page, and once more, because the node may give back what it had set aside. */
async function fill(path: string): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const { bavail, bsize } = await statfs(join(folder, 'disk'))
    await writeFile(path, new Uint8Array(bavail * bsize), { flag: 'a' }).catch((err: unknown) => {
      if ((err as NodeJS.ErrnoException).code !== 'ENOSPC') throw err
    })
  }
}

async function assertServed(node: NodeProcess, { cid, size }: AddAnswer): Promise<void> {
  const response = await node.fetch(`/ipfs/${cid}`)
  assert.equal(response.status, 200)
  assert.equal((await response.arrayBuffer()).byteLength, size)
}
