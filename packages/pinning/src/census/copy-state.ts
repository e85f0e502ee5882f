// What is known about copies, as a pure function of rows: which state a copy is in, what every piece of
// news makes of its row, and how suspicion of a keeper's group rises and clears. Station: CENSUS, its
// deciding half; `census.ts` stores the rows, and a simulation keeps them in memory instead.
// Never counts copies (`tally.ts`) and never asks for the time: ages come in as numbers on own time.

import { type NodeId, type OperatorId, toHex } from '@commonhold/core'
import type { Copy, CopyState } from '../plan/tally.ts'
import type { Member } from '../roster/member.ts'
import type { CensusTables } from './census-tables.ts'

export type CopyRow = CensusTables['copy']
export type WordRow = CensusTables['proof_word']

/** A keeper's group that answered wrongly: nothing of it counts until so many right answers came. */
export interface Suspicion {
  readonly rightLeft: number
  readonly sinceMs: number
}

/** What copies are judged by, all of it as this node sees it at one moment. */
export interface CopyView {
  /** Own time. */
  readonly nowMs: number
  readonly wallMs: number
  readonly proofAgeMsMax: number
  /** Operators whose word counts. */
  readonly countedOperators: number
  member(node: NodeId): Pick<Member, 'operator' | 'counted' | 'class' | 'zone'> | undefined
  isCounted(operator: OperatorId): boolean
  awayMs(node: NodeId): number
  /** Own time since when it is reachable without a break. */
  reachableSinceMs(node: NodeId): number
  /** Hex of the store epoch the keeper last told. */
  storeEpochOf(keeper: NodeId): string | undefined
  suspicionOf(keeper: NodeId, group: number): Suspicion | undefined
}

/** The copy a row speaks of; `undefined` when its keeper is no member. */
export function copyOf(row: CopyRow, words: readonly WordRow[], view: CopyView): Copy | undefined {
  const member = view.member(row.keeper)
  if (member === undefined) return undefined
  return {
    node: row.keeper,
    operator: member.operator,
    counted: member.counted,
    class: member.class,
    ...(member.zone === undefined ? {} : { zone: member.zone }),
    awayMs: view.awayMs(row.keeper),
    state: stateOf(row, words, view),
    ...(row.proven_ms === null ? {} : { ownProofAgeMs: view.nowMs - row.proven_ms }),
    ...(row.asked_ms === null ? {} : { askedAgeMs: view.nowMs - row.asked_ms }),
    ...(row.doubted === 1 ? { doubted: true } : {}),
    ...(row.late_ms === null ? {} : { lateForMs: view.nowMs - row.late_ms })
  }
}

function stateOf(row: CopyRow, words: readonly WordRow[], view: CopyView): CopyState {
  const { nowMs, proofAgeMsMax } = view
  if (row.declined_ms !== null) return { kind: 'declined' }
  if (row.corrupt_ms !== null) return { kind: 'corrupt', forMs: nowMs - row.corrupt_ms }
  // Under suspicion nothing at that keeper's group counts until enough of it was proven anew.
  const suspicion = view.suspicionOf(row.keeper, row.hash_group)
  const provenMs = suspicion === undefined ? provenMsOf(row, words, view) : undefined
  if (provenMs !== undefined && nowMs - provenMs < proofAgeMsMax) {
    return { kind: 'proven', ageMs: nowMs - provenMs }
  }
  // A claim ripens only while its keeper can be asked; a lapsed proof is a fresh claim.
  const lapsedMs = provenMs === undefined ? 0 : provenMs + proofAgeMsMax
  const sinceMs = Math.max(
    row.claimed_ms,
    lapsedMs,
    suspicion?.sinceMs ?? 0,
    view.reachableSinceMs(row.keeper)
  )
  return { kind: 'claimed', forMs: Math.max(0, nowMs - sinceMs) }
}

/**
 * When the copy was proven: by ourselves, or as soon as challengers at enough distinct operators,
 * none of them the keeper's, said so.
 */
