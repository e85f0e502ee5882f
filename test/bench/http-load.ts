// Load for HTTP servers on loopback: keep-alive connections, each with one request under way. It looks at heads
// only and counts body bytes as they come, so that a server is what is measured: a client that parses bodies in
// JavaScript ends at some 50 MiB/s, which any server reaches.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface Load {
  readonly port: number
  readonly path: string
  readonly connections: number
  readonly seconds: number
}

export interface LoadResult {
  readonly perSecond: number
  /** Milliseconds from the last byte of a request to the last byte of its answer, ascending. */
  readonly tookMs: readonly number[]
}

/** @throws Error when an answer is not 200 or has no length */
export async function load({ port, path, connections, seconds }: Load): Promise<LoadResult> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
  const sockets = await Promise.all(Array.from({ length: connections }, () => opened(port)))
  const tookMs: number[] = []
  const beganMs = performance.now()
  const untilMs = beganMs + seconds * 1000
  try {
    await Promise.all(sockets.map((socket) => ask(socket, request, untilMs, tookMs)))
  } finally {
    for (const socket of sockets) socket.destroy()
  }
  const perSecond = tookMs.length / ((performance.now() - beganMs) / 1000)
  return { perSecond, tookMs: tookMs.sort((a, b) => a - b) }
}

async function opened(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket
}

function ask(socket: Socket, request: Buffer, untilMs: number, tookMs: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let head: Buffer | undefined = Buffer.alloc(0)
    let bodyLeft = 0
    let sentMs = performance.now()
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server ended a connection')))
    socket.on('data', (data: Buffer) => {
      try {
        if (head !== undefined) {
          head = head.length === 0 ? data : Buffer.concat([head, data])
          const end = head.indexOf('\r\n\r\n')
          if (end === -1) return
          bodyLeft = bodyLengthOf(head.toString('latin1', 0, end)) - (head.length - end - 4)
          head = undefined
        } else bodyLeft -= data.length
      } catch (err) {
        reject(err)
        return
      }
      if (bodyLeft > 0) return
      const nowMs = performance.now()
      tookMs.push(nowMs - sentMs)
      if (nowMs >= untilMs) {
        resolve()
        return
      }
      head = Buffer.alloc(0)
      sentMs = nowMs
      socket.write(request)
    })
    socket.write(request)
  })
}

function bodyLengthOf(head: string): number {
  if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`answered ${head.split('\r\n')[0]}`)
  const length = /^content-length: (\d+)$/im.exec(head)?.[1]
  if (length === undefined) throw new Error('an answer without Content-Length')
  return Number(length)
}
