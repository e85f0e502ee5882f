// What a set of roster entries means. A pure function of the set: whoever has the same entries, in whatever
// order they came, sees the same members. No clock: expiry dates are handed on for the reader to compare.
// Normative text: docs/protocol/roster.md, "Evaluation".

import { type NodeId, type OperatorId, operatorIdOf, toHex } from '@commonhold/core'
import type { CharterChain } from './charter-chain.ts'
import type { Charter } from './genesis.ts'
import { compareNewest, type NotedEntry } from './noted-entry.ts'
import { type AdministratorAct, type Delegate, isAdministratorAct } from './roster-entries.ts'

export interface OperatorState {
  readonly id: OperatorId
  readonly domain?: string
  readonly administrator: boolean
  readonly counted: boolean
  readonly pinBytesMax: number
  /** It said so itself: its nodes are no members, its wishes stay until they lapse. */
  readonly left: boolean
}

export interface DelegationState extends Omit<Delegate, 'is' | 'node' | 'consent'> {
  readonly node: NodeId
  readonly operator: OperatorId
}

export interface RosterState {
  readonly charterId: Uint8Array
  readonly charter: Charter
  /** Without the removed ones; sorted by id. */
  readonly operators: ReadonlyMap<OperatorId, OperatorState>
  /** Newest delegation of each node, expired ones too; sorted by node id. */
  readonly delegations: ReadonlyMap<NodeId, DelegationState>
  readonly removed: ReadonlySet<OperatorId>
  /** `<operator> <node>` for every delegation there ever was, as far as kept: who may have signed journals. */
  readonly authors: ReadonlySet<string>
}

/** Two vouches of counted operators make an operator counted. */
export const vouchesNeeded = 2

/** @param kept entries as a ledger keeps them; their chain of charters */
export function evaluate(chain: CharterChain, kept: readonly NotedEntry[]): RosterState {
  const { id, charter } = chain
  const acts = validActs(kept, chain)
  const administrators = new Set(charter.administrators.map((key) => operatorIdOf(key)))
  const removed = removedOperators(acts, administrators)
  const grants = admissions(acts)
  const selves = selfDescriptions(kept)

  const known = new Set([...administrators, ...grants.keys(), ...selves.keys()])
  for (const gone of removed) known.delete(gone)
  const present = [...known].sort()
  const counted = countedOperators(present, charter, administrators, grants, kept)
  const operators = new Map<OperatorId, OperatorState>()
  for (const operator of present) {
    const self = selves.get(operator)
    const counts = counted.has(operator)
    operators.set(operator, {
      id: operator,
      ...(self?.domain === undefined ? {} : { domain: self.domain }),
      administrator: administrators.has(operator),
      counted: counts,
      pinBytesMax: counts ? (grants.get(operator) ?? charter.policy.pinBytesMax) : 0,
      left: self?.left ?? false
    })
  }
  const delegations = delegationsOf(kept, operators)
  return { charterId: id, charter, operators, delegations, removed, authors: authorsIn(kept) }
}

interface ValidAct {
  readonly noted: NotedEntry
  readonly act: AdministratorAct
}

/** Acts of today's administrators, and those of former ones up to where they were cut off. */
function validActs(entries: readonly NotedEntry[], chain: CharterChain): ValidAct[] {
  const current = new Set(chain.charter.administrators.map(toHex))
  const acts: ValidAct[] = []
  const former = new Map<string, Map<string, ValidAct>>()
  for (const noted of entries) {
    const said = noted.entry.body.act
    if (!isAdministratorAct(said)) continue
    const { signer, hash } = noted
    const act = { noted, act: said }
    if (current.has(signer)) acts.push(act)
    else if (chain.left.has(signer)) {
      const own = former.get(signer) ?? new Map<string, ValidAct>()
      former.set(signer, own.set(hash, act))
    }
  }
  for (const [signer, own] of former) {
    let tip = chain.left.get(signer)
    // A hash chain has no cycles, and each step moves to an older act.
    while (tip !== undefined) {
      const act = own.get(tip)
      if (act === undefined) break
      acts.push(act)
      tip = act.act.prev === null ? undefined : toHex(act.act.prev)
    }
  }
  return acts
}

/** Removal wins over any admission, until it is revoked by name. An administrator can only be amended away. */
function removedOperators(
  acts: readonly ValidAct[],
  administrators: ReadonlySet<OperatorId>
): ReadonlySet<OperatorId> {
  const revoked = new Set<string>()
  for (const { act } of acts) if (act.is === 'revoke') revoked.add(toHex(act.removal))
  const removed = new Set<OperatorId>()
  for (const { act, noted } of acts) {
    if (act.is !== 'remove' || revoked.has(noted.hash) || noted.about === undefined) continue
    if (!administrators.has(noted.about)) removed.add(noted.about)
  }
  return removed
}

