// `commonhold deny`: this operator's own refusal, at every door, at once.

import type { DenialRow } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { formatAge, formatBytes } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { reason: string; now?: true }
): Promise<void> {
  const body = { name, reason: options.reason, now: options.now === true }
  const denial = await node.post<DenialRow>('/denials', { body, signal })
  if (terminal.json) return terminal.document(denial)
  terminal.line(
    `${name} is no longer stored, served, fetched or proven here. Undo with: commonhold deny rm ${name}`
  )
  if (denial.now) terminal.line('Its bytes here are erased: after an undo they have to come from others.')
  else if (denial.sealed !== undefined)
    terminal.line(
      `${formatBytes(denial.sealed.bytes)} of it stay sealed here for an undo, and are erased in ${formatAge(denial.sealed.erasedInMs)}.`
    )
}
