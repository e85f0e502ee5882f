// `commonhold deny ls`: what is refused here, and why.

import type { DenialRow } from '../control/protocol.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'
import { formatAge, formatBytes } from '../units.ts'

export async function run({ node, terminal, signal }: Session): Promise<void> {
  const denials = await node.get<readonly DenialRow[]>('/denials', { signal })
  if (terminal.json) return terminal.document(denials)
  if (denials.length === 0) return terminal.line('Nothing is denied here.')
  terminal.line(
    renderTable(
      terminal,
      [
        { title: 'NAME' },
        { title: 'SINCE' },
        { title: 'SEALED' },
        { title: 'ERASED IN' },
        { title: 'REASON' }
      ],
      denials.map(({ subject, deniedAt, sealed, reason }) => [
        subject,
        deniedAt.slice(0, 10),
        sealed === undefined ? '-' : formatBytes(sealed.bytes),
        sealed === undefined ? '-' : formatAge(sealed.erasedInMs),
        reason
      ])
    )
  )
}
