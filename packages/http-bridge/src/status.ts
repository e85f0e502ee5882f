// GET /status/<name>: how many copies there are. Numbers are for everyone; who holds them only for those with a
// token, because a list of holders is a list of whom to attack.

import { NotFoundError, toHex } from '@commonhold/core'
import { scopesOf } from './authorization.ts'
import type { BridgeComponents } from './components.ts'
import { findObject } from './lookup.ts'
import type { Handler } from './route.ts'

export function status(components: BridgeComponents): Handler {
  return async (req, res) => {
    const object = await findObject(req, String(req.params['name'] ?? ''), components)
    const known = await components.pins.status(object.root)
    if (known === undefined) throw new NotFoundError('No pool this node is in wants this object.')
    const scopes = await scopesOf(req, components.tokens)
    const digest = known.digest ?? object.digest
    const answer = {
      cid: object.key,
      ...(digest === undefined ? {} : { sha256: toHex(digest) }),
      size: known.size,
      health: known.health,
      copiesLive: known.copiesLive,
      copiesClaimed: known.copiesClaimed,
      copiesMin: known.copiesMin,
      copiesTarget: known.copiesTarget,
      reasons: known.reasons,
      ...(scopes?.includes('read') === true ? { holders: known.holders } : {})
    }
    const body = Buffer.from(`${JSON.stringify(answer)}\n`)
    res.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      'Access-Control-Allow-Origin': '*',
      Vary: 'Authorization'
    })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}
