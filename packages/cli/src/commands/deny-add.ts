// `commonhold deny`: this operator's own refusal, at every door, at once.

import type { DenialRow } from '../control/protocol.ts'
import type { Session } from '../session.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { reason: string }
): Promise<void> {
  const denial = await node.post<DenialRow>('/denials', { body: { name, reason: options.reason }, signal })
  if (terminal.json) return terminal.document(denial)
  terminal.line(
    `${name} is no longer stored, served, fetched or proven here. Undo with: commonhold deny rm ${name}`
  )
}
