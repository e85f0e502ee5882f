// How many exchange streams there are, and for how long. Seen to fail with the sweep's comparison turned around and
// with the bound per peer taken out.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { ExchangeClient } from '../src/exchange/client.ts'
import { wholeObject } from '../src/object-walk.ts'
import { defaults } from '../src/options.ts'
import { MemoryObjects, serverOver } from './exchange-loopback.ts'
import { sampleObject } from './sample-objects.ts'

async function closed(stream: Stream): Promise<void> {
  if (stream.status !== 'open') return
  await new Promise((resolve) => stream.addEventListener('close', resolve, { once: true }))
}

test('a stream on which nothing is asked is closed, and the next question opens another', async () => {
  const clock = new VirtualClock()
  const object = await sampleObject(5000, 1)
  const objects = new MemoryObjects()
  objects.add(object.root, object.blocks)
  await using server = serverOver(objects, { clock })
  const opened: Stream[] = []
  await using client = new ExchangeClient({
    clock,
    openStream: async (_, protocol) => {
      const [ours, theirs] = await streamPair({ protocol })
      server.accept('client', theirs)
      opened.push(ours)
      return ours
    }
  })
  client.start()
  const read = async (): Promise<void> => {
    let bytes = 0
    for await (const { piece } of client.blocks('server', object.root, wholeObject))
      bytes += piece?.bytes.length ?? 0
    assert.equal(bytes, 5000)
  }
  await read()
  await clock.advance(defaults.exchangeIdleMs / 2)
  await read()
  await clock.advance(defaults.exchangeIdleMs * 0.9)
  await read()
  assert.equal(opened.length, 1, 'kept while it is used')
  await clock.advance(defaults.exchangeIdleMs * 1.5)
  await closed(opened[0] as Stream)
  await read()
  assert.equal(opened.length, 2)
})

test('a server ends the streams of an asker that never does', async () => {
  const clock = new VirtualClock()
  await using server = serverOver(new MemoryObjects(), { clock })
  server.start()
  const [ours, theirs] = await streamPair({ protocol: 'x' })
  server.accept('client', theirs)
  await clock.advance(defaults.exchangeIdleMs * 1.5)
  assert.equal(ours.status, 'open')
  await clock.advance(defaults.exchangeIdleMs)
  await closed(ours)
})

test('of too many streams of one peer the oldest ends, and nobody else’s', async () => {
  await using server = serverOver(new MemoryObjects())
  const open = async (peer: string): Promise<Stream> => {
    const [ours, theirs] = await streamPair({ protocol: 'x' })
    server.accept(peer, theirs)
    return ours
  }
  const other = await open('other')
  const oldest = await open('greedy')
  const rest: Stream[] = []
  for (let i = 0; i < defaults.exchangeStreamsPerPeerMax; i++) rest.push(await open('greedy'))
  await closed(oldest)
  for (const stream of [other, ...rest]) assert.equal(stream.status, 'open')
})
