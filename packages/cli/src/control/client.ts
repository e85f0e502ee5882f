// The command's end of the control socket. Loads nothing but node:http, so that asking a running node
// costs no more than starting Node does.

import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { AbortOptions, OperatingErrorName } from '@commonhold/core'
import {
  BusyError,
  InvalidInputError,
  NotFoundError,
  UnauthorizedError,
  UnreachableError
} from '@commonhold/core/errors'
import { controlVersion, type ErrorAnswer } from './protocol.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface Ask extends AbortOptions {
  readonly query?: Query
  readonly body?: unknown
}

/** An error the node answered with, under the name it had there. */
class AnsweredError extends Error {
  override readonly name: OperatingErrorName | 'Error'

  constructor(name: OperatingErrorName | 'Error', message: string) {
    super(message)
    this.name = name
    // Where it was thrown is in the node's log, not here.
    delete this.stack
  }
}

export class ControlClient implements Disposable {
  readonly #socketPath: string
  readonly #dataFolder: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })

  constructor(socketPath: string, dataFolder: string) {
    this.#socketPath = socketPath
    this.#dataFolder = dataFolder
  }

  get<A>(path: string, ask: Ask = {}): Promise<A> {
    return this.#json('GET', path, ask)
  }

  post<A>(path: string, ask: Ask = {}): Promise<A> {
    return this.#json('POST', path, ask)
  }

  delete<A>(path: string, ask: Ask = {}): Promise<A> {
    return this.#json('DELETE', path, ask)
  }

  /** Sends bytes as they come; an answer that arrives early (refused, no space) ends the sending. */
  async upload<A>(path: string, bytes: AsyncIterable<Uint8Array>, ask: Ask = {}): Promise<A> {
    const { request, answer } = this.#open('POST', path, ask, { 'content-type': 'application/octet-stream' })
    const source = Readable.from(bytes, { objectMode: false })
    // The answer decides: when it is an error the node hangs up, and our broken pipe is only an echo.
    let broken: unknown
    const sent = pipeline(source, request).catch((err: unknown) => {
      broken = err
    })
    try {
      return await read<A>(await answer)
    } catch (err) {
      source.destroy()
      await sent
      if (broken !== undefined && isHangUp(err) && !isHangUp(broken)) throw broken
      throw err
    }
  }

  /** The body as it comes, after the node has said that there is one. */
  async download(path: string, ask: Ask = {}): Promise<IncomingMessage> {
    const { request, answer } = this.#open('GET', path, ask)
    request.end()
    const response = await answer
    if (response.statusCode !== 200) await read(response)
    return response
  }

  /** Answers line by line, for work that reports while it runs. */
  async *lines<A>(path: string, ask: Ask = {}): AsyncGenerator<A> {
    const response = await this.download(path, ask)
    let rest = ''
    response.setEncoding('utf8')
    for await (const text of response) {
      const parts = (rest + text).split('\n')
      rest = parts.pop() ?? ''
      for (const part of parts) {
        const value = JSON.parse(part) as A | ErrorAnswer
        if (isErrorAnswer(value)) throw new AnsweredError(value.error.name, value.error.message)
        yield value
      }
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  async #json<A>(method: string, path: string, ask: Ask): Promise<A> {
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body)
    const { request, answer } = this.#open(
      method,
      path,
      ask,
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    )
    request.end(body)
    return read<A>(await answer)
  }

  #open(method: string, path: string, ask: Ask, headers: Record<string, string | number> = {}) {
    const query = new URLSearchParams()
    for (const [key, value] of Object.entries(ask.query ?? {})) {
      if (value !== undefined) query.set(key, String(value))
    }
    const search = query.size === 0 ? '' : `?${query}`
    const request = httpRequest({
      socketPath: this.#socketPath,
      agent: this.#agent,
      method,
      path: `/${controlVersion}${path}${search}`,
      headers,
      ...(ask.signal === undefined ? {} : { signal: ask.signal })
    })
    const answer = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve)
      request.once('error', (err) => reject(this.#explained(err)))
    })
    // Nobody awaits it when sending failed first; the failure is reported there.
    answer.catch(() => {})
    return { request, answer }
  }

  #explained(err: NodeJS.ErrnoException): Error {
    switch (err.code) {
      case 'ENOENT':
      case 'ECONNREFUSED':
        return new UnreachableError(
          `No node is running on ${this.#dataFolder}. Start one with: commonhold start`,
          { cause: err }
        )
      case 'EACCES':
        return new UnauthorizedError(
          `The node on ${this.#dataFolder} belongs to another user of this machine: its control socket is closed to you.`,
          { cause: err }
        )
      case 'EAGAIN':
        return new BusyError('The node has too many commands waiting. Try again in a moment.', { cause: err })
      case 'ECONNRESET':
      case 'EPIPE':
        return new UnreachableError('The node ended before it answered. Look at its log.', { cause: err })
      default:
        return err
    }
  }
}

async function read<A>(response: IncomingMessage): Promise<A> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const text = Buffer.concat(parts).toString('utf8')
  let answer: A | ErrorAnswer
  try {
    answer = text === '' ? (undefined as A) : (JSON.parse(text) as A)
  } catch (err) {
    throw new InvalidInputError(
      'The node answered with something that is not JSON: is it of another version?',
      {
        cause: err
      }
    )
  }
  if (isErrorAnswer(answer)) throw new AnsweredError(answer.error.name, answer.error.message)
  if ((response.statusCode ?? 500) >= 400) {
    throw new NotFoundError(
      'The running node does not know this request: it is of another version. Restart it.'
    )
  }
  return answer
}

function isErrorAnswer(value: unknown): value is ErrorAnswer {
  return typeof value === 'object' && value !== null && 'error' in value
}

function isHangUp(err: unknown): boolean {
  return (
    err instanceof UnreachableError ||
    ['EPIPE', 'ECONNRESET'].includes((err as NodeJS.ErrnoException).code ?? '')
  )
}
