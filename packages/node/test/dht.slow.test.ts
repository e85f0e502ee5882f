// Must hold at the size of a real pool: a process of its own, that shares no pool and knows one address
// of a node that holds nothing, finds and fetches an object among 26 nodes by the DHT alone.
// Seen to fail with `providing: false`, which the second half of the test keeps checking.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { addressOf, connected, startNode, type TestNode } from './nodes.ts'
import { sampleObject } from './sample-objects.ts'

const nodeCount = 26
const objectBytes = 3_000_000

/** Reads the object as a stranger would, in a process that is given nothing but one address and a CID. */
async function fetchAsStranger(address: string, root: string): Promise<string> {
  const script = `
    import { hash } from 'node:crypto'
    import { CID } from 'multiformats/cid'
    import { connected, startNode } from '${new URL('./nodes.ts', import.meta.url)}'
    const stranger = await startNode({ seed: 900, bootstrap: [${JSON.stringify(address)}] })
    const parts = []
    try {
      while (stranger.network.peers().length === 0) await new Promise((resolve) => stranger.network.onPeer(resolve))
      for await (const { bytes } of stranger.retrieval.read(CID.parse('${root}'), { from: 0, to: ${objectBytes} })) parts.push(bytes)
      console.log(hash('sha256', Buffer.concat(parts)))
    } catch (err) {
      console.log(err.name)
    }
    await stranger[Symbol.asyncDispose]()
  `
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: new URL('.', import.meta.url)
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  await once(child, 'exit')
  return output.trim()
}

for (const providing of [true, false]) {
  test(`a stranger among ${nodeCount} nodes, providing ${providing ? 'on' : 'off'}`, {
    timeout: 300_000
  }, async () => {
    await using first = await startNode({ seed: 100, providing })
    await using others = new AsyncDisposableStack()
    const nodes: TestNode[] = [first]
    for (let i = 1; i < nodeCount; i++) {
      const node = others.use(await startNode({ seed: 100 + i, bootstrap: [addressOf(first)], providing }))
      nodes.push(node)
      await connected(node, first)
    }
    const object = await sampleObject(objectBytes, 50)
    const holder = nodes[17]
    const met = nodes[nodeCount - 1]
    assert.ok(holder !== undefined && met !== undefined)
    holder.objects.add(object.root, object.blocks)
    holder.providing.provide({ root: object.root })
    await holder.providing.settled()
    const { hash } = await import('node:crypto')
    const answer = await fetchAsStranger(addressOf(met), object.root.toString())
    assert.equal(answer, providing ? hash('sha256', object.bytes) : 'NotFoundError')
  })
}
