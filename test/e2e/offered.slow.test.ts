// `node.keep` is changed in the config of a node that is in a pool already: from its next start on the roster
// says so. Seen red without the pledge in compose.ts.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'

let dataFolder: string

before(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), 'commonhold-offered-'))
})
after(() => rm(dataFolder, { recursive: true, force: true }))

async function offeredWith(settings: Readonly<Record<string, string>>): Promise<number | undefined> {
  await using node = new NodeProcess({ name: 'keeper', dataFolder, settings })
  await node.start()
  const { members } = await node.ask<StatusAnswer>('status')
  return members.find((member) => member.self)?.capacityBytes
}

test('what the config says now is what the pool is told at the next start', async () => {
  assert.equal(await offeredWith({ 'node.keep': '2GB' }), 2e9)
  assert.equal(await offeredWith({ 'node.keep': '1GB' }), 1e9)
  assert.equal(await offeredWith({ 'node.keep': '1GB' }), 1e9)
})
