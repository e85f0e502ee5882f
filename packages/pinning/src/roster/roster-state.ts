// What a set of roster entries means. A pure function of the set: whoever has the same entries, in whatever
// order they came, sees the same members. No clock: expiry dates are handed on for the reader to compare.
// Normative text: docs/protocol/roster.md.

import { type NodeId, nodeIdOf, type OperatorId, operatorIdOf, type Signed, toHex } from '@commonhold/core'
import { defaults } from '../options.ts'
import type { Charter, Genesis } from './genesis.ts'
import {
  type AdministratorAct,
  type Amend,
  charterId,
  type Delegate,
  isAdministratorAct,
  type RosterEntry
} from './roster-entries.ts'

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

type Entry = Signed<RosterEntry>

/** Two vouches of counted operators make an operator counted. */
const vouchesNeeded = 2

/**
 * The entries that can matter: of each signer the newest about each thing, and of these no more than
 * `entriesPerOperatorMax` per kind, the newest. Dropping is by seq alone, so what is dropped here is dropped by everybody
 * and can never be missed later. Acts and amendments of administrators are all kept.
 */
export function retained(genesis: Signed<Genesis>, entries: Iterable<Entry>): Entry[] {
  const all = [...entries]
  const trusted = charterChain(genesis, all).ever
  const kept: Entry[] = []
  for (const own of bySigner(all).values()) {
    for (const kind of byKind(own, trusted).values()) kept.push(...kind)
  }
  return kept.sort((a, b) => Buffer.compare(a.hash, b.hash))
}

