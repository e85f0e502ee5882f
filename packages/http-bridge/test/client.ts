// A bridge on a port of its own and a plain HTTP client for it, one connection per request, so that tests see
// exactly what a client sees: status, headers, bytes, and whether the body was cut.

import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import type { Clock, Log } from '@commonhold/core'
import { type BridgeOptions, BridgeServer } from '@commonhold/http-bridge'
import { InMemoryPool } from './in-memory-pool.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The connection ended before the announced length had come. */
  readonly cut: boolean
}

export interface Ask {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array | string
}

export class Bridge implements AsyncDisposable {
  readonly pool: InMemoryPool
  readonly server: BridgeServer

  private constructor(pool: InMemoryPool, server: BridgeServer) {
    this.pool = pool
    this.server = server
  }

  static async start(options?: Partial<BridgeOptions>, over?: { clock?: Clock; log?: Log }): Promise<Bridge> {
    const pool = new InMemoryPool()
    const server = new BridgeServer(pool.components(over), options)
    await server.start({ host: '127.0.0.1', port: 0 })
    return new Bridge(pool, server)
  }

  get port(): number {
    return this.server.address?.port ?? 0
  }

  ask(path: string, ask?: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const req = request(
        {
          host: '127.0.0.1',
          port: this.port,
          path,
          method: ask?.method ?? 'GET',
          agent: false,
          ...(ask?.headers === undefined ? {} : { headers: ask.headers })
        },
        (res) => {
          const parts: Buffer[] = []
          let cut = false
          res.on('data', (part) => parts.push(part))
          res.on('error', () => {
            cut = true
          })
          res.on('close', () => {
            const { statusCode: status = 0, headers } = res
            resolve({ status, headers, body: Buffer.concat(parts), cut: cut || !res.complete })
          })
        }
      )
      req.on('error', reject)
      req.end(ask?.body)
    })
  }

  /** Sends these very bytes and returns everything that comes back until the server closes. */
  raw(bytes: string | Uint8Array): Promise<string> {
    return new Promise((resolve) => {
      const parts: Buffer[] = []
      const socket = connect(this.port, '127.0.0.1', () => {
        socket.end(bytes)
      })
      socket.on('data', (part) => parts.push(part))
      socket.on('error', () => {})
      socket.on('close', () => resolve(Buffer.concat(parts).toString('latin1')))
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server.stop()
  }
}

export function json(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.body.toString('utf8')) as Record<string, unknown>
}
