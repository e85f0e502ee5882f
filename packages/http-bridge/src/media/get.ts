// GET /media/<cid|sha256>[.ext]: an object by either of its names. The extension is for people and file names; the
// type is what the bytes are.

import type { Request } from 'express'
import type { Handler } from '../route.ts'
import { type Serving, serveObject, type Wishes } from '../serve-object.ts'
import type { ScaledMedia } from './scaled.ts'
import { asksForVariant } from './variant.ts'

export function getMedia(serving: Serving, scaled: ScaledMedia): Handler {
  return (req, res) => {
    const name = String(req.params['name'] ?? '')
    const query = queryOf(req)
    if (query !== undefined && asksForVariant(query)) return scaled.serve(req, res, name, query)
    return serveObject(serving, req, res, name, wishesOf(req))
  }
}

/** Absent where there is none, which is the common case. */
export function queryOf(req: Request): URLSearchParams | undefined {
  const at = req.url.indexOf('?')
  return at === -1 ? undefined : new URLSearchParams(req.url.slice(at))
}

/** The same under another address. */
export function getNamed(serving: Serving, nameOf: (params: Request['params']) => string): Handler {
  return (req, res) => serveObject(serving, req, res, nameOf(req.params), wishesOf(req))
}

/** `?filename=` names the download, `?download=true` makes it one. Of repeated parameters the first counts. */
export function wishesOf(req: Request): Wishes {
  const filename = firstOf(req.query['filename'])
  const download = firstOf(req.query['download']) === 'true'
  return filename === undefined ? { download } : { filename, download }
}

function firstOf(value: unknown): string | undefined {
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? first : undefined
}
