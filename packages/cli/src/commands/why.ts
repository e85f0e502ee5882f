// `commonhold why`: why an object stands as it does, who should hold it, and what this node does about it.

import type { WhyAnswer } from '../control/protocol.ts'
import { paintHealth } from '../render/health.ts'
import { renderTable, shortName } from '../render/table.ts'
import type { Session } from '../session.ts'
import { counted, formatAge } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[]
): Promise<void> {
  const why = await node.get<WhyAnswer>(`/pins/${encodeURIComponent(name)}/why`, { signal })
  if (terminal.json) return terminal.document(why)
  const { paint } = terminal
  const { status } = why
  const row = (label: string, text: string): void =>
    terminal.line(`  ${paint('dim', label.padEnd(10))}${text}`)
  row('cid', status.cid)
  row(
    'health',
    `${paintHealth(terminal, status.health)}, ${counted(status.copiesLive, 'live copy', 'live copies')}; ` +
      `wanted ${status.copiesMin}, aimed at ${status.copiesTarget}`
  )
  row('wanted by', why.authors.map(shortName).join(', '))
  for (const { code, message, next } of why.reasons) {
    row('', `${paint('yellow', code)}  ${message}`)
    if (next !== undefined) row('', `  ${paint('cyan', next)}`)
  }
  if (why.actions.length === 0) row('this node', 'has nothing to do about it')
  why.actions.forEach((action, i) => {
    row(i === 0 ? 'this node' : '', action)
  })
  terminal.line()
  terminal.line(
    renderTable(
      terminal,
      [
        { title: '  RANK', align: 'right' },
        { title: 'KEEPER' },
        { title: 'OPERATOR' },
        { title: 'CLASS' },
        { title: 'SHOULD' },
        { title: 'COPY' },
        { title: '' }
      ],
      why.ranking.map((keeper, i) => [
        String(i + 1),
        `${shortName(keeper.node)}${keeper.self ? ' (this)' : ''}`,
        shortName(keeper.operator),
        keeper.class,
        keeper.placed ? 'hold it' : '–',
        keeper.copy ?? '–',
        remarks(keeper)
      ])
    )
  )
  terminal.line()
  terminal.line(
    paint('dim', `  Placement of group ${why.group}, best first. What the words mean: docs/operations.md`)
  )
}

function remarks(keeper: WhyAnswer['ranking'][number]): string {
  const words: string[] = []
  if (keeper.awayMs > 0) words.push(`away ${formatAge(keeper.awayMs)}`)
  if (keeper.full) words.push('full')
  if (keeper.declines) words.push('declines')
  return words.join(', ')
}
