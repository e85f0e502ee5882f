// One address and what its methods do. Every file of a route exports handlers of this shape; app.ts puts them up.

import type { Express, Request, Response } from 'express'
import { HttpRefusal } from './problems.ts'
import { preflightHeaders } from './safe-headers.ts'

export type Handler = (req: Request, res: Response) => void | Promise<void>

interface Methods {
  /** GET and HEAD. */
  readonly read?: Handler
  readonly POST?: Handler
  readonly DELETE?: Handler
  readonly PURGE?: Handler
}

/** One address with all its methods, so that every other method is told which there are (RFC 9110 §15.5.6). */
export function route(app: Express, path: string | RegExp, methods: Methods): void {
  const allow = [
    ...(methods.read === undefined ? [] : ['GET', 'HEAD']),
    ...(methods.POST === undefined ? [] : ['POST']),
    ...(methods.DELETE === undefined ? [] : ['DELETE']),
    ...(methods.PURGE === undefined ? [] : ['PURGE']),
    'OPTIONS'
  ].join(', ')
  app.all(path, (req, res) => {
    const { method } = req
    if (methods.read !== undefined && (method === 'GET' || method === 'HEAD')) return methods.read(req, res)
    if (methods.POST !== undefined && method === 'POST') return methods.POST(req, res)
    if (methods.DELETE !== undefined && method === 'DELETE') return methods.DELETE(req, res)
    if (methods.PURGE !== undefined && method === 'PURGE') return methods.PURGE(req, res)
    if (method === 'OPTIONS') {
      res.writeHead(
        204,
        methods.read === undefined ? { Allow: allow } : { ...preflightHeaders, Allow: allow }
      )
      res.end()
      return
    }
    throw new HttpRefusal(405, 'Method not allowed', `${method} means nothing here; allowed: ${allow}.`, {
      Allow: allow
    })
  })
}
