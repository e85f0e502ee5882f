// PURGE /media/<name>: bytes of this object that were fetched and not kept are forgotten at once, as a proxy's are.
// Mastodon calls it for each medium it deletes (CACHE_BUSTER_*). What this node keeps is kept: DELETE and a denial
// decide about that.

import { parseContentName } from '@commonhold/core'
import { requireScope } from '../authorization.ts'
import type { Handler } from '../route.ts'
import type { Serving } from '../serve-object.ts'

export function purgeMedia({ components, passThrough }: Serving): Handler {
  return async (req, res) => {
    await requireScope(req, components.tokens, 'delete')
    const resolved = await components.library.resolve(parseContentName(String(req.params['name'] ?? '')))
    // A name nobody knows is not in the cache either: what was asked for is so.
    if (resolved !== undefined) passThrough.cache.forget(resolved.root.toString())
    res.writeHead(204)
    res.end()
  }
}