function provenMsOf(row: CopyRow, words: readonly WordRow[], view: CopyView): number | undefined {
  const epoch = view.storeEpochOf(row.keeper)
  const keeper = view.member(row.keeper)?.operator
  const byOperator = new Map<OperatorId, number>()
  for (const word of words) {
    if (word.keeper !== row.keeper || word.expires_wall_ms <= view.wallMs) continue
    if (epoch !== undefined && toHex(word.store_epoch) !== epoch) continue
    const challenger = view.member(word.challenger)?.operator
    if (challenger === undefined || challenger === keeper || !view.isCounted(challenger)) continue
    byOperator.set(challenger, Math.max(byOperator.get(challenger) ?? 0, word.received_ms))
  }
  const byWords = [...byOperator.values()].sort((a, b) => b - a)[wordsNeeded(view.countedOperators) - 1]
  // Whichever is younger: a proof of our own that lapsed must not hide what others were shown since.
  return row.proven_ms === null ? byWords : Math.max(row.proven_ms, byWords ?? row.proven_ms)
}

/** Operators whose word makes a proof: in a pool of three nobody but one is left to give it. */
function wordsNeeded(countedOperators: number): number {
  return countedOperators <= 3 ? 1 : 2
}

/** A copy heard of for the first time. */
export function claimed(key: Uint8Array, keeper: NodeId, group: number, nowMs: number): CopyRow {
  return {
    root: key,
    keeper,
    hash_group: group,
    claimed_ms: nowMs,
    proven_ms: null,
    asked_ms: null,
    corrupt_ms: null,
    declined_ms: null,
    doubted: 0,
    late_ms: null
  }
}

/** What each piece of news changes in a row that is there. */
export const news = {
  /** Saying it again makes an old claim no younger, but takes back a refusal. */
  claimedAgain: (): Partial<CopyRow> => ({ declined_ms: null }),
  declined: (nowMs: number): Partial<CopyRow> => ({ declined_ms: nowMs }),
  asked: (nowMs: number): Partial<CopyRow> => ({ asked_ms: nowMs }),
  proven: (nowMs: number): Partial<CopyRow> => ({
    proven_ms: nowMs,
    corrupt_ms: null,
    doubted: 0,
    declined_ms: null,
    late_ms: null
  }),
  /** It answers for the bytes, so that neither a refusal nor a doubt is left; whether it has them nobody knows. */
  late: (row: Pick<CopyRow, 'late_ms'>, nowMs: number): Partial<CopyRow> => ({
    late_ms: row.late_ms ?? nowMs,
    doubted: 0,
    declined_ms: null
  }),
  wrong: (nowMs: number): Partial<CopyRow> => ({ proven_ms: null, corrupt_ms: nowMs, doubted: 0 }),
  silent: (): Partial<CopyRow> => ({ proven_ms: null }),
  doubted: (): Partial<CopyRow> => ({ doubted: 1 })
} as const

/**
 * Whether a row stays when its keeper's report no longer names the object. It declined: that it reports no
 * copy is the same said twice. And a copy found corrupt is not washed clean by being withdrawn and claimed
 * again; a right answer does that.
 */
export function outlivesReport(row: Pick<CopyRow, 'declined_ms' | 'corrupt_ms'>): boolean {
  return row.declined_ms !== null || row.corrupt_ms !== null
}

/**
 * Suspicion of a group after a wrong answer; none when no sound copy is left in it to be suspected.
 * @param objects copies of the group there that were not found corrupt: fewer than `suspectProofs` clear when each of them was proven
 */
export function raised(objects: number, suspectProofs: number, nowMs: number): Suspicion | undefined {
  const rightLeft = Math.min(suspectProofs, objects)
  return rightLeft === 0 ? undefined : { rightLeft, sinceMs: nowMs }
}

/** After one right answer; `undefined` once cleared. */
export function eased(before: Suspicion): Suspicion | undefined {
  return before.rightLeft > 1 ? { ...before, rightLeft: before.rightLeft - 1 } : undefined
}

/** A second group going bad is the disk, or the keeper: everything there comes under suspicion. */
export function suspectsKeeper(suspectedGroups: Iterable<number>, group: number): boolean {
  for (const suspected of suspectedGroups) if (suspected !== group) return true
  return false
}
