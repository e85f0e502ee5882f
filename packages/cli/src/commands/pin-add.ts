// `commonhold pin add`: a wish for an object that somebody already has.

import type { PinRow } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { counted, formatBytes } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { copies?: number; visibility?: string }
): Promise<void> {
  const body = { copies: options.copies, visibility: options.visibility }
  const pin = await node.post<PinRow>(`/pins/${encodeURIComponent(name)}`, { body, signal })
  if (terminal.json) return terminal.document(pin)
  terminal.line(
    `The pool is asked to keep ${counted(pin.copiesMin, 'copy', 'copies')} of ${pin.cid} (${formatBytes(pin.size)}).`
  )
  terminal.line(`Follow it with: commonhold pin status ${pin.cid}`)
}
