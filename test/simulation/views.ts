// What one member knows about one object: news reaches it when it is together with whom it comes from, and no
// sooner. Makes rows and words as the census keeps them and lets its production rules judge them.

import type { NodeId } from '@commonhold/core'
import {
  type CopyRow,
  type CopyView,
  copyOf,
  type WordRow
} from '../../packages/pinning/src/census/copy-state.ts'
import type { KeepingOptions } from '../../packages/pinning/src/keep/keeping-options.ts'
import { patientWith } from '../../packages/pinning/src/plan/by-size.ts'
import { type Candidate, isMassLoss, type Situation } from '../../packages/pinning/src/plan/plan.ts'
import { draw } from '../../packages/pinning/src/plan/ranking.ts'
import { type Copy, isPresent } from '../../packages/pinning/src/plan/tally.ts'
import { zoneMaxOf } from '../../packages/pinning/src/plan/zones.ts'
import type { KeeperClass } from '../../packages/pinning/src/roster/member.ts'
import type { Disks } from './disks.ts'
import { minuteMs } from './profiles.ts'
import type { Machine, World } from './world.ts'

/** What a challenger knows first hand, and tells others by receipts. Never is −1. */
export interface Word {
  readonly challenger: Machine
  provenMs: number
  askedMs: number
  corruptMs: number
  /** It told others that the answer was wrong. */
  wrongMs: number
}

/** A copy somewhere, as it is and as it is spoken of. */
export interface Held {
  readonly keeper: Machine
  readonly sinceMs: number
  /** Every byte is there. The truth; no view reads it. */
  intact: boolean
  /** Share of its bytes that is not, once it is not intact. */
  damage: number
  words: Word[]
  releaseAfterMs: number
  heldUntilMs: number
  /** Whoever heard of everything calls it proven until then: see calm.ts. */
  firmUntilMs: number
}

export interface Job {
  dueMs: number
  urgency: number
  copies: number
  failures: number
  running: boolean
}

export interface ObjectState {
  readonly id: number
  readonly group: number
  copies: Held[]
  readonly jobs: Map<Machine, Job>
  intents: { readonly machine: Machine; readonly untilMs: number }[]
  reviewMs: number
  /** Who heard enough about every copy, and until when that is enough: see calm.ts. */
  readonly informed: Map<Machine, number>
}

const never = -1
const noBytes = new Uint8Array()
const pictureBytes = 2 * 1024 * 1024
/** Leaving on purpose, which drains first, is not simulated: who leaves here leaves without a word. */
const nobody: ReadonlySet<NodeId> = new Set()

/** Reachable members that a ranking is cut after: docs/durability.md, "How the simulator stays fast". */
export const reachableRanked = 9

export class Views {
  readonly #world: World
  readonly #disks: Disks
  readonly #options: KeepingOptions
  readonly #copiesMin: number
  readonly #classOf: (machine: Machine) => KeeperClass
  readonly #byNode = new Map<NodeId, Machine>()
  readonly #pools = new Map<Machine, { minute: number; massLoss: boolean }>()

  constructor(
    world: World,
    disks: Disks,
    setup: {
      options: KeepingOptions
      copiesMin: number
      classOf?: (machine: Machine) => KeeperClass
    }
  ) {
    this.#world = world
    this.#disks = disks
    this.#options = setup.options
    this.#copiesMin = setup.copiesMin
    this.#classOf = setup.classOf ?? ((machine) => machine.life.class)
    for (const machine of world.machines) this.#byNode.set(machine.member.node, machine)
  }

  machineOf(node: NodeId): Machine {
    const machine = this.#byNode.get(node)
    if (machine === undefined) throw new Error(`the plan named ${node}, which is no machine`)
    return machine
  }

