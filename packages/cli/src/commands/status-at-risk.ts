// `commonhold status --at-risk`: the objects below their promise, fewest live copies first.

import type { NeedyAnswer, NeedyRow } from '../control/protocol.ts'
import { paintHealth } from '../render/health.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'

/** What a person reads; a program asks with --json and gets them all. */
const shownMax = 50

export async function showAtRisk({ node, terminal, signal }: Session): Promise<void> {
  const shown: NeedyRow[] = []
  let more = false
  let after: string | undefined
  do {
    const page: NeedyAnswer = await node.get<NeedyAnswer>('/status/at-risk', { query: { after }, signal })
    for (const row of page.objects) {
      if (terminal.json) terminal.document(row)
      else if (shown.length < shownMax) shown.push(row)
      else more = true
    }
    after = more ? undefined : page.next
  } while (after !== undefined)
  if (terminal.json) return
  if (shown.length === 0)
    return terminal.line('Every object this node has looked at has the copies it was promised.')
  terminal.line(
    renderTable(
      terminal,
      [{ title: 'CID' }, { title: 'LIVE', align: 'right' }, { title: 'HEALTH' }, { title: 'WHY' }],
      shown.map((row) => [
        row.cid,
        String(row.copiesLive),
        paintHealth(terminal, row.health),
        row.reasons.join(' ')
      ])
    )
  )
  if (more) terminal.line(`Only the first ${shownMax}; all of them: commonhold status --at-risk --json`)
  terminal.line(`More about one: ${terminal.paint('cyan', 'commonhold why <cid>')}`)
}
