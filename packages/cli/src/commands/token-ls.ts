// `commonhold token ls`: which tokens there are and what they allow; never the tokens themselves.

import type { TokenRow } from '../control/protocol.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal }: Session): Promise<void> {
  const tokens = await node.get<readonly TokenRow[]>('/tokens', { signal })
  if (terminal.json) return terminal.document(tokens)
  if (tokens.length === 0) return terminal.line('No tokens. Make one with: commonhold token add my-instance')
  terminal.line(
    renderTable(
      terminal,
      [{ title: 'NAME' }, { title: 'ALLOWS' }, { title: 'MADE' }, { title: 'EXPIRES' }],
      tokens.map((token) => [
        token.name,
        token.scopes.join(', '),
        token.createdAt.slice(0, 10),
        token.expiresAt?.slice(0, 10) ?? 'never'
      ])
    )
  )
}
