// Hostile bytes into the decoders: every run ends in a message or a MalformedRecordError, and memory
// stays where it was. Set FUZZ_SEED to repeat a run, FUZZ_RUNS for more of them.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fromHex, MalformedRecordError, seededRandom } from '@commonhold/core'
import { decodeAnswer, decodeQuestion } from '../src/exchange/wire.ts'
import { encodeFrame, FrameDecoder } from '../src/frame-stream.ts'
import { wholeObject } from '../src/object-walk.ts'
import { clientOf } from './exchange-loopback.ts'
import { sampleObject } from './sample-objects.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000)
const runs = Number(process.env['FUZZ_RUNS'] ?? 120_000)
const bodyBytesMax = 1024
/** What all runs together may add to the process: a decoder that allocates what a length claims needs gigabytes. */
const growthBytesMax = 96 * 1024 * 1024

test(`decoders survive ${runs} hostile inputs (seed ${seed})`, async () => {
  const random = seededRandom(seed)
  const below = (n: number): number => Math.floor(random.unit() * n)
  const seeds: Uint8Array[] = []
  for (const name of ['exchange', 'pool-messages']) {
    const url = new URL(`../../../test/vectors/${name}.json`, import.meta.url)
    for (const { hex } of JSON.parse(await readFile(url, 'utf8'))) seeds.push(fromHex(hex))
  }
  const hostile = (): Uint8Array => {
    if (below(8) === 0) return random.bytes(below(200))
    const bytes = (seeds[below(seeds.length)] ?? new Uint8Array(0)).slice()
    for (let i = below(4); i >= 0; i--) if (bytes.length > 0) bytes[below(bytes.length)] = below(256)
    // Half of them keep a right length, so that what is behind the frame is reached.
    if (below(2) === 0 && bytes.length >= 4) new DataView(bytes.buffer).setUint32(0, bytes.length - 4)
    return below(6) === 0 ? bytes.subarray(0, below(bytes.length + 1)) : bytes
  }
  const before = process.memoryUsage().rss
  let decoded = 0
  let refused = 0
  for (let run = 0; run < runs; run++) {
    const decoder = new FrameDecoder(() => bodyBytesMax)
    const input = hostile()
    try {
      const cut = below(input.length + 1)
      for (const part of [input.subarray(0, cut), input.subarray(cut)]) {
        for (const frame of decoder.push(part)) {
          assert.ok(frame.body.byteLength <= bodyBytesMax)
          const message = frame.type < 0x10 ? decodeQuestion(frame) : decodeAnswer(frame)
          assert.ok(message.kind !== 'get' || message.range.from <= message.range.to)
          decoded += 1
        }
      }
    } catch (err) {
      if (!(err instanceof MalformedRecordError)) throw err
      refused += 1
    }
    if (run % 5000 === 0) {
      const growth = process.memoryUsage().rss - before
      assert.ok(growth < growthBytesMax, `run ${run} of seed ${seed}: memory grew by ${growth} bytes`)
    }
  }
  // Both ways are really taken, or the inputs test nothing.
  assert.ok(decoded > runs / 20, `only ${decoded} decoded`)
  assert.ok(refused > runs / 20, `only ${refused} refused`)
})

test(`whatever a server sends, a client hands on right bytes or an error (seed ${seed})`, async () => {
  const random = seededRandom(seed + 1)
  const below = (n: number): number => Math.floor(random.unit() * n)
  const object = await sampleObject(5000, 1, { leafBytes: 1000 })
  const byWalk = [...object.blocks.slice(-1), ...object.blocks.slice(0, -1)]
  let right = 0
  let failed = 0
  for (let run = 0; run < 400; run++) {
    const client = clientOf({
      server: (stream) => {
        stream.addEventListener('message', () => {
          const frames: Uint8Array[] = byWalk.map(({ bytes }) => {
            const length = new Uint8Array(4)
            new DataView(length.buffer).setUint32(0, bytes.length)
            return encodeFrame(0x11, 1, length, bytes).subarray().slice()
          })
          frames.push(encodeFrame(0x13, 1).subarray().slice())
          for (let faults = below(3); faults > 0; faults--) {
            const at = below(frames.length)
            const frame = frames[at]
            if (frame === undefined) continue
            const fault = below(4)
            if (fault === 0) frames.splice(at, 1)
            else if (fault === 1) frames.splice(at, 0, frame)
            else if (fault === 2) frame[below(frame.length)] = below(256)
            else frames.splice(at, 1, random.bytes(below(60)))
          }
          try {
            for (const frame of frames) stream.send(frame)
          } catch {
            // The client has hung up on what came before.
          }
          stream.close().catch(() => {
            // As above.
          })
        })
      }
    })
    const got: Uint8Array[] = []
    try {
      for await (const { piece } of client.blocks('server', object.root, wholeObject)) {
        if (piece !== undefined) got.push(piece.bytes)
      }
      assert.ok(
        Buffer.concat(got).equals(object.bytes),
        `run ${run} of seed ${seed}: other bytes, and no error`
      )
      right += 1
    } catch (err) {
      if (err instanceof assert.AssertionError) throw err
      const bytes = Buffer.concat(got)
      assert.ok(
        bytes.equals(object.bytes.subarray(0, bytes.length)),
        `run ${run} of seed ${seed}: wrong bytes`
      )
      failed += 1
    }
    await client[Symbol.asyncDispose]()
  }
  assert.ok(right > 50 && failed > 50, `${right} right, ${failed} failed`)
})
