// `commonhold pool members`: who keeps.

import type { MemberRow } from '../control/protocol.ts'
import { membersTable } from '../render/status-view.ts'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal }: Session): Promise<void> {
  const members = await node.get<readonly MemberRow[]>('/pool/members', { signal })
  if (terminal.json) return terminal.document(members)
  terminal.line(membersTable(terminal, members))
}
