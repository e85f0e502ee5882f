// The one place where errors become HTTP: operating errors and refusals of the bridge itself as RFC 9457
// problems. What is in neither list is a fault of ours: 500, told to the log and not to the client.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { OperatingError, type OperatingErrorName } from '@commonhold/core'

interface Row {
  readonly status: number
  readonly title: string
  /** Seconds after which trying again makes sense. */
  readonly retryAfterS?: number
}

const rows: Readonly<Record<OperatingErrorName, Row>> = Object.freeze({
  InvalidInputError: { status: 400, title: 'The request is malformed' },
  MalformedRecordError: { status: 400, title: 'The request is malformed' },
  UnauthorizedError: { status: 401, title: 'A token is needed' },
  NotFoundError: { status: 404, title: 'Nobody has it' },
  NotAFileError: { status: 404, title: 'Not a file' },
  ConflictError: { status: 409, title: 'The state has moved on' },
  DeniedError: { status: 410, title: 'Denied here' },
  TooLargeError: { status: 413, title: 'Too large' },
  // The object is there and our copy or a source is bad: others are asked, so trying again can work.
  CorruptBlockError: { status: 502, title: 'The bytes found were damaged', retryAfterS: 10 },
  BusyError: { status: 503, title: 'Too much at once', retryAfterS: 2 },
  PoolTooSmallError: { status: 503, title: 'Not enough operators', retryAfterS: 60 },
  StoreMismatchError: { status: 503, title: 'The store is not available', retryAfterS: 60 },
  UnreachableError: { status: 504, title: 'The holders do not answer', retryAfterS: 10 },
  NoSpaceError: { status: 507, title: 'No space', retryAfterS: 60 }
})

/** Refusals that only make sense in HTTP and therefore are no operating errors. */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal'
  readonly status: number
  readonly title: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, title: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.status = status
    this.title = title
    this.headers = headers
  }
}

/** RFC 9457, section 3. `type` is a relative reference to docs/http-api.md in spirit: stable, not fetched. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly reasons?: readonly string[]
}

export function httpStatusOf(name: OperatingErrorName): number {
  return rows[name].status
}

export function isOperatingError(err: unknown): err is OperatingError {
  // By name as well as by class: another copy of the core package in the tree must not turn 404 into 500.
  return err instanceof OperatingError || (err instanceof Error && Object.hasOwn(rows, err.name))
}

export function problemOf(err: unknown): { problem: Problem; headers: Record<string, string> } {
  if (err instanceof HttpRefusal) {
    const problem = { type: `urn:commonhold:http-${err.status}`, title: err.title, status: err.status }
    return { problem: { ...problem, detail: err.message }, headers: { ...err.headers } }
  }
  if (isOperatingError(err)) {
    const row = rows[err.name]
    const headers: Record<string, string> = {}
    if (row.retryAfterS !== undefined) headers['Retry-After'] = String(row.retryAfterS)
    if (row.status === 401) headers['WWW-Authenticate'] = 'Bearer'
    const reasons = reasonsOf(err)
    const problem: Problem = {
      type: `urn:commonhold:${err.name}`,
      title: row.title,
      status: row.status,
      detail: err.message,
      ...(reasons === undefined ? {} : { reasons })
    }
    return { problem, headers }
  }
  const status = clientFaultStatusOf(err)
  if (status !== undefined) {
    const title = 'The request is malformed'
    const detail = 'The request line or its encoding cannot be read.'
    return { problem: { type: `urn:commonhold:http-${status}`, title, status, detail }, headers: {} }
  }
  return {
    problem: {
      type: 'urn:commonhold:http-500',
      title: 'A fault of this node',
      status: 500,
      detail: 'Something went wrong here. The log of this node says what, under the request id.'
    },
    headers: {}
  }
}

/** Answers a problem when nothing was sent yet; otherwise cuts the connection, so that no cut looks clean. */
export function sendProblem(req: IncomingMessage, res: ServerResponse, err: unknown): Problem | undefined {
  if (res.headersSent || res.destroyed) {
    res.destroy()
    return undefined
  }
  const { problem, headers } = problemOf(err)
  const body = Buffer.from(`${JSON.stringify(problem)}\n`)
  for (const name of res.getHeaderNames()) {
    if (name.startsWith('content-') || name === 'etag' || name === 'accept-ranges') res.removeHeader(name)
  }
  res.writeHead(problem.status, {
    'Content-Type': 'application/problem+json',
    'Content-Length': body.length,
    // A denial can be undone and an absent object can come back: no error is remembered by a proxy.
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'Access-Control-Allow-Origin': '*',
    ...headers
  })
  if (req.method === 'HEAD') res.end()
  else res.end(body)
  return problem
}

function reasonsOf(err: OperatingError): readonly string[] | undefined {
  if (!('reasons' in err) || !Array.isArray(err.reasons)) return undefined
  return err.reasons.filter((reason) => typeof reason === 'string')
}

/** Express marks what it could not parse (a broken percent-encoding in the path) with a 4xx status. */
function clientFaultStatusOf(err: unknown): number | undefined {
  if (!(err instanceof Error) || !('status' in err) || typeof err.status !== 'number') return undefined
  return err.status >= 400 && err.status < 500 ? err.status : undefined
}
