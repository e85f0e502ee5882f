// Each wire door × each kind of bad input: the connection's other business goes on, the answer or the
// end of the stream is prompt, and nothing is held afterwards.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, UnreachableError } from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import { encodeQuestion, exchangeProtocol } from '../src/exchange/wire.ts'
import { encodeFrame } from '../src/frame-stream.ts'
import { defaults } from '../src/options.ts'
import { poolProtocol, poolWire } from '../src/pool-wire.ts'
import { addressOf, startNode, type TestNode } from './nodes.ts'
import { sampleObject } from './sample-objects.ts'

const bounded = { timeout: 60_000 }
const sample = await sampleObject(1000, 1)
const get = encodeQuestion(1, {
  kind: 'get',
  root: sample.root,
  range: { from: 0, to: 1000 },
  unit: 'bytes',
  repair: false,
  credit: 4096
}).subarray()
const request = encodeFrame(poolWire['request'] ?? 0, 1, Uint8Array.of(1)).subarray()

/** Length field of 4 GiB: a decoder that believes it allocates it. */
const fourGiB = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1)

const doors = [
  { door: exchangeProtocol, good: get, wrongType: encodeFrame(0x7f, 1).subarray() },
  { door: poolProtocol, good: request, wrongType: encodeFrame(poolWire['answer'] ?? 0, 1).subarray() }
] as const

interface BadInput {
  readonly kind: string
  bytesFor(door: (typeof doors)[number]): Uint8Array
  /** Whether the server ends the stream, or merely nothing comes of it until the sender goes away. */
  readonly ends: boolean
}

const badInputs: readonly BadInput[] = [
  { kind: 'empty', bytesFor: () => new Uint8Array(0), ends: false },
  { kind: 'truncated', bytesFor: ({ good }) => good.subarray(0, good.length - 1), ends: false },
  { kind: 'oversized', bytesFor: () => fourGiB, ends: true },
  { kind: 'wrong type', bytesFor: ({ wrongType }) => wrongType, ends: true },
  { kind: 'garbage', bytesFor: () => seededRandom(5).bytes(5000), ends: true }
]

async function serving(t: {
  after(end: () => Promise<void>): void
}): Promise<{ server: TestNode; peer: TestNode }> {
  const server = await startNode({ seed: 1, isMember: () => false })
  const peer = await startNode({ seed: 2 })
  t.after(async () => {
    await peer[Symbol.asyncDispose]()
    await server[Symbol.asyncDispose]()
  })
  server.objects.add(sample.root, sample.blocks)
  server.pool.handle(async (_, message) => message)
  await peer.network.dial(addressOf(server))
  return { server, peer }
}

const ended = (stream: Stream): Promise<void> =>
  stream.status === 'open'
    ? new Promise((resolve) => stream.addEventListener('close', () => resolve()))
    : Promise.resolve()

/** The same peer is served as if nothing had been. */
async function stillServes({ server, peer }: { server: TestNode; peer: TestNode }): Promise<void> {
  let bytes = 0
  for await (const { piece } of peer.exchange.blocks(server.id, sample.root, { from: 0, to: 1000 })) {
    bytes += piece?.bytes.length ?? 0
  }
  assert.equal(bytes, 1000)
  assert.deepEqual(await peer.pool.request(server.id, Uint8Array.of(5)), Uint8Array.of(5))
}

for (const door of doors) {
  for (const { kind, bytesFor, ends } of badInputs) {
    test(`${door.door}: ${kind}`, bounded, async (t) => {
      const nodes = await serving(t)
      const stream = await nodes.peer.network.openStream(nodes.server.id, door.door)
      const bytes = bytesFor(door)
      if (bytes.length > 0) stream.send(bytes)
      if (!ends) await stream.close()
      await ended(stream)
      await stillServes(nodes)
    })
  }

  test(`${door.door}: wrong version`, bounded, async (t) => {
    const { server, peer } = await serving(t)
    const other = door.door.replace('1.0.0', '2.0.0')
    await assert.rejects(peer.network.openStream(server.id, other), UnreachableError)
    await stillServes({ server, peer })
  })

  test(`${door.door}: somebody else behind the address`, bounded, async (t) => {
    const { server, peer } = await serving(t)
    const third = await startNode({ seed: 3 })
    t.after(() => third[Symbol.asyncDispose]())
    const address = addressOf(server).replace(server.id, third.id)
    await assert.rejects(peer.network.dial(address), UnreachableError)
    await stillServes({ server, peer })
  })
}

test('a stranger’s long message ends its stream before it is kept', bounded, async (t) => {
  const nodes = await serving(t)
  const long = new Uint8Array(defaults.poolMessageFromStrangerBytesMax + 1)
  await assert.rejects(nodes.peer.pool.request(nodes.server.id, long), UnreachableError)
  await stillServes(nodes)
})
