// The heart: what this node should do about one object, as a pure function of what it knows.
// Station: census (who holds it, proved when) -> PLAN -> repair · prove · release.
// A node plans only about its own bytes: it fetches, proves and releases, and never orders a copy
// elsewhere. Views of members differ for a while; every rule below is chosen so that a difference
// makes one copy too many and never one too few. docs/plan-rules.md names each rule and its test.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { KeepingOptions } from '../keep/keeping-options.ts'
import type { KeeperClass } from '../roster/member.ts'
import { patientWith } from './by-size.ts'
import { availableLastingly, availableNow, placementOf } from './placement.ts'
import {
  boundsFor,
  type Copy,
  type Health,
  isLive,
  isPresent,
  returnMsOf,
  type Tally,
  type TargetBounds,
  tally
} from './tally.ts'
import { spreadOver, worthOf, zoneMaxOf } from './zones.ts'

/** Everything the decision depends on; two nodes that agree on this agree on the plan. */
export interface Situation {
  /** File bytes, as the wish says. */
  readonly size: number
  readonly copiesMin: number
  /** All counted keepers for the object's group, best first, one per operator; we may be among them. */
  readonly ranking: readonly Candidate[]
  /** Every copy known, our own included when we hold the object. */
  readonly copies: readonly Copy[]
  readonly self: SelfView
  readonly pool: PoolView
  /** 0 to 1, the same whenever this node looks at this object: spreads what all objects do now and then. */
  readonly dice: number
}

export interface Candidate {
  readonly node: NodeId
  readonly operator: OperatorId
  readonly class: KeeperClass
  /** Where it stands, as the roster says. */
  readonly zone?: string
  /** 0 while we reach it (and for ourselves). */
  readonly awayMs: number
  /** Takes nothing more for now. */
  readonly full: boolean
  /** Does not want this very object. */
  readonly declines: boolean
  /** How long it has been a member, as far as we have seen. */
  readonly memberForMs: number
}

export interface SelfView {
  readonly node: NodeId
  readonly operator: OperatorId
  /** What is here: nothing, or a copy and how it came. */
  readonly copy: 'none' | 'upload' | 'repair'
  /** Whether our own policy lets us hold it. */
  readonly allowed: boolean
  readonly full: boolean
  /** Used share of our capacity, 0 to 1. */
  readonly diskUse: number
  /** Used share of the room that uploads have here, 0 to 1. */
  readonly stageUse: number
  /** It leaves the pool: everything goes as soon as it may. */
  readonly leaving: boolean
  /** False for as long as a hold after a start: holds we granted before it are forgotten but may still run. */
  readonly mayRelease: boolean
}

export interface PoolView {
  /** Operators whose copies count, ours included. */
  readonly operators: number
  /** Those of them, without ours, that we reach now. */
  readonly operatorsReached: number
  /** Whether so many vanished together that our own network is the likelier culprit. */
  readonly massLoss: boolean
  /**
   * Nodes that offer the pool no space, for now or because they are leaving: what they have is live and a
   * source, and no reason not to make the copies that are to stay.
   */
  readonly passing: ReadonlySet<NodeId>
}

export type Action =
  | {
      readonly kind: 'fetch'
      /** Where it can be had, best first. */
      readonly from: readonly NodeId[]
      /** Wait from the moment this action was first planned, jitter not included. */
      readonly afterMs: number
      /** Lower goes first: live copies for a repair, then filling, then moving. */
      readonly urgency: number
      /** Copies there and on their way, at which a source says that it is enough. */
      readonly copies: number
    }
  | {
      readonly kind: 'prove'
      readonly keeper: NodeId
      /** How long it has been due: the longest go first. */
      readonly overdueMs: number
      /** The copy is proven and stays so meanwhile: it may be asked about when others are. */
      readonly mayWait: boolean
    }
  | {
      readonly kind: 'release'
      readonly askHolds: readonly NodeId[]
      /** The stage is filling: tried again soon when it is refused. */
      readonly urgent: boolean
    }

/** Stable: operators script against them. Each has a row in docs/plan-rules.md. */
export type Reason =
  | 'POOL_TOO_SMALL'
  | 'BELOW_MIN'
  | 'BELOW_TARGET'
  | 'ONE_COPY_LEFT'
  | 'NO_LIVE_COPY'
  | 'HOLDERS_AWAY'
  | 'UNPROVEN_COPIES'
  | 'CORRUPT_COPY'
  | 'DECLINED_BY_KEEPER'
  | 'NO_ROOM'
  | 'ISOLATED'
  | 'MASS_LOSS'
  | 'DENIED_HERE'
  | 'DISK_FULL_HERE'
  | 'PLACED_HERE'
  | 'NEWCOMER_HERE'
  | 'UPLOAD_PLACED_ELSEWHERE'
  | 'STAGE_FILLING'
  | 'LEAVING'
  | 'ABOVE_MAX'
  | 'DISK_CROWDED_HERE'

