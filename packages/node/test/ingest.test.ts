// The CIDs of files, against vectors made with another program (scripts/kubo-vectors.sh), and the memory
// one needs. The vectors above 100 MiB are in file-layout.test.ts, and whole in ingest.slow.test.ts.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowEverything, toHex } from '@commonhold/core'
import { ingest } from '../src/ingest.ts'
import { defaults } from '../src/options.ts'
import { CountingObjects } from './counting-objects.ts'
import { fileVectors } from './vectors/file-vectors.ts'
import { vectorBytes } from './vectors/vector-bytes.ts'

const MiB = 1024 * 1024

test('the vectors are of every shape: one leaf, one level of links, two, and sizes past 31 bits', () => {
  assert.deepEqual(
    fileVectors.map((each) => each.size),
    [0, 1, MiB, MiB + 1, 100 * MiB, 2048 * MiB, 3072 * MiB + 1]
  )
})

for (const { size, cid, sha256 } of fileVectors.filter((each) => each.size <= 100 * MiB)) {
  test(`unixfs-v1-2025: a file of ${size} bytes has the CID of the vector`, async () => {
    const objects = new CountingObjects()
    const ingested = await ingest(vectorBytes(size), { objects, policy: allowEverything })
    assert.equal(ingested.root.toString(), cid)
    assert.equal(toHex(ingested.digest), sha256)
    assert.equal(ingested.size, size)
    assert.ok(
      objects.putsUnderWayMax <= defaults.ingestPutsMax,
      `${objects.putsUnderWayMax} blocks in memory`
    )
  })
}