/** @param entries opened (so their signatures are right) entries of this pool, in any order. */
export function evaluateRoster(genesis: Signed<Genesis>, entries: Iterable<Entry>): RosterState {
  const kept = retained(genesis, entries)
  const chain = charterChain(genesis, kept)
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

interface CharterChain {
  readonly id: Uint8Array
  readonly charter: Charter
  /** Signer → tip of the acts that stay valid, for administrators who left and did not come back. */
  readonly left: ReadonlyMap<string, string | undefined>
  /** Keys whose acts and amendments mattered at some time: administrators and recovery keys. */
  readonly ever: ReadonlySet<string>
}

/** Follows amendments from the genesis charter; each step needs a majority of the charter it replaces. */
function charterChain(genesis: Signed<Genesis>, entries: readonly Entry[]): CharterChain {
  const proposals = new Map<string, Map<string, { amend: Amend; signers: Set<string> }>>()
  for (const entry of entries) {
    const said = entry.body.act
    if (said.is !== 'amend') continue
    const rivals = proposals.get(toHex(said.prev)) ?? new Map()
    proposals.set(toHex(said.prev), rivals)
    const name = toHex(charterId(said))
    const proposal = rivals.get(name) ?? { amend: said, signers: new Set<string>() }
    proposal.signers.add(toHex(entry.signer))
    rivals.set(name, proposal)
  }

  let id = toHex(genesis.hash)
  let charter = genesis.body.charter
  const left = new Map<string, string | undefined>()
  const ever = new Set([...charter.administrators, charter.recovery].map(toHex))
  for (;;) {
    const next = inForce(charter, proposals.get(id))
    if (next === undefined) break
    const staying = new Set(next.amend.charter.administrators.map(toHex))
    for (const key of charter.administrators.map(toHex)) {
      if (staying.has(key)) continue
      const tip = next.amend.leaving.find((l) => toHex(l.administrator) === key)?.tip ?? undefined
      left.set(key, tip === undefined ? undefined : toHex(tip))
    }
    for (const key of staying) {
      left.delete(key)
      ever.add(key)
    }
    ever.add(toHex(next.amend.charter.recovery))
    id = next.id
    charter = next.amend.charter
  }
  return { id: Uint8Array.from(Buffer.from(id, 'hex')), charter, left, ever }
}

interface Proposal {
  readonly id: string
  readonly amend: Amend
}

/**
 * The proposal with enough signatures. Rivals come from administrators who signed two: the one the recovery
 * key signed wins, so that a thief of administrators' keys cannot undo the recovery from the theft.
 */
function inForce(
  charter: Charter,
  rivals: ReadonlyMap<string, { amend: Amend; signers: Set<string> }> | undefined
): Proposal | undefined {
  if (rivals === undefined) return undefined
  const needed = Math.floor(charter.administrators.length / 2) + 1
  const recovery = toHex(charter.recovery)
  const administrators = charter.administrators.map(toHex)
  let best: (Proposal & { recovered: boolean; votes: number }) | undefined
  for (const [id, { amend, signers }] of rivals) {
    const recovered = signers.has(recovery)
    const votes = administrators.filter((key) => key !== recovery && signers.has(key)).length
    if (votes + (recovered ? 1 : 0) < needed) continue
    const better =
      best === undefined ||
      Number(recovered) - Number(best.recovered) > 0 ||
      (recovered === best.recovered && (votes > best.votes || (votes === best.votes && id < best.id)))
    if (better) best = { id, amend, recovered, votes }
  }
  return best
}

interface ValidAct {
  readonly entry: Entry
  readonly act: AdministratorAct
}

/** Acts of today's administrators, and those of former ones up to where they were cut off. */
function validActs(entries: readonly Entry[], chain: CharterChain): ValidAct[] {
  const current = new Set(chain.charter.administrators.map(toHex))
  const acts: ValidAct[] = []
  const former = new Map<string, Map<string, ValidAct>>()
  for (const entry of entries) {
    const said = entry.body.act
    if (!isAdministratorAct(said)) continue
    const signer = toHex(entry.signer)
    const act = { entry, act: said }
    if (current.has(signer)) acts.push(act)
    else if (chain.left.has(signer)) {
      const own = former.get(signer) ?? new Map<string, ValidAct>()
      former.set(signer, own.set(toHex(entry.hash), act))
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
  for (const { act, entry } of acts) {
    if (act.is !== 'remove' || revoked.has(toHex(entry.hash))) continue
    const operator = operatorIdOf(act.operator)
    if (!administrators.has(operator)) removed.add(operator)
  }
  return removed
}

/** Admitted operators, with the largest grant among each administrator's newest word, if one is given. */
function admissions(acts: readonly ValidAct[]): Map<OperatorId, number | undefined> {
  const newest = new Map<string, ValidAct & { act: { is: 'admit' } }>()
  for (const one of acts) {
    if (one.act.is !== 'admit') continue
    const about = `${toHex(one.entry.signer)} ${toHex(one.act.operator)}`
    const rival = newest.get(about)
    if (rival === undefined || compareNewest(one.entry, rival.entry) < 0) {
      newest.set(about, one as ValidAct & { act: { is: 'admit' } })
    }
  }
  const grants = new Map<OperatorId, number | undefined>()
  for (const { act } of newest.values()) {
    if (act.is !== 'admit') continue
    const operator = operatorIdOf(act.operator)
    const before = grants.get(operator)
    grants.set(operator, act.pinBytesMax === null ? before : Math.max(before ?? 0, act.pinBytesMax))
  }
  return grants
}

function selfDescriptions(
  entries: readonly Entry[]
): Map<OperatorId, { readonly domain?: string; readonly left: boolean }> {
  const selves = new Map<OperatorId, { readonly domain?: string; readonly left: boolean }>()
  for (const { body, signer } of entries) {
    if (body.act.is === 'leave') selves.set(operatorIdOf(signer), { left: true })
    if (body.act.is === 'join') {
      const domain = body.act.domain === null ? {} : { domain: body.act.domain }
      selves.set(operatorIdOf(signer), { ...domain, left: false })
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
  entries: readonly Entry[]
): ReadonlySet<OperatorId> {
  if (charter.policy.admission === 'open') return new Set(present)
  const counted = new Set(present.filter((id) => administrators.has(id) || grants.has(id)))
  const eligible = new Set(present)
  const vouchedFor = new Map<OperatorId, OperatorId[]>()
  for (const { body, signer } of entries) {
    if (body.act.is !== 'vouch' || !body.act.stands) continue
    const voucher = operatorIdOf(signer)
    const about = operatorIdOf(body.act.operator)
    if (about !== voucher) vouchedFor.set(voucher, [...(vouchedFor.get(voucher) ?? []), about])
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
function delegationsOf(
  entries: readonly Entry[],
  operators: ReadonlyMap<OperatorId, OperatorState>
): ReadonlyMap<NodeId, DelegationState> {
  const winners = new Map<NodeId, { entry: Entry; state: DelegationState }>()
  for (const entry of entries) {
    const { act } = entry.body
    if (act.is !== 'delegate') continue
    const operator = operatorIdOf(entry.signer)
    if (!operators.has(operator)) continue
    const { is: _is, consent: _consent, node: key, ...rest } = act
    const node = nodeIdOf(key)
    const rival = winners.get(node)?.entry
    const newer =
      rival === undefined ||
      entry.body.seq > rival.body.seq ||
      (entry.body.seq === rival.body.seq && Buffer.compare(entry.signer, rival.signer) < 0)
    if (newer) winners.set(node, { entry, state: { node, operator, ...rest } })
  }
  const sorted = [...winners].sort(([a], [b]) => (a < b ? -1 : 1))
  return new Map(sorted.map(([node, winner]) => [node, winner.state]))
}

function authorsIn(entries: readonly Entry[]): ReadonlySet<string> {
  const authors = new Set<string>()
  for (const { body, signer } of entries) {
    if (body.act.is === 'delegate') authors.add(`${operatorIdOf(signer)} ${nodeIdOf(body.act.node)}`)
  }
  return authors
}

function bySigner(entries: readonly Entry[]): Map<string, Entry[]> {
  const groups = new Map<string, Entry[]>()
  for (const entry of entries) {
    const signer = toHex(entry.signer)
    const own = groups.get(signer)
    if (own === undefined) groups.set(signer, [entry])
    else own.push(entry)
  }
  return groups
}

/** One signer's entries by kind, newest per subject, bounded per kind. */
function byKind(own: readonly Entry[], trusted: ReadonlySet<string>): Map<string, Entry[]> {
  const newest = new Map<string, Map<string, Entry>>()
  for (const entry of own) {
    const { kind, subject } = aboutWhat(entry)
    const subjects = newest.get(kind) ?? new Map<string, Entry>()
    newest.set(kind, subjects)
    const rival = subjects.get(subject)
    if (rival === undefined || compareNewest(entry, rival) < 0) subjects.set(subject, entry)
  }
  const kept = new Map<string, Entry[]>()
  for (const [kind, subjects] of newest) {
    const sorted = [...subjects.values()].sort(compareNewest)
    const first = sorted[0]
    const unbounded =
      (kind === 'act' || kind === 'amend') && first !== undefined && trusted.has(toHex(first.signer))
    kept.set(kind, unbounded ? sorted : sorted.slice(0, defaults.entriesPerOperatorMax))
  }
  return kept
}

function aboutWhat(entry: Entry): { kind: string; subject: string } {
  const { act } = entry.body
  switch (act.is) {
    case 'join':
    case 'leave':
      return { kind: 'self', subject: '' }
    case 'delegate':
      return { kind: 'delegate', subject: toHex(act.node) }
    case 'vouch':
      return { kind: 'vouch', subject: toHex(act.operator) }
    case 'amend':
      return { kind: 'amend', subject: toHex(entry.hash) }
    default:
      return { kind: 'act', subject: toHex(entry.hash) }
  }
}

/** Newest first: higher seq, then lower hash. */
function compareNewest(a: Entry, b: Entry): number {
  return b.body.seq - a.body.seq || Buffer.compare(a.hash, b.hash)
}
