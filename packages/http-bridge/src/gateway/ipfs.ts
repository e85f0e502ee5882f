// GET /ipfs/<cid>: the address every IPFS gateway has. Objects here are single files, so there are no paths below.

import { InvalidInputError } from '@commonhold/core'
import { wishesOf } from '../media/get.ts'
import type { Handler } from '../route.ts'
import { type Serving, serveObject } from '../serve-object.ts'

export function gateway(serving: Serving): Handler {
  return async (req, res) => {
    const segments = req.params['name']
    const [cid, ...below] = Array.isArray(segments) ? segments : [segments ?? '']
    // `/ipfs/<cid>/` is how some clients write the root itself.
    if (below.some((segment) => segment !== '')) {
      throw new InvalidInputError('An object here is one file: there is nothing below /ipfs/<cid>.')
    }
    await serveObject(serving, req, res, cid ?? '', wishesOf(req))
  }
}