  situation(object: ObjectState, viewer: Machine, whole = false): Situation {
    const disk = this.#disks.of(viewer)
    const held = object.copies.some((copy) => copy.keeper === viewer)
    return {
      copiesMin: this.#copiesMin,
      // What is pulled stands for a whole group; what is asked about is one picture of it.
      size: pictureBytes,
      dice: diceOf(object, viewer),
      ranking: this.#ranking(object, viewer, whole),
      copies: this.#copies(object, viewer),
      self: {
        node: viewer.member.node,
        operator: viewer.member.operator,
        copy: held ? 'repair' : 'none',
        allowed: true,
        full: disk.full,
        diskUse: disk.usedBytes / viewer.member.capacityBytes,
        stageUse: 0,
        leaving: false,
        mayRelease: this.#world.nowMs - viewer.upSinceMs >= this.#options.holdMs
      },
      pool: {
        operators: this.#world.presentCount,
        operatorsReached: this.#world.upOn(viewer.side) - (viewer.up ? 1 : 0),
        massLoss: this.#massLoss(viewer),
        passing: nobody
      }
    }
  }

  /** Whose copies a source counts when it is asked whether another is wanted. */
  present(object: ObjectState, source: Machine): Machine[] {
    return this.#copies(object, source)
      .filter((copy) => isPresent(copy, patientWith(pictureBytes, this.#options)))
      .map((copy) => this.machineOf(copy.node))
  }

  /** Whether news of that time from `source` has reached the viewer. */
  hasHeard(viewer: Machine, source: Machine, atMs: number): boolean {
    // Up since before: the source was up and together with it then, or there was a partition.
    if (viewer === source || (viewer.upSinceMs <= atMs && viewer.sideSinceMs === 0)) return true
    return this.#world.togetherMs(viewer, source) >= atMs
  }

  /** Somebody's word that the copy is bad, newer than what the viewer found itself. */
  doubts(viewer: Machine, held: Held): boolean {
    const own = held.words.find((word) => word.challenger === viewer)
    const ownMs = Math.max(own?.provenMs ?? never, own?.wrongMs ?? never)
    return held.words.some(
      (word) =>
        word.wrongMs > ownMs &&
        word.challenger !== viewer &&
        this.hasHeard(viewer, word.challenger, word.wrongMs)
    )
  }

  reachableSinceMs(viewer: Machine, other: Machine): number {
    const sameSideMs = viewer.side === other.side ? Math.max(viewer.sideSinceMs, other.sideSinceMs) : 0
    return Math.max(viewer.upSinceMs, other.upSinceMs, sameSideMs)
  }

  #copies(object: ObjectState, viewer: Machine): Copy[] {
    const copies: Copy[] = []
    const view = this.#viewOf(viewer)
    for (const held of object.copies) {
      if (held.keeper === viewer) {
        const { node, operator, counted, zone } = held.keeper.member
        const place = { class: this.#classOf(viewer), ...(zone === undefined ? {} : { zone }) }
        copies.push({ node, operator, counted, ...place, awayMs: 0, state: { kind: 'own' } })
        continue
      }
      if (!this.hasHeard(viewer, held.keeper, held.sinceMs)) continue
      const copy = copyOf(this.#row(object, viewer, held), this.#words(viewer, held), view)
      if (copy !== undefined) copies.push(copy)
    }
    return copies
  }

  #row(object: ObjectState, viewer: Machine, held: Held): CopyRow {
    const own = held.words.find((word) => word.challenger === viewer)
    const orNull = (ms: number | undefined): number | null => (ms === undefined || ms === never ? null : ms)
    return {
      root: noBytes,
      keeper: held.keeper.member.node,
      hash_group: object.group,
      claimed_ms: held.sinceMs,
      proven_ms: orNull(own?.provenMs),
      asked_ms: orNull(own?.askedMs),
      corrupt_ms: orNull(own?.corruptMs),
      declined_ms: null,
      doubted: this.doubts(viewer, held) ? 1 : 0,
      late_ms: null
    }
  }

  #words(viewer: Machine, held: Held): WordRow[] {
    const rows: WordRow[] = []
    for (const { challenger, provenMs } of held.words) {
      if (challenger === viewer || provenMs === never || !this.hasHeard(viewer, challenger, provenMs))
        continue
      rows.push({
        root: noBytes,
        keeper: held.keeper.member.node,
        challenger: challenger.member.node,
        store_epoch: noBytes,
        seq: 0,
        received_ms: provenMs,
        expires_wall_ms: provenMs + this.#options.proofAgeMsMax
      })
    }
    return rows
  }

  #viewOf(viewer: Machine): CopyView {
    const world = this.#world
    return {
      nowMs: world.nowMs,
      wallMs: world.nowMs,
      proofAgeMsMax: this.#options.proofAgeMsMax,
      countedOperators: world.presentCount,
      member: (node) => {
        const machine = this.#byNode.get(node)
        return machine?.present === true ? machine.member : undefined
      },
      isCounted: () => true,
      awayMs: (node) => world.awayMs(viewer, this.machineOf(node)),
      reachableSinceMs: (node) => this.reachableSinceMs(viewer, this.machineOf(node)),
      // Disks are not swapped here; a liar keeps its store's id and loses its bytes.
      storeEpochOf: () => undefined,
      // Each group is one object here, so there is no other in it to be suspected.
      suspicionOf: () => undefined
    }
  }

  /** The best few, and whoever holds it. */
  #ranking(object: ObjectState, viewer: Machine, whole: boolean): Candidate[] {
    const ranking: Candidate[] = []
    const seen = new Reach(this.#copiesMin)
    for (const index of this.#world.ranked(object.group)) {
      const machine = this.#world.machine(index)
      if (!whole && seen.isEnough && !object.copies.some((held) => held.keeper === machine)) continue
      const candidate = this.#candidate(viewer, machine)
      if (candidate.awayMs === 0) seen.add(machine)
      ranking.push(candidate)
    }
    return ranking
  }

  #candidate(viewer: Machine, machine: Machine): Candidate {
    const { node, operator } = machine.member
    return {
      node,
      operator,
      class: this.#classOf(machine),
      ...(machine.member.zone === undefined ? {} : { zone: machine.member.zone }),
      awayMs: this.#world.awayMs(viewer, machine),
      full: this.#disks.of(machine).full,
      declines: false,
      memberForMs: this.#world.nowMs - machine.joinsMs
    }
  }

