// The node's end of the control socket: accepts, checks, answers. Only the user who runs the node may
// open it (mode 0600); whoever can, may do everything. It knows no libp2p, no store and no pool: what
// can be asked is in routes.ts, who answers is the ControlledNode.

import { chmod, lstat, mkdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createConnection } from 'node:net'
import { dirname } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ConflictError, InvalidInputError, type Log, OperatingError, TooLargeError } from '@commonhold/core'
import type { z } from 'zod'
import { defaults } from '../options.ts'
import type { ControlledNode } from './ports.ts'
import { controlVersion, type ErrorAnswer } from './protocol.ts'
import { type Call, type Route, routes } from './routes.ts'

export interface ControlComponents {
  readonly node: ControlledNode
  readonly log: Log
}

export class ControlServer implements AsyncDisposable {
  readonly #components: ControlComponents
  readonly #path: string
  readonly #server: Server
  readonly #stopping = new AbortController()

  constructor(components: ControlComponents, path: string) {
    this.#components = components
    this.#path = path
    this.#server = createServer(
      {
        headersTimeout: defaults.controlHeadersTimeoutMs,
        // An upload takes as long as it takes; the user who started it is the one who waits.
        requestTimeout: 0,
        keepAliveTimeout: defaults.controlIdleTimeoutMs,
        maxHeaderSize: defaults.controlHeaderBytesMax
      },
      (request, response) => {
        this.#answer(request, response).catch((err: unknown) => {
          this.#components.log.error('control request failed after its answer began', { err })
          response.destroy()
        })
      }
    )
    this.#server.maxConnections = defaults.controlConnectionsMax
  }

  async start(): Promise<void> {
    // Mode 0700 keeps others out between bind and chmod.
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    await removeStale(this.#path)
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      // Bound as 0600 from the first instant: the mask is process-wide, but bind happens in this very call.
      const mask = process.umask(0o177)
      this.#server.listen(this.#path, () => {
        this.#server.removeListener('error', reject)
        resolve()
      })
      process.umask(mask)
    })
    await chmod(this.#path, 0o600)
  }

  /** Ends what is under way, then removes the socket. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return
    this.#stopping.abort(new Error('The node is stopping.'))
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const hungUp = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) hungUp.abort(new Error('The command hung up.'))
    })
    const signal = AbortSignal.any([hungUp.signal, this.#stopping.signal])
    try {
      const { route, call } = await this.#understand(request, signal)
      const answer = route.answer(call)
      if (answer instanceof Promise) return sendJson(response, 200, await answer)
      if ('lines' in answer) return await sendLines(response, answer.lines)
      const { length, chunks } = await answer.bytes(call)
      // What fails before the first byte can still be told as an error instead of a cut connection.
      const body = await begun(chunks)
      response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length })
      await pipeline(Readable.from(body, { objectMode: false }), response)
    } catch (err) {
      if (hungUp.signal.aborted) return
      if (response.headersSent) throw err
      if (!(err instanceof Error) || !isOperating(err)) {
        this.#components.log.error('control request failed', { err, url: request.url })
      }
      sendJson(response, 400, errorAnswer(err))
      // The rest of a refused upload is thrown away until the command has read the answer and hangs up:
      // closing first would reset the connection and take the answer with it.
      request.resume()
    }
  }

  async #understand(request: IncomingMessage, signal: AbortSignal): Promise<{ route: Route; call: Call }> {
    const target = request.url ?? '/'
    if (target.length > defaults.controlUrlCharsMax) {
      throw new InvalidInputError(
        `A control request has at most ${defaults.controlUrlCharsMax} characters in its URL.`
      )
    }
    const url = URL.canParse(target, 'http://control') ? new URL(target, 'http://control') : undefined
    const version = url?.pathname.split('/')[1]
    if (url === undefined || version !== controlVersion) {
      throw new InvalidInputError(
        `This node speaks version ${controlVersion} of the control protocol, not “${(version ?? '').slice(0, 40)}”. ` +
          'Restart the node after an update.'
      )
    }
    const matching = routes.filter((route) => route.pattern.test(url))
    const route = matching.find(({ method }) => method === request.method)
    if (route === undefined) {
      const methods = matching.map(({ method }) => method).join(', ')
      throw new InvalidInputError(
        methods === ''
          ? `There is no ${url.pathname.slice(0, 80)} here.`
          : `${url.pathname.slice(0, 80)} answers ${methods} only.`
      )
    }
    const query = checked(route.query, Object.fromEntries(url.searchParams), 'query')
    const body = route.body === 'upload' ? undefined : checked(route.body, await readJson(request), 'request')
    const encoded = route.pattern.exec(url)?.pathname.groups['name'] ?? ''
    const call = { node: this.#components.node, name: decoded(encoded), query, body, bytes: request, signal }
    return { route, call }
  }
}

/** A socket nobody listens on is left by a killed node. The lock on the data folder has settled whose it is. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch((err: NodeJS.ErrnoException) => {
    if (err.code === 'ENOENT') return undefined
    throw err
  })
  if (found === undefined) return
  if (!found.isSocket()) {
    throw new ConflictError(
      `${path} is in the way: it should be the node's control socket, and is a plain file.`
    )
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path)
    probe.once('connect', () => resolve(true))
    probe.once('error', () => resolve(false))
    probe.once('close', () => probe.destroy())
    probe.once('connect', () => probe.destroy())
  })
  if (alive) throw new ConflictError(`Another process answers on ${path}.`)
  await rm(path, { force: true })
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of request) {
    length += (part as Buffer).length
    if (length > defaults.controlBodyBytesMax)
      throw new TooLargeError('The request', defaults.controlBodyBytesMax)
    parts.push(part as Buffer)
  }
  if (length === 0) return {}
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts)))
  } catch (err) {
    throw new InvalidInputError('The request is not JSON.', { cause: err })
  }
}

function checked(shape: z.ZodType, value: unknown, what: string): unknown {
  const result = shape.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const where =
    issue === undefined || issue.path.length === 0 ? what : `${what} field “${issue.path.join('.')}”`
  throw new InvalidInputError(`The ${where} is not valid: ${issue?.message ?? 'wrong form'}.`)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (err) {
    throw new InvalidInputError('The URL is not percent-encoded UTF-8.', { cause: err })
  }
}

/** The same chunks, once the first of them is there. */
async function begun(chunks: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = chunks[Symbol.asyncIterator]()
  const first = await iterator.next()
  return (async function* () {
    try {
      for (let next = first; next.done !== true; next = await iterator.next()) yield next.value
    } finally {
      await iterator.return?.()
    }
  })()
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value ?? null)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text)
  })
  response.end(text)
}

async function sendLines(response: ServerResponse, values: AsyncIterable<unknown>): Promise<void> {
  const lines = async function* (): AsyncGenerator<string> {
    try {
      for await (const value of values) yield `${JSON.stringify(value)}\n`
    } catch (err) {
      // The status has gone out: a failure in mid-work is the last line.
      yield `${JSON.stringify(errorAnswer(err))}\n`
    }
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  await pipeline(Readable.from(lines(), { objectMode: false }), response)
}

function errorAnswer(err: unknown): ErrorAnswer {
  if (err instanceof Error && isOperating(err)) return { error: { name: err.name, message: err.message } }
  const reason = err instanceof Error ? err.message : String(err)
  return { error: { name: 'Error', message: `The node failed at this: ${reason}. Its log says more.` } }
}

function isOperating(err: Error): err is OperatingError {
  return err instanceof OperatingError
}
