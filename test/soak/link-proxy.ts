// A TCP proxy before one node, with what goes wrong on real lines: delay and jitter, a narrow line, silence in one
// direction, resets, doors that open to nobody, ends that are not passed on. Every link between two nodes
// has its own state, one per direction, when the caller's address tells who calls; else all callers share one.
// Passes bytes and never looks at them.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '@commonhold/core'

/** One direction of a link. Nothing of it is set on a line in good health. */
export interface Way {
  delayMs: number
  /** On top of the delay, up to so much, anew for every piece. */
  jitterMs: number
  /** 0: as wide as the machine. */
  bytesPerSecond: number
  /** Nothing comes out: bytes wait at the sender's side until it is over. */
  silent: boolean
  /** The end of the stream is passed on so much later. */
  endDelayMs: number
}

export interface Link {
  /** Towards the node behind the proxy, and back. */
  readonly to: Way
  readonly from: Way
  /** New connections are accepted and lead nowhere. */
  halfOpen: boolean
  /** No connection is accepted, and those there are end: a wall between two parts of the network. */
  closed: boolean
  readonly connections: Set<Connection>
}

interface Connection {
  readonly caller: Socket
  readonly callee: Socket | undefined
}

function calm(): Way {
  return { delayMs: 0, jitterMs: 0, bytesPerSecond: 0, silent: false, endDelayMs: 0 }
}

export class LinkProxy implements AsyncDisposable {
  readonly #target: { readonly host: string; readonly port: number }
  readonly #random: Random
  readonly #nameOf: (address: string) => string
  readonly #links = new Map<string, Link>()
  readonly #server: Server
  readonly #over = new AbortController()
  connectionsPassed = 0

  /** @param nameOf who calls from this address; all who cannot be told apart have one name */
  constructor(
    target: { readonly host: string; readonly port: number },
    random: Random,
    nameOf: (address: string) => string
  ) {
    this.#target = target
    this.#random = random
    this.#nameOf = nameOf
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => this.#accept(caller))
  }

  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  /** The link from this caller to the node behind the proxy. */
  link(caller: string): Link {
    const known = this.#links.get(caller)
    if (known !== undefined) return known
    const link: Link = { to: calm(), from: calm(), halfOpen: false, closed: false, connections: new Set() }
    this.#links.set(caller, link)
    return link
  }

  get links(): Link[] {
    return [...this.#links.values()]
  }

  /** Every connection of this link ends with a reset. */
  reset(link: Link): number {
    const open = [...link.connections]
    for (const { caller, callee } of open) {
      caller.resetAndDestroy()
      callee?.resetAndDestroy()
    }
    return open.length
  }

  /** A line in good health again. Connections that led nowhere end. */
  heal(link: Link): void {
    Object.assign(link.to, calm())
    Object.assign(link.from, calm())
    link.halfOpen = false
    link.closed = false
    for (const { caller, callee } of link.connections) if (callee === undefined) caller.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    for (const link of this.#links.values()) this.reset(link)
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(caller: Socket): void {
    const link = this.link(this.#nameOf(caller.remoteAddress ?? ''))
    // The other side of a broken line is told by the error's consequence, the close.
    caller.on('error', () => {})
    if (link.closed) {
      caller.resetAndDestroy()
      return
    }
    if (link.halfOpen) {
      const connection = { caller, callee: undefined }
      link.connections.add(connection)
      caller.once('close', () => link.connections.delete(connection))
      caller.resume()
      return
    }
    this.connectionsPassed++
    const callee = connect({ ...this.#target, allowHalfOpen: true, noDelay: true })
    const connection = { caller, callee }
    link.connections.add(connection)
    const end = (): void => {
      link.connections.delete(connection)
      caller.destroy()
      callee.destroy()
    }
    callee.on('error', end)
    caller.once('close', end)
    callee.once('close', end)
    void this.#pass(caller, callee, link.to)
    void this.#pass(callee, caller, link.from)
  }

  /** One direction, piece by piece: what waits here is one piece, the rest waits in the sender's buffers. */
  async #pass(source: Socket, target: Socket, way: Way): Promise<void> {
    const { signal } = this.#over
    try {
      let lineFreeMs = performance.now()
      let arrivedMs = 0
      for await (const piece of source as AsyncIterable<Buffer>) {
        while (way.silent) await sleep(stepMs, undefined, { signal })
        const nowMs = performance.now()
        // Never before the piece ahead of it: TCP keeps order.
        const latencyMs = way.delayMs + this.#random.unit() * way.jitterMs
        if (way.bytesPerSecond > 0) {
          lineFreeMs = Math.max(nowMs, lineFreeMs) + (piece.length / way.bytesPerSecond) * 1000
        } else lineFreeMs = nowMs
        arrivedMs = Math.max(arrivedMs, lineFreeMs + latencyMs)
        if (arrivedMs > nowMs) await sleep(arrivedMs - nowMs, undefined, { signal })
        if (!target.write(piece))
          await new Promise((resolve) => target.once('drain', resolve).once('close', resolve))
      }
      if (way.endDelayMs > 0) await sleep(way.endDelayMs, undefined, { signal })
      target.end()
    } catch {
      // A reset or the end of the proxy: both sockets are closed by `end` or `reset`.
      target.destroy()
    }
  }
}

/** How often a silent line is looked at. */
const stepMs = 50
