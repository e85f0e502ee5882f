// DELETE /media/<name>: this node no longer wishes the object kept. Others may still wish it; then it lives on.
// A denied object may be let go like any other.

import { NotFoundError, parseContentName } from '@commonhold/core'
import { requireScope } from '../authorization.ts'
import type { BridgeComponents } from '../components.ts'
import type { Handler } from '../route.ts'

export function deleteMedia(components: BridgeComponents): Handler {
  return async (req, res) => {
    await requireScope(req, components.tokens, 'delete')
    const name = parseContentName(String(req.params['name'] ?? ''))
    const resolved = await components.library.resolve(name)
    if (resolved === undefined || !(await components.pins.unpin(resolved.root))) {
      throw new NotFoundError('This node has no wish for that object, so there is nothing to take back.')
    }
    res.writeHead(204)
    res.end()
  }
}