  /** Fewer than this are no mass loss, whoever looks. */
  #massLossFrom(): number {
    const { massLossOperatorsMin, massLossShare } = this.#options
    return Math.max(massLossOperatorsMin, massLossShare * this.#world.presentCount)
  }

  /** As often as once a minute; what it depends on are minutes. */
  #massLoss(viewer: Machine): boolean {
    const minute = Math.floor(this.#world.nowMs / minuteMs)
    const known = this.#pools.get(viewer)
    if (known?.minute === minute) return known.massLoss
    const options = this.#options
    // Who went earlier than this is in no window that still counts.
    const horizonMs = options.massLossHoldMs + options.massLossWindowMs
    const oldEnough = this.#world.nowMs - viewer.upSinceMs > horizonMs
    if (oldEnough && this.#world.wentWithin(horizonMs) < this.#massLossFrom()) return false
    const away: number[] = []
    for (const machine of this.#world.machines) {
      if (!machine.present) continue
      const awayMs = this.#world.awayMs(viewer, machine)
      if (awayMs > 0 && awayMs <= horizonMs) away.push(awayMs)
    }
    const massLoss = isMassLoss(away, this.#world.presentCount, options)
    this.#pools.set(viewer, { minute, massLoss })
    return massLoss
  }
}

/** Whether so many of a ranking were passed that nobody behind them has a turn; the crowd of a zone has none either. */
export class Reach {
  readonly #zoneMax: number
  readonly #zones = new Map<string, number>()
  #count = 0

  constructor(copiesMin: number) {
    this.#zoneMax = zoneMaxOf(copiesMin)
  }

  get isEnough(): boolean {
    return this.#count >= reachableRanked
  }

  add(machine: Machine): void {
    const { zone } = machine.member
    if (zone !== undefined) {
      const count = this.#zones.get(zone) ?? 0
      this.#zones.set(zone, count + 1)
      if (count >= this.#zoneMax) return
    }
    this.#count++
  }
}

export function wordOf(held: Held, challenger: Machine): Word {
  const known = held.words.find((word) => word.challenger === challenger)
  if (known !== undefined) return known
  const word = { challenger, provenMs: never, askedMs: never, corruptMs: never, wrongMs: never }
  held.words.push(word)
  return word
}

/** Between 0 and 1, the same whenever this member looks at this object. */
export function diceOf(object: ObjectState, viewer: Machine): number {
  return draw(viewer.index, object.id, 1, object.group) / 2 ** 32
}
