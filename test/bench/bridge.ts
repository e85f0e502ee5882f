// `npm run bench bridge`: requests per second of the bridge, warm and passing through, against a bare node:http
// server that answers the same bytes from memory; same run, same client, each server a process of its own.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seededRandom } from '@commonhold/core'
import { BridgeServer } from '@commonhold/http-bridge'
import { InMemoryPool } from '../../packages/http-bridge/test/in-memory-pool.ts'
import { load } from './http-load.ts'
import { type BenchRow, median, reportBench } from './report.ts'

const sizes: Readonly<Record<string, number>> = { '1 KiB': 1024, '100 KiB': 100 * 1024, '1 MiB': 1024 * 1024 }
const modes = ['bare', 'local', 'warm', 'pass-through'] as const
const rounds = 3
const connections = 16
const roundS = Number(process.env['BENCH_SECONDS'] ?? 3)

type Mode = (typeof modes)[number]

interface Served {
  port: number
  paths: Record<string, string>
}

async function serve(mode: Mode): Promise<Served> {
  const random = seededRandom(1)
  const pool = new InMemoryPool()
  const paths: Record<string, string> = {}
  const bodies = new Map<string, Uint8Array>()
  for (const [name, length] of Object.entries(sizes)) {
    const bytes = random.bytes(length)
    const path = `/media/${pool.add(bytes, { local: mode === 'local' }).root}`
    paths[name] = path
    bodies.set(path, bytes)
  }
  if (mode === 'bare') {
    const server = createServer((req, res) => {
      const body = bodies.get(req.url ?? '')
      res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': body?.length ?? 0 })
      res.end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return { port: (server.address() as AddressInfo).port, paths }
  }
  // `warm` is served from the cache of fetched bytes; `pass-through` may keep nothing and asks the pool each time.
  const options = {
    cacheBytesMax: mode === 'warm' ? 64 * 1024 * 1024 : 0,
    // One client that asks for one object as fast as it can is what they are against.
    clientRequestsPerMinute: 0,
    objectRequestsPerMinute: 0
  }
  const bridge = new BridgeServer(pool.components(), options)
  await bridge.start({ host: '127.0.0.1', port: 0 })
  return { port: bridge.address?.port ?? 0, paths }
}

const mode = process.argv[2]
if (process.send !== undefined && modes.includes(mode as Mode)) {
  process.send(await serve(mode as Mode))
} else {
  const servers: { mode: Mode; served: Served; child: ReturnType<typeof fork> }[] = []
  for (const name of modes) {
    const child = fork(import.meta.filename, [name], { execArgv: process.execArgv })
    const [served] = (await once(child, 'message')) as [Served]
    servers.push({ mode: name, served, child })
  }
  const rows: BenchRow[] = []
  try {
    for (const size of Object.keys(sizes)) {
      const rates = new Map<Mode, number[]>()
      for (let round = 0; round < rounds; round++) {
        for (const { mode, served } of servers) {
          const path = served.paths[size] ?? ''
          const { perSecond } = await load({ port: served.port, path, connections, seconds: roundS })
          rates.set(mode, [...(rates.get(mode) ?? []), perSecond])
        }
      }
      const bare = median(rates.get('bare') ?? [])
      for (const mode of modes.slice(1)) {
        rows.push({
          what: `${mode}, ${size}`,
          value: median(rates.get(mode) ?? []),
          unit: 'requests/s',
          against: { what: 'bare node:http', value: bare }
        })
      }
    }
    await reportBench(
      'Bridge against a bare HTTP server',
      rows,
      `${connections} connections. local: from a pool in memory; warm: from the cache; pass-through: cache 0, upstream in memory.`
    )
  } finally {
    for (const { child } of servers) child.kill()
  }
}
