// A folder that others have built, as real processes: imported once, kept and proven at three operators, read by its path
// from those that are left when the importer is gone, and from one that keeps nothing. Seen to fail with parts asked for
// without the folder they are in.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ImportRow, PinRow, PinStatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { carOf, sampleFolder } from '../../packages/node/test/sample-dags.ts'
import { runCommand } from '../processes/command.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

test('an imported folder', { timeout: 600_000 }, async () => {
  await using pool = await ProcessPool.start({
    names: ['a', 'b', 'c', 'reader'],
    settings: { 'http.cache': 0 },
    settingsOf: (name) => ({ 'node.keep': name === 'reader' ? 0 : '1GB' })
  })
  const [importer, keeper, other, reader] = pool.nodes
  assert.ok(importer !== undefined && keeper !== undefined && other !== undefined && reader !== undefined)
  const film = randomBytes(3_000_000)
  const many = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`many/${i}.txt`, Buffer.from(`file ${i}`)])
  )
  const folder = await sampleFolder(
    { ...many, 'pictures/film.bin': film },
    { leafBytes: 256 * 1024, sharded: true }
  )
  const path = join(pool.folder, 'folder.car')
  await writeFile(path, carOf([folder.root], folder.blocks))
  const { objects } = await importer.ask<{ objects: readonly ImportRow[] }>('import', path, '--copies', '3')
  assert.deepEqual(
    objects.map(({ cid, kind }) => ({ cid, kind })),
    [{ cid: folder.root.toString(), kind: 'dag' }]
  )
  const cid = folder.root.toString()
  await until('three proven copies', 180_000, async () => {
    const { copiesLive } = await importer.ask<PinStatusAnswer>('pin', 'status', cid)
    return copiesLive >= 3 || undefined
  })

  // Cut in the middle, it says so and leaves everything as it was.
  const blocksBefore = await importer.blockBytes()
  const broken = join(pool.folder, 'broken.car')
  await writeFile(broken, carOf([folder.root], folder.blocks).subarray(0, -1000))
  const refused = await runCommand(['import', broken], { dataFolder: importer.dataFolder })
  assert.equal(refused.code, 3, refused.stderr)
  assert.match(refused.stderr, /ends in the middle of the block/)
  assert.equal(await importer.blockBytes(), blocksBefore)

  await importer.kill()
  for (const node of [keeper, other, reader]) {
    const answer = await fetch(new URL(`/ipfs/${cid}/pictures/film.bin`, node.about.httpUrl))
    assert.equal(answer.status, 200, node.name)
    assert.ok(Buffer.from(await answer.arrayBuffer()).equals(film), node.name)
    const small = await fetch(new URL(`/ipfs/${cid}/many/123.txt`, node.about.httpUrl))
    assert.equal(await small.text(), 'file 123', node.name)
  }
  assert.equal(await reader.blockBytes(), 0, 'what passed through was not kept')
})

test('a folder that no pool wants is pinned by who finds it', { timeout: 300_000 }, async () => {
  await using pool = await ProcessPool.start({ names: ['a', 'b'] })
  const [importer, finder] = pool.nodes
  assert.ok(importer !== undefined && finder !== undefined)
  const folder = await sampleFolder({ 'a.txt': Buffer.from('a'), 'more/b.bin': randomBytes(5000) })
  const cid = folder.root.toString()
  const path = join(pool.folder, 'folder.car')
  await writeFile(path, carOf([folder.root], folder.blocks))
  await importer.ask('import', path, '--copies', '1')
  await importer.ask('pin', 'rm', cid)
  await until('the finder knows of no wish', 60_000, async () => {
    const { code } = await runCommand(['pin', 'status', cid], { dataFolder: finder.dataFolder })
    return code === 4 || undefined
  })
  const pinned = await finder.ask<PinRow>('pin', 'add', cid, '--copies', '1')
  assert.equal(
    pinned.size,
    folder.blocks.reduce((sum, { bytes }) => sum + bytes.length, 0)
  )
  await importer.kill()
  const answer = await fetch(new URL(`/ipfs/${cid}/a.txt`, finder.about.httpUrl))
  assert.equal(await answer.text(), 'a')
})
