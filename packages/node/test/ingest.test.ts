// The CIDs of files, against vectors made with another program (scripts/kubo-vectors.sh), and the memory
// one needs.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { allowEverything, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { ingest } from '../src/ingest.ts'
import type { ObjectIntake } from '../src/object-intake.ts'
import { defaults } from '../src/options.ts'
import { vectorBytes } from './vectors/vector-bytes.ts'

interface Vector {
  readonly size: number
  readonly cid: string
  readonly sha256: string
}

const { vectors } = JSON.parse(
  await readFile(new URL('vectors/unixfs-v1-2025.json', import.meta.url), 'utf8')
) as { readonly vectors: readonly Vector[] }

/** Counts and forgets. */
class Counting {
  putsUnderWay = 0
  putsUnderWayMax = 0
  puts = 0

  begin = async (): Promise<ObjectIntake> => ({
    put: async (_cid: CID, bytes: Uint8Array) => {
      this.puts++
      this.putsUnderWay++
      this.putsUnderWayMax = Math.max(this.putsUnderWayMax, this.putsUnderWay)
      await new Promise<void>((resolve) => setImmediate(resolve))
      assert.ok(bytes.length <= 1024 * 1024)
      this.putsUnderWay--
    },
    keep: async () => undefined,
    complete: async () => {},
    [Symbol.asyncDispose]: async () => {}
  })
}

test('the vectors are those of the issue', () => {
  const MiB = 1024 * 1024
  assert.deepEqual(
    vectors.map((each) => each.size),
    [0, 1, MiB, MiB + 1, 100 * MiB]
  )
})

for (const { size, cid, sha256 } of vectors) {
  test(`unixfs-v1-2025: a file of ${size} bytes has the CID of the vector`, async () => {
    const objects = new Counting()
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
