import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { BusyError, NotFoundError, UnreachableError } from '@commonhold/core'
import { addressOf, connected, startNode, type TestNode } from './nodes.ts'
import { sampleObject } from './sample-objects.ts'

const bounded = { timeout: 60_000 }

async function fetched(
  node: TestNode,
  object: Awaited<ReturnType<typeof sampleObject>>,
  hints: string[] = []
) {
  const parts: Uint8Array[] = []
  for await (const { bytes } of node.retrieval.read(
    object.root,
    { from: 0, to: object.bytes.length },
    { hints }
  )) {
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

test('bytes come from a named holder over TLS on loopback', bounded, async () => {
  await using a = await startNode({ seed: 1 })
  await using b = await startNode({ seed: 2 })
  const object = await sampleObject(3_000_000, 1)
  a.objects.add(object.root, object.blocks)
  await b.network.dial(addressOf(a))
  assert.ok((await fetched(b, object, [a.id])).equals(object.bytes))
  const [connection] = b.network.libp2p.getConnections()
  assert.equal(connection?.encryption, '/tls/1.0.0')
  assert.deepEqual(await b.retrieval.stat(object.root, { hints: [a.id] }), { size: 3_000_000, kind: 'file' })
})

test('requests find their answers, failures and limits have their own errors', bounded, async () => {
  await using a = await startNode({ seed: 3 })
  await using b = await startNode({ seed: 4 })
  await b.pool.addAddresses(a.id, a.network.addresses())
  a.pool.handle(async (from, message) => {
    assert.equal(from, b.id)
    if (message.length === 0) throw new Error('empty')
    return message.toReversed()
  })
  const long = new Uint8Array(3_000_000).fill(7)
  const answers = await Promise.all([
    b.pool.request(a.id, Uint8Array.of(1, 2, 3)),
    b.pool.request(a.id, long)
  ])
  assert.deepEqual(answers[0], Uint8Array.of(3, 2, 1))
  assert.equal(answers[1].length, long.length)
  await assert.rejects(b.pool.request(a.id, new Uint8Array(0)), UnreachableError)
  await assert.rejects(
    b.pool.request('12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq', long),
    UnreachableError
  )
  const held: (() => void)[] = []
  a.pool.handle((_, message) => new Promise((resolve) => held.push(() => resolve(message))))
  const waiting = Array.from({ length: 16 }, () => b.pool.request(a.id, Uint8Array.of(9)))
  await assert.rejects(b.pool.request(a.id, Uint8Array.of(9)), BusyError)
  while (held.length < waiting.length) await new Promise((resolve) => setImmediate(resolve))
  for (const release of held) release()
  await Promise.all(waiting)
})

test('an announcement reaches who listens, with its author', bounded, async () => {
  await using a = await startNode({ seed: 5 })
  await using b = await startNode({ seed: 6 })
  const heard = new Promise<{ from: string; message: Uint8Array }>((resolve) => {
    b.pool.subscribe('heads', (from, message) => resolve({ from, message }))
  })
  // Gossip promises nothing to those whose stream is not open yet, so it is said at every heartbeat.
  a.network.libp2p.services.gossip.addEventListener('gossipsub:heartbeat', () => {
    a.pool.announce('heads', Uint8Array.of(42)).catch(assert.fail)
  })
  await b.network.dial(addressOf(a))
  const { from, message } = await heard
  assert.equal(from, a.id)
  assert.deepEqual(new Uint8Array(message), Uint8Array.of(42))
})

test('a member that comes back on another connection is found again by itself', bounded, async () => {
  await using a = await startNode({ seed: 7 })
  await using b = await startNode({ seed: 8 })
  await b.network.addAddresses(a.id, a.network.addresses())
  await b.network.keepConnected([a.id])
  await Promise.all([connected(b, a), connected(a, b)])
  const gone = new Promise<void>((resolve) =>
    b.network.onPeer((_, isConnected) => (isConnected ? undefined : resolve()))
  )
  await a.network.libp2p.hangUp(b.network.libp2p.peerId)
  await gone
  await connected(b, a)
})

test('a stranger finds an object by the DHT alone, and not when nobody provides', bounded, async () => {
  for (const providing of [true, false]) {
    await using first = await startNode({ seed: 20, providing })
    const bootstrap = [addressOf(first)]
    await using others = new AsyncDisposableStack()
    const nodes = [first]
    for (let i = 1; i < 8; i++)
      nodes.push(others.use(await startNode({ seed: 20 + i, bootstrap, providing })))
    for (const node of nodes.slice(1)) await connected(node, first)
    const object = await sampleObject(50_000, 20)
    const holder = nodes[5]
    assert.ok(holder !== undefined)
    holder.objects.add(object.root, object.blocks)
    holder.providing.provide({ root: object.root })
    await holder.providing.settled()
    await using stranger = await startNode({ seed: 40, bootstrap: [addressOf(first)] })
    await connected(stranger, first)
    if (providing) assert.ok((await fetched(stranger, object)).equals(object.bytes))
    else await assert.rejects(fetched(stranger, object), NotFoundError)
  }
})

test('a stopped node leaves nothing behind that keeps its process alive', bounded, async () => {
  const script = `
    import { startNode, addressOf } from '${new URL('./nodes.ts', import.meta.url)}'
    const a = await startNode({ seed: 50 })
    const b = await startNode({ seed: 51, bootstrap: [addressOf(a)] })
    await b.network.dial(addressOf(a))
    a.pool.handle(async (_, message) => message)
    await b.pool.request(a.id, Uint8Array.of(1))
    await b[Symbol.asyncDispose]()
    await a[Symbol.asyncDispose]()
    console.log('stopped')
  `
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: new URL('.', import.meta.url)
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  assert.equal(output, 'stopped\n')
  assert.equal(code, 0)
})
