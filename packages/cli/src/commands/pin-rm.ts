// `commonhold pin rm`: withdraws this node's own wishes. Copies go when nobody wants the object.

import { NotFoundError } from '@commonhold/core/errors'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal }: Session, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { removed } = await node.delete<{ removed: boolean }>(`/pins/${encodeURIComponent(name)}`, {
      signal
    })
    if (!removed) throw new NotFoundError(`This node has no wish for ${name}. See: commonhold pin ls --own`)
    if (terminal.json) terminal.document({ name, removed })
    else terminal.line(`${name} is no longer wanted by this node.`)
  }
}
