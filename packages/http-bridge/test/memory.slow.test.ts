// Memory of a bridge process: gigabytes pass through while many clients take nothing, and the peak stays small.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get, type IncomingMessage } from 'node:http'
import { describe, it } from 'node:test'
import { type ContentName, rawCidOf, seededRandom } from '@commonhold/core'
import { BridgeServer, type ByteRange, type Chunk } from '@commonhold/http-bridge'
import type { CID } from 'multiformats/cid'
import { InMemoryPool } from './in-memory-pool.ts'

const MiB = 1024 * 1024
const size = 1024 * MiB
const stalledClients = 60
/** Cache 48, outbox 32, Node itself some 80, the rest is what garbage collection lags behind: 225 to 250 measured. */
const peakMiBMax = 290

/** An object of random bytes that are made when asked for, so that only what the bridge holds is measured. */
class EndlessPool extends InMemoryPool {
  readonly root: CID = rawCidOf(seededRandom(4).bytes(32))

  override async resolve(name: ContentName) {
    return { root: name.kind === 'cid' ? name.cid : this.root, wanted: true, visibility: 'public' as const }
  }

  override async stat() {
    return { size, local: false }
  }

  override async *read(_root: CID, range: ByteRange): AsyncIterable<Chunk> {
    for (let offset = range.from; offset < range.to; offset += MiB) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(MiB, range.to - offset)).fill(offset / MiB)
      yield { offset, bytes }
    }
  }
}

if (process.send !== undefined && process.argv[2] === 'serve') {
  const pool = new EndlessPool()
  const bridge = new BridgeServer(pool.components(), { pressureStallMsMax: 500 })
  await bridge.start({ host: '127.0.0.1', port: 0 })
  process.send({ port: bridge.address?.port, root: pool.root.toString() })
} else {
  describe('memory', () => {
    it(`stays below ${peakMiBMax} MiB with ${stalledClients} stalled clients while 1 GiB passes`, async () => {
      const child = fork(import.meta.filename, ['serve'], { execArgv: ['--conditions=source'] })
      const open = (port: number, path: string): Promise<IncomingMessage> =>
        new Promise((resolve, reject) => {
          get({ host: '127.0.0.1', port, path, agent: false }, resolve).on('error', reject)
        })
      const stalled: IncomingMessage[] = []
      try {
        const [{ port, root }] = (await once(child, 'message')) as [{ port: number; root: string }]
        const starting = Array.from({ length: stalledClients }, async () => {
          const res = await open(port, `/ipfs/${root}`)
          res.on('error', () => {}) // cut off when the others need the room
          stalled.push(res)
        })
        const res = await open(port, `/ipfs/${root}`)
        let length = 0
        for await (const part of res) length += (part as Buffer).length
        assert.equal(length, size)
        for (const one of stalled) one.destroy()
        await Promise.allSettled(starting)
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
        const peakMiB = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024
        assert.ok(peakMiB > 0 && peakMiB <= peakMiBMax, `peak ${Math.round(peakMiB)} MiB`)
      } finally {
        for (const one of stalled) one.destroy()
        child.kill()
      }
    })
  })
}
