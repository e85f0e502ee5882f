// Whether a member need be asked for a plan at all: conditions without which the plan can contain no action,
// cheap enough for tens of millions of looks. They repeat necessary parts of the production rules and decide
// nothing: whoever may act is planned for in full, and a sample of those who are passed over is as well.

import type { KeepingOptions } from '../../packages/pinning/src/keep/keeping-options.ts'
import type { TargetBounds } from '../../packages/pinning/src/plan/tally.ts'
import { zoneMaxOf } from '../../packages/pinning/src/plan/zones.ts'
import type { Disks } from './disks.ts'
import { diceOf, type Held, type ObjectState, type Views } from './views.ts'
import type { Machine, World } from './world.ts'

/** Nothing to do, and nothing that comes by itself. */
export const spared: Glance = { mayAct: false, againAtMs: Number.POSITIVE_INFINITY }

export interface GlanceParts {
  readonly world: World
  readonly views: Views
  readonly disks: Disks
  readonly options: KeepingOptions
  returnMsOf(machine: Machine): number
}

export interface Glance {
  readonly mayAct: boolean
  /** When this member may have to be asked again although nothing happened. */
  readonly againAtMs: number
}

/** The object as everybody sees it who reaches its holders; computed once per look. */
export interface Scene {
  readonly object: ObjectState
  readonly bounds: TargetBounds
  /** Reachable holders of the side, best ranked first, when every one of them is well known to be proven. */
  readonly ring: readonly Held[]
  readonly firm: boolean
}

/** A copy is beyond doubt when two challengers say so, who are not too old and were heard. */
export function isFirm(parts: GlanceParts, viewer: Machine, held: Held): boolean {
  const { world, views, options } = parts
  const oldestMs = world.nowMs - options.proofAgeMsMax
  let words = 0
  for (const word of held.words) {
    const own = word.challenger === viewer
    if (own && word.corruptMs >= 0) return false
    if (word.wrongMs >= 0 && word.wrongMs > word.provenMs) return false
    if (word.provenMs <= oldestMs) continue
    if (own) return true
    if (views.hasHeard(viewer, word.challenger, word.provenMs)) words++
  }
  return words >= 2
}

export function glanceOfHolder(parts: GlanceParts, viewer: Machine, scene: Scene): Glance {
  const { world, options, disks } = parts
  const { ring, bounds } = scene
  const nowMs = world.nowMs
  if (!scene.firm || ring.length > bounds.copiesMax || ring.length <= options.challengersPerCopy) {
    return { mayAct: true, againAtMs: Number.POSITIVE_INFINITY }
  }
  if (disks.of(viewer).usedBytes > options.roomShare * viewer.member.capacityBytes) {
    return { mayAct: true, againAtMs: Number.POSITIVE_INFINITY }
  }
  const self = ring.findIndex((held) => held.keeper === viewer)
  let againAtMs = Number.POSITIVE_INFINITY
  // We challenge whoever has us among its next neighbours down the ranking: those just above us.
  for (let above = 1; above <= options.challengersPerCopy; above++) {
    const held = ring[(self - above + ring.length) % ring.length]
    if (held === undefined || held.keeper === viewer) continue
    const dueMs = dueAtMs(parts, viewer, held, diceOf(scene.object, viewer))
    if (dueMs <= nowMs) return { mayAct: true, againAtMs }
    againAtMs = Math.min(againAtMs, dueMs)
  }
  return { mayAct: false, againAtMs }
}

/** When the viewer, being a challenger, asks this copy next. */
function dueAtMs(parts: GlanceParts, viewer: Machine, held: Held, dice: number): number {
  const { options, views } = parts
  const own = held.words.find((word) => word.challenger === viewer)
  if (own !== undefined && own.provenMs >= 0) {
    const everyMs = options.proofEveryMs * (1 - options.proofSpreadShare * dice)
    return Math.max(own.provenMs + everyMs, own.askedMs + options.proofRetryMs)
  }
  const settledMs =
    Math.max(held.sinceMs, views.reachableSinceMs(viewer, held.keeper)) + options.proofSettleMs
  // Proven by others it is due at once; a claim settles first. Firm copies are proven.
  if (isFirm(parts, viewer, held)) return own === undefined ? 0 : own.askedMs + options.proofRetryMs
  return settledMs
}

export function glanceOfOther(parts: GlanceParts, viewer: Machine, scene: Scene): Glance {
  const { world, disks, options } = parts
  const { object, bounds } = scene
  const ask = { mayAct: true, againAtMs: Number.POSITIVE_INFINITY }
  // With few holders the others are challengers, too.
  if (!scene.firm || scene.ring.length <= options.challengersPerCopy) return ask
  let standing = 0
  let expected = 0
  let zoned = false
  for (const held of object.copies) {
    const awayMs = world.awayMs(viewer, held.keeper)
    if (awayMs >= parts.returnMsOf(held.keeper)) continue
    if (!parts.views.hasHeard(viewer, held.keeper, held.sinceMs)) continue
    if (!isFirm(parts, viewer, held)) continue
    expected++
    if (awayMs < options.repairDelayMs) standing++
    if (held.keeper.member.zone !== undefined) zoned = true
  }
  if (standing < bounds.copiesMin || expected < bounds.copiesTarget) return ask
  // One zone with too many may mean that a copy is missing elsewhere.
  if (zoned && isCrowded(object, bounds.copiesMin)) return ask
  if (expected > bounds.copiesTarget) return spared
  if (viewer.member.zone !== undefined) return ask
  // Who has no seat moves nothing: count those before us who surely have one.
  let before = 0
  for (const index of world.ranked(object.group)) {
    const machine = world.machine(index)
    if (machine === viewer) return ask
    if (world.awayMs(viewer, machine) >= parts.returnMsOf(machine)) continue
    const held = object.copies.find((one) => one.keeper === machine)
    if (held === undefined ? !disks.of(machine).full : isFirm(parts, viewer, held)) before++
    if (before >= bounds.copiesTarget) return spared
  }
  return ask
}

export function isCrowded(object: ObjectState, copiesMin: number): boolean {
  const zones = object.copies.map((held) => held.keeper.member.zone)
  return zones.some(
    (zone) => zone !== undefined && zones.filter((other) => other === zone).length > zoneMaxOf(copiesMin)
  )
}