export interface Plan {
  readonly health: Health
  readonly copiesLive: number
  readonly copiesClaimed: number
  readonly copiesTarget: number
  /** Claimed copies at keepers we reach that were not proven in time. */
  readonly proofsOverdue: number
  readonly reasons: readonly Reason[]
  readonly actions: readonly Action[]
  /** When, if nothing happens before, this plan can turn out differently by age alone. */
  readonly reviewAfterMs?: number
}

export function planObject(situation: Situation, usual: KeepingOptions): Plan {
  const options = patientWith(situation.size, usual)
  const bounds = boundsFor(situation.copiesMin, situation.ranking)
  const counts = tally(situation.copies, bounds, options)
  const staying = situation.copies.filter((copy) => !situation.pool.passing.has(copy.node))
  const kept = staying.length === situation.copies.length ? counts : tally(staying, bounds, options)
  const here = availableNow(situation, counts)
  const lasting = availableLastingly(situation, counts, options)
  const view: View = {
    ...situation,
    bounds,
    counts,
    kept: kept.standing,
    expected: kept.expected,
    here,
    lasting,
    placement: placementOf(here, bounds),
    seats: placementOf(lasting, bounds),
    options
  }
  const reasons = describe(view)
  const plan = {
    health: counts.health,
    copiesLive: counts.live.size,
    copiesClaimed: counts.claimed.size,
    copiesTarget: bounds.copiesTarget,
    proofsOverdue: view.copies.filter((copy) => isOverdue(copy, options)).length,
    reviewAfterMs: nextReviewMs(view)
  }

  // Seeing nobody, we cannot tell a dead pool from a cut cable; denied, we keep nothing of it.
  if (isIsolated(view)) return { ...plan, reasons: [...reasons, 'ISOLATED'], actions: [] }
  if (!view.self.allowed) return { ...plan, reasons: [...reasons, 'DENIED_HERE'], actions: [] }

  const moves = [fetchOf(view), releaseOf(view)].filter((move) => move !== undefined)
  return {
    ...plan,
    reasons: [...reasons, ...moves.map((move) => move.reason)],
    actions: [...moves.flatMap((move) => move.action ?? []), ...proofsOf(view)]
  }
}

/**
 * Whether max(`massLossOperatorsMin`, `massLossShare` of all) operators vanished within one window,
 * and less than `massLossHoldMs` ago.
 * @param awayMs for every operator that is away, how long
 */
export function isMassLoss(awayMs: readonly number[], operators: number, options: KeepingOptions): boolean {
  const many = Math.max(options.massLossOperatorsMin, Math.ceil(options.massLossShare * operators))
  const ages = awayMs.filter((ms) => ms > 0).sort((a, b) => a - b)
  return ages.some((newest, i) => {
    const oldest = ages[i + many - 1]
    return (
      oldest !== undefined && oldest - newest <= options.massLossWindowMs && newest < options.massLossHoldMs
    )
  })
}

interface View extends Situation {
  readonly bounds: TargetBounds
  readonly counts: Tally
  /** Operators whose standing copy is there to stay; those whose copy is, or will be there again. */
  readonly kept: ReadonlySet<OperatorId>
  readonly expected: ReadonlySet<OperatorId>
  /** Who could hold it, best first: of those who are there, and of all who are not gone for good. */
  readonly here: readonly Candidate[]
  readonly lasting: readonly Candidate[]
  /** The first `copiesTarget` of each: who makes a copy that is missing now, and where copies belong. */
  readonly placement: readonly Candidate[]
  readonly seats: readonly Candidate[]
  readonly options: KeepingOptions
}

interface Move {
  readonly reason: Reason
  readonly action?: Action
}

