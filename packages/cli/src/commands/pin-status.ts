// `commonhold pin status`: where the copies of one object are, and how that is known.

import type { HolderRow, PinStatusAnswer } from '../control/protocol.ts'
import { paintHealth } from '../render/health.ts'
import { renderTable, shortName } from '../render/table.ts'
import type { Session } from '../session.ts'
import type { Paint } from '../terminal.ts'
import { formatAge, formatBytes } from '../units.ts'

const paints: Readonly<Record<HolderRow['state'], Paint>> = {
  live: 'green',
  claimed: 'yellow',
  unreachable: 'red',
  corrupt: 'red',
  declined: 'dim'
}

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[]
): Promise<void> {
  const status = await node.get<PinStatusAnswer>(`/pins/${encodeURIComponent(name)}`, { signal })
  if (terminal.json) return terminal.document(status)
  const { paint } = terminal
  terminal.line(`  ${paint('dim', 'cid       ')}${status.cid}`)
  if (status.sha256 !== undefined) terminal.line(`  ${paint('dim', 'sha256    ')}${status.sha256}`)
  terminal.line(`  ${paint('dim', 'size      ')}${formatBytes(status.size)}`)
  terminal.line(`  ${paint('dim', 'health    ')}${paintHealth(terminal, status.health)}`)
  for (const reason of status.reasons) terminal.line(`            ${paint('yellow', reason)}`)
  terminal.line(
    `  ${paint('dim', 'copies    ')}${status.copiesLive} live and proven of ${status.copiesClaimed} claimed; ` +
      `wanted ${status.copiesMin}, aimed at ${status.copiesTarget}`
  )
  terminal.line()
  if (status.holders.length === 0) return terminal.line('  Nobody is known to hold it.')
  const rows = status.holders.map((holder) => [
    `  ${shortName(holder.node)}${holder.self ? ' (this)' : ''}`,
    shortName(holder.operator),
    paint(paints[holder.state], holder.state),
    provenAt(holder)
  ])
  terminal.line(
    renderTable(
      terminal,
      [{ title: '  HOLDER' }, { title: 'OPERATOR' }, { title: 'STATE' }, { title: 'PROVEN', align: 'right' }],
      rows
    )
  )
}

function provenAt(holder: HolderRow): string {
  if (holder.self) return 'own copy'
  return holder.lastProofAgeMs === undefined
    ? 'never'
    : `${formatAge(holder.lastProofAgeMs)}${holder.lastProofAgeMs < 1500 ? '' : ' ago'}`
}
