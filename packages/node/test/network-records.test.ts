import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '@commonhold/core'
import { Key } from 'interface-datastore'
import { openNetworkRecords } from '../src/network-records.ts'

test('records survive a restart, and a damaged folder is begun anew', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'commonhold-records-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'peers')
  const key = new Key('/dht/provider/x')
  {
    await using records = await openNetworkRecords(path, silentLog)
    await records.datastore.put(key, Uint8Array.of(1))
  }
  {
    await using records = await openNetworkRecords(path, silentLog)
    assert.deepEqual(new Uint8Array(await records.datastore.get(key)), Uint8Array.of(1))
  }
  await writeFile(join(path, 'CURRENT'), 'nothing of the kind\n')
  const warnings: string[] = []
  await using records = await openNetworkRecords(path, {
    ...silentLog,
    warn: (message) => warnings.push(message)
  })
  assert.equal(await records.datastore.has(key), false)
  assert.equal(warnings.length, 1)
})
