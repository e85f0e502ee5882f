// `commonhold deny rm`: the undo. The object is served, kept and proven again as if nothing had been.

import { NotFoundError } from '@commonhold/core/errors'
import type { Session } from '../session.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[]
): Promise<void> {
  const { removed } = await node.delete<{ removed: boolean }>(`/denials/${encodeURIComponent(name)}`, {
    signal
  })
  if (!removed) throw new NotFoundError(`${name} is not denied here. See: commonhold deny ls`)
  if (terminal.json) terminal.document({ name, removed })
  else terminal.line(`${name} is allowed again.`)
}