/** Rules 3 and 4: repair below the minimum, then fill to the target, then move to newcomers. */
function fetchOf(view: View): Move | undefined {
  const { self, counts, kept, expected, bounds, options, here, lasting } = view
  if (self.copy !== 'none' || counts.standing.has(self.operator)) return undefined
  const sources = sourcesOf(view)
  if (sources.length === 0) return undefined
  if (self.full) return kept.size < bounds.copiesTarget ? { reason: 'DISK_FULL_HERE' } : undefined

  const turn = turnOf(view)
  if (turn === undefined) return undefined
  const present = operatorsOf(view.copies.filter((copy) => copy.counted && isPresent(copy, options)))
  const fetch = (missing: number, delayMs: number, urgency: number): Action => ({
    kind: 'fetch',
    from: sources,
    afterMs: delayMs + turn.index * options.repairStaggerMs,
    urgency,
    copies: present.size + missing
  })
  /** How many of those that are missing a copy of ours could be. */
  const missing = (wanted: number, operators: ReadonlySet<OperatorId>): number =>
    wanted - (turn.crowded ? operators.size : worth(operators, here, view))

  const below = missing(bounds.copiesMin, kept)
  if (below > 0) {
    // The last live copy is fetched whatever vanished beside it: waiting could only lose it.
    if (view.pool.massLoss && counts.live.size > 1) return { reason: 'MASS_LOSS' }
    const delayMs = turn.placed ? 0 : options.walkOnDelayMs
    return { reason: 'PLACED_HERE', action: fetch(below, delayMs, counts.live.size) }
  }
  if (view.pool.massLoss) return undefined
  // Beyond the minimum who is away for a while counts as well: a copy made for every closed lid would have to go
  // again for every one that opens.
  const short = missing(bounds.copiesTarget, expected)
  if (turn.placed && short > 0) {
    return { reason: 'PLACED_HERE', action: fetch(short, options.fillDelayMs, fillUrgency) }
  }
  // One more than wanted is enough to move what is placed elsewhere.
  const established = turn.memberForMs >= options.newcomerAgeMs
  if (isPlaced(view) && established && worth(expected, lasting, view) <= bounds.copiesTarget) {
    return { reason: 'NEWCOMER_HERE', action: fetch(1, options.fillDelayMs, moveUrgency) }
  }
  return undefined
}

/** Behind every repair, whose urgency is its number of live copies. */
const fillUrgency = 1000
const moveUrgency = 2000

interface Turn {
  readonly index: number
  readonly placed: boolean
  /** Our zone has its share, and others could act. */
  readonly crowded: boolean
  readonly memberForMs: number
}

/** Our place among those who could make the missing copy: the i-th waits i staggers and counts again. */
function turnOf(view: View): Turn | undefined {
  const { here, counts, self, bounds } = view
  const lacking = here.filter((member) => !counts.standing.has(member.operator))
  const me = lacking.find((member) => member.node === self.node)
  if (me === undefined) return undefined
  const { first, crowded } = spreadOver(lacking, zoneMaxOf(bounds.copiesMin), zonesOf(counts.standing, view))
  return {
    index: [...first, ...crowded].indexOf(me),
    placed: view.placement.includes(me),
    crowded: first.length > 0 && crowded.includes(me),
    memberForMs: me.memberForMs
  }
}

/** How many copies these count for, as their zones are. */
function worth(operators: ReadonlySet<OperatorId>, able: readonly Candidate[], view: View): number {
  return worthOf(zonesOf(operators, view), able, zoneMaxOf(view.bounds.copiesMin))
}

function zonesOf(
  operators: ReadonlySet<OperatorId>,
  { copies }: Situation
): { operator: OperatorId; zone?: string }[] {
  return [...operators].map((operator) => copies.find((copy) => copy.operator === operator) ?? { operator })
}

/** Proven copies first, then claims: a liar costs a failed pull, not the repair. */
function sourcesOf(view: View): NodeId[] {
  const order = { own: 0, proven: 1, claimed: 2, corrupt: 3, declined: 4 }
  return view.copies
    .filter((copy) => copy.node !== view.self.node && mayServe(copy))
    .sort((a, b) => order[a.state.kind] - order[b.state.kind])
    .map((copy) => copy.node)
}

/** Said to be there, by somebody we reach. */
function mayServe(copy: Copy): boolean {
  return copy.awayMs === 0 && (copy.state.kind === 'proven' || copy.state.kind === 'claimed')
}

/**
 * Rule 7's beginning: whether our copy may be asked to go. What is decided here is only that it is
 * worth asking; the holds and the proofs that permit it are gathered by `release.ts`.
 */
