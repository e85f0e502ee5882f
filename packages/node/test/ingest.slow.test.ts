// The vectors too large for every run, streamed through ingest whole: chunks, both digests, tree.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowEverything, toHex } from '@commonhold/core'
import { ingest } from '../src/ingest.ts'
import { CountingObjects } from './counting-objects.ts'
import { fileVectors } from './vectors/file-vectors.ts'
import { vectorBytes } from './vectors/vector-bytes.ts'

for (const { size, cid, sha256 } of fileVectors.filter((each) => each.size > 2 ** 30)) {
  test(`unixfs-v1-2025: a whole file of ${size} bytes`, { timeout: 300_000 }, async () => {
    const objects = new CountingObjects()
    const ingested = await ingest(vectorBytes(size), { objects, policy: allowEverything })
    assert.equal(ingested.root.toString(), cid)
    assert.equal(toHex(ingested.digest), sha256)
  })
}
