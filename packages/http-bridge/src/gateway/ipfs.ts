// GET /ipfs/<cid>: the address every IPFS gateway has, as a file, a block or a CAR. Objects here are single files, so
// there are no paths below.

import { InvalidInputError } from '@commonhold/core'
import { queryOf, wishesOf } from '../media/get.ts'
import type { Handler } from '../route.ts'
import { type Serving, serveObject } from '../serve-object.ts'
import { formatOf } from './format.ts'
import { serveBlock, serveCar } from './trustless.ts'

/** The empty file as an identity CID: what clients ask for to find out whether somebody is a gateway. */
const probe = 'bafkqaaa'

export function gateway(serving: Serving): Handler {
  return async (req, res) => {
    const segments = req.params['name']
    const [cid = '', ...below] = Array.isArray(segments) ? segments : [segments ?? '']
    // `/ipfs/<cid>/` is how some clients write the root itself.
    if (below.some((segment) => segment !== '')) {
      throw new InvalidInputError('An object here is one file: there is nothing below /ipfs/<cid>.')
    }
    if (cid === probe) {
      res.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': 0 })
      res.end()
      return
    }
    const format = formatOf(queryOf(req) ?? none, req.headers.accept)
    const wishes = wishesOf(req)
    if (format.is === 'raw') await serveBlock(serving, req, res, cid, wishes.filename)
    else if (format.is === 'car') await serveCar(serving, req, res, cid, format, wishes.filename)
    else await serveObject(serving, req, res, cid, { ...wishes, varies: true })
  }
}

const none = new URLSearchParams()