function releaseOf(view: View): Move | undefined {
  const { self, counts, bounds, options } = view
  if (self.copy === 'none' || !self.mayRelease || isTooSmall(view)) return undefined
  if (self.leaving) return releaseAtMin(view, 'LEAVING')
  if (isStageFilling(view)) return releaseAtMin(view, 'STAGE_FILLING')
  if (isPlaced(view)) return undefined
  const elsewhere = copiesElsewhere(view, isLive)
  const others = worth(operatorsOf(elsewhere), view.lasting, view)
  // Each reason below asks for at least the target at others; the minimum is held once more, by proofs made
  // then, in `release.ts`.
  if (others < bounds.copiesTarget) return undefined
  const action: Action = { kind: 'release', askHolds: elsewhere.map((copy) => copy.node), urgent: false }
  if (self.copy === 'upload') return { reason: 'UPLOAD_PLACED_ELSEWHERE', action }
  if (counts.live.size > bounds.copiesMax && isSurplus(view)) return { reason: 'ABOVE_MAX', action }
  if (self.diskUse > options.roomShare) return { reason: 'DISK_CROWDED_HERE', action }
  return undefined
}

/** An upload that placement leaves elsewhere, or for which there is no room beyond the stage. */
function isStageFilling(view: View): boolean {
  const { self, options } = view
  return self.copy === 'upload' && self.stageUse > options.stageShare && (self.full || !isPlaced(view))
}

/**
 * DESIGN, "Let go locally": the minimum at others is enough. Fresh claims are asked too: the release itself
 * has each of them prove its copy and hold it, so to prove them before would read everything twice.
 */
function releaseAtMin(view: View, reason: Reason): Move | undefined {
  const asked = copiesElsewhere(view, mayServe)
  if (worth(operatorsOf(asked), view.lasting, view) < view.bounds.copiesMin) return undefined
  const askHolds = asked.map((copy) => copy.node)
  return { reason, action: { kind: 'release', askHolds, urgent: true } }
}

function copiesElsewhere(view: View, is: (copy: Copy) => boolean): Copy[] {
  const { self, pool } = view
  return view.copies.filter(
    (copy) => copy.counted && copy.operator !== self.operator && !pool.passing.has(copy.node) && is(copy)
  )
}

function operatorsOf(copies: readonly Copy[]): ReadonlySet<OperatorId> {
  return new Set(copies.map((copy) => copy.operator))
}

/** Only the lowest ranked holders trim, the crowd of a zone first, so that two do not go for one surplus copy. */
function isSurplus(view: View): boolean {
  const live = view.ranking.filter((member) => view.counts.live.has(member.operator))
  const { first, crowded } = spreadOver(live, zoneMaxOf(view.bounds.copiesMin))
  const holders = [...first, ...crowded]
  const position = holders.findIndex((member) => member.operator === view.self.operator)
  return position === -1 || position >= view.bounds.copiesMax
}

/** Rule 6: challenge the copies whose challenger we are, when they are due, and any that are doubted. */
function proofsOf(view: View): Action[] {
  const due = view.copies
    .filter((copy) => copy.node !== view.self.node && copy.awayMs === 0 && copy.state.kind !== 'declined')
    .filter((copy) => copy.doubted === true || isChallenger(view, copy))
    .map((copy) => ({ copy, overdueMs: overdueMs(copy, view) }))
  // Holders are asked together: one that keeps nothing and fetches finds the others busy answering.
  const together = due.some(({ copy, overdueMs: ms }) => ms >= 0 && copy.ownProofAgeMs !== undefined)
  return due
    .filter(({ copy, overdueMs: ms }) => ms >= 0 || (together && isHalfDue(copy, view.options)))
    .map(({ copy, overdueMs: ms }) => ({
      kind: 'prove',
      keeper: copy.node,
      overdueMs: Math.max(0, ms),
      mayWait: copy.state.kind === 'proven' && copy.ownProofAgeMs !== undefined && copy.doubted !== true
    }))
}

/** Negative until it is due. */
function overdueMs(copy: Copy, view: View): number {
  const { options } = view
  const { askedAgeMs, ownProofAgeMs, state } = copy
  const retryMs = retryMsOf(copy, options)
  if (askedAgeMs !== undefined && askedAgeMs < retryMs) return askedAgeMs - retryMs
  if (copy.doubted === true) return 0
  if (ownProofAgeMs !== undefined) return ownProofAgeMs - renewalAgeMs(view)
  return state.kind === 'claimed' ? state.forMs - options.proofSettleMs : 0
}

/**
 * Wait before it is asked again. Who is late is asked at growing intervals, for the next answer costs two readings
 * of a large object and is likely to be late as well.
 */
function retryMsOf({ lateForMs = 0 }: Copy, options: KeepingOptions): number {
  return Math.min(Math.max(options.proofRetryMs, lateForMs / 2), options.proofEveryMs)
}

