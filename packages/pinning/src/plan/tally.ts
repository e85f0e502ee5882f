// Counting: from what is known about the copies of one object to how many stand, and how it is doing.
// Pure, and the only place where copies are counted: status, plan, sources and releasers all ask here.
// One operator is one copy, however many nodes it runs; a claim is never a live copy.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { KeepingOptions } from '../keep/keeping-options.ts'
import type { KeeperClass } from '../roster/member.ts'

/** One copy at one keeper, as this node knows it. All ages run on this node's own time. */
export interface Copy {
  readonly node: NodeId
  readonly operator: OperatorId
  /** Whether copies at this operator count at all (it was vouched for or admitted). */
  readonly counted: boolean
  readonly class: KeeperClass
  /** Where it stands, as the roster says. */
  readonly zone?: string
  /** 0 while we reach the keeper; else how long we have not. */
  readonly awayMs: number
  readonly state: CopyState
  /** Age of the last right answer to a challenge of our own. */
  readonly ownProofAgeMs?: number
  /** Age of our last challenge of this copy, whatever became of it. */
  readonly askedAgeMs?: number
  /** Somebody says it failed their challenge: no verdict, but a reason to ask ourselves, now. */
  readonly doubted?: boolean
  /** For how long its answers have been right and too late to be proofs. */
  readonly lateForMs?: number
}

export type CopyState =
  /** On this node's disk, every block verified when it was written. */
  | { readonly kind: 'own' }
  /** Proven to us, or to challengers at enough other operators; `ageMs` is the age of that proof. */
  | { readonly kind: 'proven'; readonly ageMs: number }
  /** Said to be there (receipt, report), unproven for so long. */
  | { readonly kind: 'claimed'; readonly forMs: number }
  /** It answered a challenge of ours wrongly. */
  | { readonly kind: 'corrupt'; readonly forMs: number }
  /** The keeper does not want to hold it: its right, and no copy. */
  | { readonly kind: 'declined' }

export type Health = 'healthy' | 'degraded' | 'at risk' | 'unreachable' | 'lost'

export interface Tally {
  readonly health: Health
  /** Operators with a live copy, our own included. */
  readonly live: ReadonlySet<OperatorId>
  /**
   * Operators whose copy may be relied upon when deciding whether to make another: the live ones,
   * those away for less than our patience, and fresh claims that will be proven soon.
   */
  readonly standing: ReadonlySet<OperatorId>
  /**
   * Those and the ones whose keepers are away no longer than their class may be: a closed laptop still has its
   * bytes. Enough for deciding what to have beyond the minimum, and never for the minimum.
   */
  readonly expected: ReadonlySet<OperatorId>
  /** Operators that are said to hold it, live or not. */
  readonly claimed: ReadonlySet<OperatorId>
  /** How long an absence is waited out: shorter when this is the last live copy, longer while there are spare ones. */
  readonly patienceMs: number
}

export interface TargetBounds {
  readonly copiesMin: number
  readonly copiesTarget: number
  readonly copiesMax: number
}

/**
 * How many copies are wanted, by the class of who would keep them: home nodes come and go, so where
 * they are many two spare copies cost less than the repairs they save.
 * @param ranking best first
 */
export function boundsFor(copiesMin: number, ranking: readonly { class: KeeperClass }[]): TargetBounds {
  const servers = ranking.slice(0, copiesMin).filter((member) => member.class === 'server').length
  const copiesTarget = copiesMin + (servers >= Math.min(2, copiesMin) ? 0 : 2)
  return { copiesMin, copiesTarget, copiesMax: copiesTarget + 2 }
}

export function tally(copies: readonly Copy[], bounds: TargetBounds, options: KeepingOptions): Tally {
  const live = operatorsWith(copies, isLive)
  const expected = operatorsWith(copies, (copy) => stands(copy, returnMsOf(copy, options), options))
  // One short of the promise, with spare copies that are only away, there is less need for another one.
  const isSpared = live.size >= bounds.copiesMin - 1 && expected.size > bounds.copiesTarget
  const usualMs = isSpared ? options.spareDelayMs : options.repairDelayMs
  const patienceMs = live.size <= 1 ? options.lastCopyDelayMs : usualMs
  return {
    health: healthOf(copies, live.size, bounds),
    live,
    standing: operatorsWith(copies, (copy) => stands(copy, patienceMs, options)),
    expected,
    claimed: operatorsWith(copies, (copy) => copy.state.kind !== 'corrupt' && copy.state.kind !== 'declined'),
    patienceMs
  }
}

/** How long after its keeper was last seen a copy is still expected back. */
export function returnMsOf(keeper: { readonly class: KeeperClass }, options: KeepingOptions): number {
  return keeper.class === 'server' ? options.returnServerMs : options.returnHomeMs
}

/** Proof and reach together; a proof too old has already become a claim where ages are kept. */
export function isLive(copy: Copy): boolean {
  return copy.awayMs === 0 && (copy.state.kind === 'own' || copy.state.kind === 'proven')
}

/** At a keeper we reach, and proven or soon to be. */
export function isPresent(copy: Copy, options: KeepingOptions): boolean {
  return copy.awayMs === 0 && stands(copy, Number.POSITIVE_INFINITY, options)
}

/** Whether it keeps others from making another copy. */
function stands(copy: Copy, patienceMs: number, options: KeepingOptions): boolean {
  switch (copy.state.kind) {
    case 'own':
      return true
    case 'proven':
      return copy.awayMs < patienceMs
    case 'claimed':
      return copy.awayMs === 0 && copy.state.forMs < options.proofSettleMs + options.proofPatienceMs
    case 'corrupt':
    case 'declined':
      return false
  }
}

function healthOf(copies: readonly Copy[], live: number, bounds: TargetBounds): Health {
  if (live >= bounds.copiesTarget) return 'healthy'
  if (live >= bounds.copiesMin) return 'degraded'
  if (live >= 1) return 'at risk'
  const anyHolder = copies.some((copy) => copy.state.kind === 'proven' || copy.state.kind === 'claimed')
  return anyHolder ? 'unreachable' : 'lost'
}

function operatorsWith(copies: readonly Copy[], holds: (copy: Copy) => boolean): Set<OperatorId> {
  const operators = new Set<OperatorId>()
  for (const copy of copies) if (copy.counted && holds(copy)) operators.add(copy.operator)
  return operators
}
