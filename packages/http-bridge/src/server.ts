// The bridge on a port: the app, with bounds on what clients can hold open, and an orderly end.

import { createServer, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createBridgeApp } from './app.ts'
import type { BridgeComponents } from './components.ts'
import { type BridgeOptions, defaults } from './options.ts'

export interface ListenOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
}

export class BridgeServer implements AsyncDisposable {
  readonly #options: BridgeOptions
  readonly #server: Server
  /** Connections that have not sent a request yet: browsers open them ahead of need. Node does not count them idle. */
  readonly #unused = new Set<Socket>()
  #draining = false

  constructor(components: BridgeComponents, options?: Partial<BridgeOptions>) {
    this.#options = { ...defaults, ...options }
    const { health } = components
    const app = createBridgeApp(
      {
        ...components,
        health: {
          about: () => health.about(),
          metrics: () => health.metrics(),
          // Load balancers look here and send their requests elsewhere while the last ones are answered.
          notReadyReasons: () => (this.#draining ? ['this node is stopping'] : health.notReadyReasons())
        }
      },
      this.#options
    )
    this.#server = createServer(
      {
        maxHeaderSize: this.#options.headerBytesMax,
        headersTimeout: this.#options.headersMsMax,
        keepAliveTimeout: this.#options.keepAliveMs,
        // A large upload over a slow line takes hours; what bounds it is its rate (`uploadBytesPerSecondMin`).
        requestTimeout: 0,
        connectionsCheckingInterval: Math.min(5000, this.#options.headersMsMax)
      },
      app
    )
    this.#server.maxConnections = this.#options.connectionsMax
    this.#server.timeout = this.#options.stallMsMax
    // The upload route asks for the body itself, once it knows that it wants it.
    this.#server.on('checkContinue', app)
    this.#server.on('clientError', refuseBroken)
    this.#server.on('connection', (socket: Socket) => {
      this.#unused.add(socket)
      socket.once('close', () => this.#unused.delete(socket))
    })
    this.#server.on('request', (req) => this.#unused.delete(req.socket))
  }

  /** Resolves when connections are accepted. @throws when the port is taken or not allowed. */
  async start({ host, port }: ListenOptions): Promise<void> {
    const server = this.#server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  }

  /** Where it listens, with the real port. Undefined when it does not. */
  get address(): AddressInfo | undefined {
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? undefined : address
  }

  /** Takes no new connections, lets responses finish for `drainMsMax`, then cuts them. Idempotent. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#draining = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    for (const socket of this.#unused) socket.destroy()
    // A connection becomes idle when its response ends, which is no event of the server's.
    const sweeping = setInterval(() => this.#server.closeIdleConnections(), 100)
    const cutting = setTimeout(() => this.#server.closeAllConnections(), this.#options.drainMsMax)
    await closed
    clearInterval(sweeping)
    clearTimeout(cutting)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

const statusOfParserError: Readonly<Record<string, string>> = Object.freeze({
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout'
})

/** What is not HTTP at all gets the shortest true answer. */
function refuseBroken(err: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || err.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = statusOfParserError[err.code ?? ''] ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
