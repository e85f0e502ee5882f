// `commonhold token rm`: revokes at once.

import { NotFoundError } from '@commonhold/core/errors'
import type { Session } from '../session.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[]
): Promise<void> {
  const { removed } = await node.delete<{ removed: boolean }>(`/tokens/${encodeURIComponent(name)}`, {
    signal
  })
  if (!removed) throw new NotFoundError(`There is no token “${name}”. See: commonhold token ls`)
  if (terminal.json) terminal.document({ name, removed })
  else terminal.line(`The token “${name}” is revoked.`)
}