/** Spread, so that what came in one day is not asked for in one day ever after. */
function renewalAgeMs({ options, dice }: View): number {
  return options.proofEveryMs * (1 - options.proofSpreadShare * dice)
}

function isHalfDue({ ownProofAgeMs, askedAgeMs = ownProofAgeMs }: Copy, options: KeepingOptions): boolean {
  if (ownProofAgeMs === undefined || askedAgeMs === undefined) return false
  return ownProofAgeMs >= options.proofEveryMs / 2 && askedAgeMs >= options.proofRetryMs
}

/** Nobody's answer came in the time in which a claim is waited for. */
function isOverdue(copy: Copy, options: KeepingOptions): boolean {
  const { state } = copy
  if (state.kind !== 'claimed' || copy.awayMs > 0) return false
  return state.forMs >= options.proofSettleMs + options.proofPatienceMs
}

/**
 * A copy's challengers are its next neighbours down the ranking, around the end: holders first, who
 * compare whole objects with a keyed digest, and members without the bytes only where those are few.
 */
function isChallenger(view: View, copy: Copy): boolean {
  const at = view.ranking.findIndex((member) => member.operator === copy.operator)
  const around = [...view.ranking.slice(at + 1), ...view.ranking.slice(0, Math.max(at, 0))].filter(
    (member) => member.awayMs === 0 && member.operator !== copy.operator
  )
  const holders = around.filter((member) => view.counts.standing.has(member.operator))
  const others = around.filter((member) => !view.counts.standing.has(member.operator))
  const challengers = [...holders, ...others].slice(0, view.options.challengersPerCopy)
  return challengers.some((member) => member.node === view.self.node)
}

function isIsolated(view: View): boolean {
  return view.pool.operators > 1 && view.pool.operatorsReached === 0
}

function isTooSmall(view: View): boolean {
  return view.pool.operators < view.bounds.copiesMin
}

function isPlaced(view: View): boolean {
  return view.seats.some((member) => member.node === view.self.node)
}

/** What is the matter with the object, whoever looks; what we do about it is added by the moves. */
function describe(view: View): Reason[] {
  const { bounds, counts, copies } = view
  const live = counts.live.size
  const stillUnproven = copies.some((copy) => copy.state.kind === 'claimed' && copy.awayMs === 0)
  const truths: [boolean, Reason][] = [
    [isTooSmall(view), 'POOL_TOO_SMALL'],
    [live === 0, 'NO_LIVE_COPY'],
    [live === 1 && bounds.copiesMin > 1, 'ONE_COPY_LEFT'],
    [live < bounds.copiesMin, 'BELOW_MIN'],
    [live >= bounds.copiesMin && live < bounds.copiesTarget, 'BELOW_TARGET'],
    [copies.some((copy) => copy.awayMs > 0 && copy.state.kind === 'proven'), 'HOLDERS_AWAY'],
    [live < bounds.copiesTarget && stillUnproven, 'UNPROVEN_COPIES'],
    [copies.some((copy) => copy.state.kind === 'corrupt'), 'CORRUPT_COPY'],
    [copies.some((copy) => copy.state.kind === 'declined'), 'DECLINED_BY_KEEPER'],
    [!isTooSmall(view) && view.placement.length < bounds.copiesMin, 'NO_ROOM']
  ]
  return truths.flatMap(([holds, reason]) => (holds ? [reason] : []))
}

/** Ages grow by themselves: the first threshold one of them will cross. */
function nextReviewMs(view: View): number | undefined {
  const { options, counts } = view
  const waits: number[] = []
  for (const copy of view.copies) {
    if (copy.awayMs > 0) {
      waits.push(counts.patienceMs - copy.awayMs)
      waits.push(returnMsOf(copy, options) - copy.awayMs)
    }
    if (copy.askedAgeMs !== undefined) waits.push(retryMsOf(copy, options) - copy.askedAgeMs)
    if (copy.ownProofAgeMs !== undefined) waits.push(renewalAgeMs(view) - copy.ownProofAgeMs)
    if (copy.state.kind === 'proven') waits.push(options.proofAgeMsMax - copy.state.ageMs)
    if (copy.state.kind === 'claimed') {
      waits.push(options.proofSettleMs - copy.state.forMs)
      waits.push(options.proofSettleMs + options.proofPatienceMs - copy.state.forMs)
    }
  }
  const ahead = waits.filter((ms) => ms > 0)
  return ahead.length === 0 ? undefined : Math.min(...ahead)
}
