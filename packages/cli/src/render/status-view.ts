// `status` for people, in the manner of `ceph -s`: the verdict first with what to type next, then
// members, objects, copies, work under way. Fits 80 columns.

import type { MemberRow, StatusAnswer } from '../control/protocol.ts'
import type { Terminal } from '../terminal.ts'
import { counted, formatAge, formatBytes } from '../units.ts'
import { paintHealth } from './health.ts'
import { renderTable, shortName } from './table.ts'

const labelWidth = 10
const barWidth = 30

export function statusView(terminal: Terminal, status: StatusAnswer): string {
  const { paint } = terminal
  const { pool, objects, repairs, proofs, space } = status
  const lines: string[] = []
  const row = (label: string, text: string): void => {
    lines.push(`  ${paint('dim', label.padEnd(labelWidth))}${text}`)
  }

  row(
    'pool',
    `${paint('bold', pool.name)}, ${admissionOf(pool.admission)}, at least ${counted(pool.copiesMin, 'copy', 'copies')} of each object`
  )
  row('health', verdict(terminal, status.health))
  for (const { code, message, next } of status.reasons) {
    row('', `${paint('yellow', code)}  ${message}`)
    if (next !== undefined) row('', `  ${paint('cyan', next)}`)
  }
  lines.push('')

  const reachable = status.members.filter((member) => member.reachable).length
  row(
    'members',
    `${counted(status.members.length, 'node')} of ${counted(pool.operators, 'operator')}, ${reachable} reachable`
  )
  row(
    'objects',
    objects.total === 0 ? 'none yet' : `${counted(objects.total, 'object')}, ${formatBytes(objects.bytes)}`
  )
  const states = (Object.entries(objects.byHealth) as [keyof StatusAnswer['objects']['byHealth'], number][])
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${paintHealth(terminal, state)}`)
  if (states.length > 0) row('', states.join(' · '))
  const most = Math.max(1, ...objects.copies.map((bucket) => bucket.objects))
  objects.copies.forEach((bucket, i) => {
    const bar = '█'.repeat(Math.max(1, Math.round((bucket.objects / most) * barWidth)))
    row(
      i === 0 ? 'copies' : '',
      `${String(bucket.copies).padStart(2)} live  ${paint(bucket.copies < pool.copiesMin ? 'red' : 'green', bar)} ${bucket.objects}`
    )
  })
  row(
    'repairs',
    repairs.running + repairs.queued === 0
      ? `none under way, ${repairs.done} done`
      : `${repairs.running} running, ${repairs.queued} queued, the oldest for ${formatAge(repairs.oldestMs)}; ${repairs.done} done`
  )
  const uneven = Object.entries(status.groups).filter(([health, n]) => health !== 'healthy' && n > 0)
  if (uneven.length > 0) {
    const worst = uneven.map(([health, n]) => `${n} ${health}`).join(', ')
    row('groups', `${pool.groups}; by their worst object: ${worst}`)
  }
  row('proofs', `${proofs.made} made, ${proofs.wrong} wrong, ${proofs.overdue} overdue`)
  const { scrub } = status
  row(
    'scrub',
    `${Math.floor(scrub.progress * 100)} % of this pass, ${counted(scrub.damaged, 'block')} ever found damaged` +
      (scrub.behindMs === 0 ? '' : `, ${formatAge(scrub.behindMs)} behind`)
  )
  row('space', `${formatBytes(space.usedBytes)} used, ${formatBytes(space.freeBytes)} free here`)
  if (space.uploads.capacityBytes > space.capacityBytes)
    row('', `${formatBytes(space.uploads.freeBytes)} free for uploads until keepers have them`)
  if (space.sealed.objects > 0)
    row(
      '',
      `${formatBytes(space.sealed.bytes)} of ${counted(space.sealed.objects, 'denied object')} sealed, the last erased in ${formatAge(space.sealed.lastErasedInMs ?? 0)}`
    )
  lines.push('')
  lines.push(indent(membersTable(terminal, status.members)))
  return lines.join('\n')
}

export function membersTable(terminal: Terminal, members: readonly MemberRow[]): string {
  const rows = [...members]
    .sort(byOperator)
    .map((member) => [
      `${member.reachable ? terminal.paint('green', '●') : terminal.paint('red', '○')} ${shortName(member.node)}${member.self ? ' (this)' : ''}`,
      shortName(member.operator),
      member.class,
      member.zone ?? '–',
      member.usedBytes === undefined ? '–' : formatBytes(member.usedBytes),
      member.capacityBytes === 0 ? 'none' : formatBytes(member.capacityBytes),
      seen(member),
      remarks(member)
    ])
  return renderTable(
    terminal,
    [
      { title: '  NODE' },
      { title: 'OPERATOR' },
      { title: 'CLASS' },
      { title: 'ZONE' },
      { title: 'USED', align: 'right' },
      { title: 'OFFERS', align: 'right' },
      { title: 'SEEN', align: 'right' },
      { title: '' }
    ],
    rows
  )
}

function verdict(terminal: Terminal, health: StatusAnswer['health']): string {
  switch (health) {
    case 'ok':
      return terminal.paint(['bold', 'green'], 'OK')
    case 'warning':
      return terminal.paint(['bold', 'yellow'], 'WARNING')
    case 'error':
      return terminal.paint(['bold', 'red'], 'ERROR')
  }
}

function seen(member: MemberRow): string {
  if (member.self || member.reachable) return 'now'
  return member.lastSeenMs === undefined ? 'never' : formatAge(member.lastSeenMs)
}

function remarks(member: MemberRow): string {
  const words: string[] = []
  if (member.full) words.push('full')
  if (!member.counted) words.push('not counted')
  if (member.forked === true) words.push('forked')
  return words.join(', ')
}

function admissionOf(admission: 'open' | 'vouch'): string {
  return admission === 'open' ? 'open to all' : 'by vouching'
}

function byOperator(a: MemberRow, b: MemberRow): number {
  if (a.self !== b.self) return a.self ? -1 : 1
  return a.operator < b.operator ? -1 : a.operator > b.operator ? 1 : a.node < b.node ? -1 : 1
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n')
}
