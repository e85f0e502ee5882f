// Around every request: an id, a line in the log, a measurement, and the one way in which errors are answered.
// Client addresses are not logged: who looks at which picture is nobody's business.

import { randomUUID } from 'node:crypto'
import type { Request, RequestHandler, Response } from 'express'
import { ClientGoneError } from './client-gone.ts'
import type { BridgeComponents } from './components.ts'
import type { BridgeMetrics } from './ops/metrics.ts'
import type { BridgeOptions } from './options.ts'
import { HttpRefusal, isOperatingError, sendProblem } from './problems.ts'

export class RequestLog {
  readonly #components: BridgeComponents
  readonly #accessLog: boolean
  readonly #lingerMsMax: number
  readonly #metrics: BridgeMetrics

  constructor(components: BridgeComponents, options: BridgeOptions, metrics: BridgeMetrics) {
    this.#components = components
    this.#accessLog = options.accessLog
    this.#lingerMsMax = options.lingerMsMax
    this.#metrics = metrics
  }

  readonly begin: RequestHandler = (req, res, next) => {
    const { clock, log } = this.#components
    const startMs = clock.monotonicMs()
    const id = randomUUID()
    res.locals['requestId'] = id
    res.once('close', () => {
      const durationMs = clock.monotonicMs() - startMs
      this.#metrics.request(req.method, req.path, res.statusCode, durationMs)
      if (this.#accessLog) {
        log.info('request', {
          id,
          method: req.method,
          path: req.path.slice(0, 200),
          status: res.statusCode,
          durationMs: Math.round(durationMs),
          ...(res.writableFinished ? {} : { cut: true })
        })
      }
      this.#lingerOver(req)
    })
    next()
  }

  fail(err: unknown, req: Request, res: Response): void {
    if (err instanceof ClientGoneError) {
      res.destroy()
      return
    }
    const id = String(res.locals['requestId'])
    // Only here: a header set ahead of `writeHead` slows every picture down, and ids are asked for about errors.
    if (!res.headersSent) res.setHeader('X-Request-Id', id)
    const problem = sendProblem(req, res, err)
    if (problem === undefined || problem.status === 500) {
      const expected = isOperatingError(err) || err instanceof HttpRefusal
      const fields = { id, path: req.path.slice(0, 200), err }
      if (expected) this.#components.log.warn('response cut', fields)
      else this.#components.log.error('request failed', fields)
    }
  }

  /** A body nobody wants is read away for a while, so that the sender sees our answer; then the line is cut. */
  #lingerOver(req: Request): void {
    if (req.complete || req.socket.destroyed) return
    const { socket } = req
    const timer = setTimeout(() => socket.destroy(), this.#lingerMsMax).unref()
    req.once('close', () => clearTimeout(timer))
    req.resume()
  }
}
