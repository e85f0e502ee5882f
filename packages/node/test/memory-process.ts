// One side of the memory test, as a process of its own: `serve`, or `read <address> <node id> <root>`.
// Prints its peak resident memory when it ends.

import { readFile } from 'node:fs/promises'
import { setFlagsFromString } from 'node:v8'
import { CID } from 'multiformats/cid'
import { wholeObject } from '../src/object-walk.ts'
import { addressOf, startNode } from './nodes.ts'
import { innerBlock, randomBytes, rawBlock } from './sample-objects.ts'

// As every node runs (packages/cli/src/run-node.ts).
setFlagsFromString('--semi-space-growth-factor=1')

const leafBytes = 1024 * 1024
const slowReaders = 4

/** 1 GiB that is one leaf 1,024 times: as much to move as any other object, and nothing to store. */
function largeObject() {
  const leaf = rawBlock(randomBytes(leafBytes, 1))
  const root = innerBlock(Array.from({ length: 1024 }, () => ({ cid: leaf.cid, size: leafBytes })))
  return { root: root.cid, blocks: [root, leaf] }
}

async function peakBytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

const [role, address = '', node = '', root = ''] = process.argv.slice(2)
if (role === 'serve') {
  await using server = await startNode({
    seed: 1,
    access: { isMember: () => true, mayServe: async () => true, enough: async () => false }
  })
  const object = largeObject()
  server.objects.add(object.root, object.blocks)
  const get = server.objects.get.bind(server.objects)
  // A copy each time, as a disk gives.
  server.objects.get = async (cid) => (await get(cid))?.slice()
  process.send?.({ address: addressOf(server), node: server.id, root: object.root.toString() })
  await new Promise((resolve) => process.once('message', resolve))
} else {
  await using reader = await startNode({ seed: 2 })
  await reader.network.dial(address)
  const open = () => reader.exchange.blocks(node, CID.parse(root), wholeObject)[Symbol.asyncIterator]()
  const slow = Array.from({ length: slowReaders }, open)
  for (const each of slow) await each.next()
  let bytes = 0
  for (let round = 0; round < 2; round++) {
    for await (const { piece } of reader.exchange.blocks(node, CID.parse(root), wholeObject)) {
      bytes += piece?.bytes.length ?? 0
    }
  }
  if (bytes !== 2 * 1024 * leafBytes) throw new Error(`${bytes} bytes came`)
  for (const each of slow) await each.return?.(undefined)
}
process.send?.({ peakBytes: await peakBytes() })
process.disconnect?.()
