// What `doctor` finds in a running node: pure, from what the node says about itself.

import type { AboutAnswer, DoctorFinding, StatusAnswer } from './control/protocol.ts'
import { counted, formatBytes } from './units.ts'

/** Less than this and the next video fails. */
const freeBytesMin = 1e9

export function diagnose({ status, about }: { status: StatusAnswer; about: AboutAnswer }): DoctorFinding[] {
  const findings: DoctorFinding[] = []
  const others = status.members.filter((member) => !member.self)
  const away = others.filter((member) => !member.reachable)
  findings.push({
    check: 'pool',
    ok: status.health !== 'error',
    detail: status.reasons[0]?.message ?? `“${status.pool.name}” is healthy`,
    ...(status.reasons[0]?.next === undefined ? {} : { next: status.reasons[0].next })
  })
  findings.push({
    check: 'members',
    ok: others.length === 0 || away.length < others.length,
    detail:
      others.length === 0
        ? 'this node is alone in its pool'
        : `${others.length - away.length} of ${counted(others.length, 'other member')} reachable`,
    ...(others.length === 0 ? { next: 'commonhold join <multiaddr>' } : {})
  })
  const outside = about.addresses.filter((address) => !/^\/(ip4\/127\.|ip6\/::1\/)/.test(address))
  findings.push({
    check: 'addresses',
    ok: outside.length > 0,
    detail:
      outside.length > 0
        ? `others reach this node at ${outside[0]}`
        : 'this node listens on loopback only: no other machine can reach it',
    ...(outside.length > 0 ? {} : { next: 'set network.listen in config.toml' })
  })
  const { usedBytes } = status.space
  const { freeBytes } = status.space.uploads
  findings.push({
    check: 'space',
    ok: freeBytes >= freeBytesMin,
    detail: `${formatBytes(freeBytes)} free for objects, ${formatBytes(usedBytes)} used`,
    ...(freeBytes >= freeBytesMin ? {} : { next: 'set node.keep in config.toml, or make room on the disk' })
  })
  findings.push({
    check: 'proofs',
    ok: status.proofs.wrong === 0,
    detail:
      status.proofs.wrong === 0
        ? 'no wrong answer to a challenge'
        : `${counted(status.proofs.wrong, 'wrong answer')} to challenges`,
    ...(status.proofs.wrong === 0 ? {} : { next: 'commonhold status' })
  })
  return findings
}
