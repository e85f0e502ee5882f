// Invariant 8 on whole processes: two gigabytes of random bytes are added, kept three times and served,
// one reader hardly reading at all, and no process ever needs more than `residentBytesMax`. Seen to fail
// at 1.5 GB when an upload kept its chunks (a race with a promise that outlives them). The aim is 300 MB, and
// 295 was the most seen on a machine with other work; the bound that fails a run leaves room for worse ones.

import assert from 'node:assert/strict'
import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import type { AddAnswer } from '../../packages/cli/src/control/protocol.ts'
import { answerOf } from '../processes/command.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'

const mebi = 2 ** 20
const residentBytesMax = 320_000_000
/** Two gigabytes in all: a film, and pictures of every size a camera makes. */
const sizes = [1200 * mebi, 500 * mebi, ...Array.from({ length: 40 }, (_, i) => (1 + (i % 12)) * mebi)]

test('two gigabytes are added and served in bounded memory of every process', {
  timeout: 1_190_000
}, async (t) => {
  await using pool = await ProcessPool.start({
    names: ['adder', 'second', 'third', 'fourth'],
    settings: { 'http.cache': 0, 'http.uploadMax': 4 * 1024 * mebi },
    timeScale: 60
  })
  const adder = pool.node('adder')
  const idle = await peaks(pool)
  const added: { answer: AddAnswer; sha256: string }[] = []
  for (const size of sizes) {
    const path = join(pool.folder, 'upload')
    const sha256 = await writeRandom(path, size)
    const answer = await answerOf<AddAnswer>(['add', path, '--copies', '3', '--wait'], {
      dataFolder: adder.dataFolder,
      // What hangs is ended by the test; a slow machine only takes longer.
      timeoutMs: 1_200_000
    })
    await rm(path)
    assert.equal(answer.sha256, sha256)
    added.push({ answer, sha256 })
  }
  const afterAdding = await peaks(pool)

  const film = added[0]
  assert.ok(film !== undefined)
  // Before the others and until they are done: it takes a little and then nothing.
  const stuck = await Promise.all(pool.nodes.map((node) => openAndStall(node, film.answer.cid)))
  for (const node of pool.nodes) {
    for (const { answer, sha256 } of added) {
      assert.equal(await digestOf(node, answer.cid), sha256, `${node.name} served other bytes`)
    }
  }
  for (const reader of stuck) reader.destroy()

  const afterServing = await peaks(pool)
  for (const { name } of pool.nodes) {
    const shown = [idle, afterAdding, afterServing].map(
      (at) => `${Math.round((at.get(name) ?? 0) / mebi)} MiB`
    )
    t.diagnostic(`${name}: peak idle ${shown[0]}, after adding ${shown[1]}, after serving ${shown[2]}`)
  }
  for (const [name, bytes] of afterServing) {
    assert.ok(bytes <= residentBytesMax, `${name} needed ${Math.round(bytes / mebi)} MiB`)
  }
})

async function peaks(pool: ProcessPool): Promise<Map<string, number>> {
  return new Map(
    await Promise.all(pool.nodes.map(async (node) => [node.name, await node.memoryPeakBytes()] as const))
  )
}

/** A stream cipher's key stream: random to every hash and compressor, and faster than the generator. */
async function writeRandom(path: string, size: number): Promise<string> {
  const cipher = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16))
  const hash = createHash('sha256')
  const zeros = new Uint8Array(mebi)
  function* pieces(): Generator<Uint8Array> {
    for (let left = size; left > 0; left -= mebi) {
      const piece = cipher.update(zeros.subarray(0, Math.min(left, mebi)))
      hash.update(piece)
      yield piece
    }
  }
  await pipeline(Readable.from(pieces()), createWriteStream(path))
  return hash.digest('hex')
}

async function digestOf(node: NodeProcess, cid: string): Promise<string> {
  const response = await node.fetch(`/ipfs/${cid}`)
  assert.equal(response.status, 200, `${node.name}: ${response.status}`)
  assert.ok(response.body !== null)
  const hash = createHash('sha256')
  for await (const piece of response.body) hash.update(piece)
  return hash.digest('hex')
}

async function openAndStall(node: NodeProcess, cid: string): Promise<IncomingMessage> {
  const request = get(new URL(`/ipfs/${cid}`, node.about.httpUrl))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => {
    // The bridge may put off a client that takes nothing: that is its right.
  })
  await once(response, 'readable')
  return response
}
