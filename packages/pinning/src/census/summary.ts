// From counts to one line of health with reasons, and the next command to type: pure, so that what
// people are told is tested like everything else. Filled with counts by `overview.ts`.

import type { Reason } from '../plan/plan.ts'
import type { Health } from '../plan/tally.ts'
import type { MemberStatus, PoolHealth, PoolReason } from '../status.ts'

export interface PoolCounts {
  readonly copiesMin: number
  readonly operators: number
  readonly byHealth: Readonly<Record<Health, number>>
  /** Wanted objects per reason code. */
  readonly byReason: ReadonlyMap<Reason, number>
  readonly members: readonly MemberStatus[]
  readonly proofsOverdue: number
}

export function poolHealth(counts: PoolCounts): PoolHealth {
  const { byHealth, byReason, members } = counts
  const others = members.filter((member) => !member.self)
  const away = others.filter((member) => !member.reachable)
  const full = members.filter((member) => member.full && member.capacityBytes > 0)
  const forked = members.filter((member) => member.forked === true)
  const reasons: (PoolReason & { readonly error?: boolean })[] = []
  const say = (is: boolean, reason: PoolReason & { readonly error?: boolean }): void => {
    if (is) reasons.push(reason)
  }
  say(byHealth.lost > 0, {
    code: 'OBJECTS_LOST',
    text: `${count(byHealth.lost, 'object')} with no known copy.`,
    command: 'commonhold status --at-risk',
    error: true
  })
  say(byHealth.unreachable > 0, {
    code: 'OBJECTS_UNREACHABLE',
    text: `${count(byHealth.unreachable, 'object')} whose holders are all away.`,
    command: 'commonhold status --at-risk',
    error: true
  })
  say(counts.operators < counts.copiesMin, {
    code: 'POOL_TOO_SMALL',
    text: `${count(counts.operators, 'operator')}, ${counts.copiesMin} needed: every member holds everything.`,
    command: 'commonhold pool members'
  })
  say((byReason.get('ONE_COPY_LEFT') ?? 0) > 0 && counts.operators > 1, {
    code: 'ONE_COPY_LEFT',
    text: `${count(byReason.get('ONE_COPY_LEFT') ?? 0, 'object')} with one live copy; repaired first.`,
    command: 'commonhold status --at-risk'
  })
  say(byHealth['at risk'] > 0, {
    code: 'BELOW_MIN',
    text: `${count(byHealth['at risk'], 'object')} below the promised copies.`,
    command: 'commonhold status --at-risk'
  })
  say(byHealth.degraded > 0, {
    code: 'BELOW_TARGET',
    text: `${count(byHealth.degraded, 'object')} between minimum and target.`,
    command: 'commonhold status --watch'
  })
  say((byReason.get('ISOLATED') ?? 0) > 0, {
    code: 'ISOLATED',
    text: 'No other operator can be reached, so nothing is decided here.',
    command: 'commonhold peers'
  })
  say((byReason.get('MASS_LOSS') ?? 0) > 0, {
    code: 'MASS_LOSS',
    text: 'Many operators vanished at once; repairs that are not urgent wait.',
    command: 'commonhold peers'
  })
  say((byReason.get('NO_ROOM') ?? 0) > 0, {
    code: 'NO_ROOM',
    text: `${count(byReason.get('NO_ROOM') ?? 0, 'object')} for which too few keepers have room.`,
    command: 'commonhold pool members'
  })
  say((byReason.get('CORRUPT_COPY') ?? 0) > 0, {
    code: 'CORRUPT_COPY',
    text: `${count(byReason.get('CORRUPT_COPY') ?? 0, 'object')} with a copy that answered wrongly.`,
    command: 'commonhold prove <cid>'
  })
  say(counts.proofsOverdue > 0, {
    code: 'PROOFS_OVERDUE',
    text: `${count(counts.proofsOverdue, 'copy', 'copies')} claimed but not proven in time.`,
    command: 'commonhold prove <cid>'
  })
  say(away.length > 0, {
    code: 'MEMBERS_AWAY',
    text: `${count(away.length, 'member')} of ${members.length} not reachable.`,
    command: 'commonhold pool members'
  })
  say(full.length > 0, {
    code: 'KEEPERS_FULL',
    text: `${count(full.length, 'keeper')} with no room left.`,
    command: 'commonhold pool members'
  })
  say(forked.length > 0, {
    code: 'JOURNAL_FORKED',
    text: `${count(forked.length, 'member')} whose journal went two ways; both were kept.`,
    command: 'commonhold pool members'
  })
  const state = reasons.some((reason) => reason.error) ? 'error' : reasons.length > 0 ? 'warning' : 'ok'
  return { state, reasons: reasons.map(({ code, text, command }) => ({ code, text, command })) }
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}
