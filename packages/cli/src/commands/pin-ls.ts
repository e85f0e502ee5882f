// `commonhold pin ls`: what the pool is asked to keep.

import type { PinRow, PinsAnswer } from '../control/protocol.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'
import { formatBytes } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  _args: readonly string[],
  options: { own?: boolean }
): Promise<void> {
  const pins: PinRow[] = []
  let after: string | undefined
  do {
    const page: PinsAnswer = await node.get<PinsAnswer>('/pins', { query: { after }, signal })
    for (const pin of page.pins) {
      if (options.own === true && !pin.own) continue
      // A line each as it comes: a pool may want millions.
      if (terminal.json) terminal.document(pin)
      else pins.push(pin)
    }
    after = page.next
  } while (after !== undefined)
  if (terminal.json) return
  if (pins.length === 0) return terminal.line('Nothing yet. Begin with: commonhold add photo.jpg')
  terminal.line(
    renderTable(
      terminal,
      [
        { title: 'CID' },
        { title: 'SIZE', align: 'right' },
        { title: 'COPIES', align: 'right' },
        { title: '' }
      ],
      pins.map((pin) => [
        pin.cid,
        formatBytes(pin.size),
        String(pin.copiesMin),
        `${pin.own ? 'own' : ''}${pin.visibility === 'members' ? ' members only' : ''}`
      ])
    )
  )
}