/** Admitted operators, with the largest grant among each administrator's newest word, if one is given. */
function admissions(acts: readonly ValidAct[]): Map<OperatorId, number | undefined> {
  const newest = new Map<string, ValidAct & { act: { is: 'admit' } }>()
  for (const one of acts) {
    if (one.act.is !== 'admit') continue
    const about = `${one.noted.operator} ${one.noted.about}`
    const rival = newest.get(about)
    if (rival === undefined || compareNewest(one.noted, rival.noted) < 0) {
      newest.set(about, one as ValidAct & { act: { is: 'admit' } })
    }
  }
  const grants = new Map<OperatorId, number | undefined>()
  for (const { act, noted } of newest.values()) {
    if (noted.about === undefined) continue
    const before = grants.get(noted.about)
    grants.set(noted.about, act.pinBytesMax === null ? before : Math.max(before ?? 0, act.pinBytesMax))
  }
  return grants
}

export function selfDescriptions(
  entries: readonly NotedEntry[]
): Map<OperatorId, { readonly domain?: string; readonly left: boolean }> {
  const selves = new Map<OperatorId, { readonly domain?: string; readonly left: boolean }>()
  for (const { entry, operator } of entries) {
    const { act } = entry.body
    if (act.is === 'leave') selves.set(operator, { left: true })
    if (act.is === 'join') {
      const domain = act.domain === null ? {} : { domain: act.domain }
      selves.set(operator, { ...domain, left: false })
    }
  }
  return selves
}

/** Least fixed point: who counts by itself, then whoever two of those vouch for, and so on. */
function countedOperators(
  present: readonly OperatorId[],
  charter: Charter,
  administrators: ReadonlySet<OperatorId>,
  grants: ReadonlyMap<OperatorId, unknown>,
  entries: readonly NotedEntry[]
): ReadonlySet<OperatorId> {
  if (charter.policy.admission === 'open') return new Set(present)
  const counted = new Set(present.filter((id) => administrators.has(id) || grants.has(id)))
  const eligible = new Set(present)
  const vouchedFor = new Map<OperatorId, OperatorId[]>()
  for (const { entry, operator: voucher, about } of entries) {
    const { act } = entry.body
    if (act.is !== 'vouch' || !act.stands || about === undefined || about === voucher) continue
    const others = vouchedFor.get(voucher)
    if (others === undefined) vouchedFor.set(voucher, [about])
    else others.push(about)
  }
  const vouches = new Map<OperatorId, number>()
  const queue = [...counted]
  for (let voucher = queue.pop(); voucher !== undefined; voucher = queue.pop()) {
    for (const about of vouchedFor.get(voucher) ?? []) {
      const count = (vouches.get(about) ?? 0) + 1
      vouches.set(about, count)
      if (count < vouchesNeeded || counted.has(about) || !eligible.has(about)) continue
      counted.add(about)
      queue.push(about)
    }
  }
  return counted
}

/** A node that consented to two operators belongs to the newer delegation, by seq, then by operator key. */
export function delegationsOf(
  entries: readonly NotedEntry[],
  operators: ReadonlyMap<OperatorId, OperatorState>
): ReadonlyMap<NodeId, DelegationState> {
  const winners = new Map<NodeId, NotedEntry>()
  for (const noted of entries) {
    const { node, operator, signer, entry } = noted
    if (node === undefined || !operators.has(operator)) continue
    const rival = winners.get(node)
    const ahead = rival === undefined ? 1 : entry.body.seq - rival.entry.body.seq
    if (ahead > 0 || (ahead === 0 && signer < (rival?.signer ?? ''))) winners.set(node, noted)
  }
  const delegations = new Map<NodeId, DelegationState>()
  for (const node of [...winners.keys()].sort()) {
    const winner = winners.get(node)
    const act = winner?.entry.body.act
    if (winner === undefined || act?.is !== 'delegate') continue
    const { class: kind, capacityBytes, zone, expiresAt } = act
    delegations.set(node, { node, operator: winner.operator, class: kind, capacityBytes, zone, expiresAt })
  }
  return delegations
}

function authorsIn(entries: readonly NotedEntry[]): ReadonlySet<string> {
  const authors = new Set<string>()
  for (const { node, operator } of entries) if (node !== undefined) authors.add(authorOf(operator, node))
  return authors
}

/** As it stands in `authors`. */
export function authorOf(operator: OperatorId, node: NodeId): string {
  return `${operator} ${node}`
}
