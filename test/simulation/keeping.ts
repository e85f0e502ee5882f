// The policy under test: the production plan, census rules and proof schedule decide for every simulated member,
// each from its own view and about its own bytes; keepers, network and bytes are simulated.
// `glance.ts` says when a member need not be asked; that is held against the plan itself by samples.

import type { KeepingOptions } from '../../packages/pinning/src/keep/keeping-options.ts'
import { type Action, type Plan, planObject } from '../../packages/pinning/src/plan/plan.ts'
import { boundsFor, returnMsOf, type TargetBounds } from '../../packages/pinning/src/plan/tally.ts'
import type { KeeperClass } from '../../packages/pinning/src/roster/member.ts'
import { Calm } from './calm.ts'
import type { Chance } from './chance.ts'
import { Disks } from './disks.ts'
import { type GlanceParts, glanceOfHolder, glanceOfOther, isFirm, type Scene, spared } from './glance.ts'
import type { Meter } from './meter.ts'
import { hourMs, minuteMs, yearMs } from './profiles.ts'
import { Transfers } from './transfers.ts'
import { type Held, type ObjectState, Reach, Views, wordOf } from './views.ts'
import type { Arm, Machine, World } from './world.ts'

export interface KeepingSetup {
  readonly copiesMin: number
  readonly options: KeepingOptions
  /** Instead of what the roster says. */
  readonly classOf?: (machine: Machine) => KeeperClass
  /** One look of so many that were spared is made after all, and must find nothing to do. */
  readonly checkEvery: number
}

export interface Deeds {
  /** Copies made below the minimum, up to the target, and for a better place. */
  repairs: number
  fills: number
  moves: number
  proofs: number
  proofsWrong: number
  falseAccusations: number
  releases: number
  /** Releases that left fewer than `copiesMin` sound copies at reachable members. */
  releasesUnsafe: number
  plans: number
  glances: number
  checked: number
}

/** One rotten block of an object of this many. */
const blocksPerObject = 64

export class Keeping implements Arm {
  readonly #world: World
  readonly #setup: KeepingSetup
  readonly meter: Meter
  readonly #chance: Chance
  readonly #views: Views
  readonly #disks: Disks
  readonly #transfers: Transfers
  readonly #parts: GlanceParts
  readonly #calm: Calm
  readonly #objects: ObjectState[]
  readonly #heldBy: Set<number>[]
  readonly deeds: Deeds = {
    repairs: 0,
    fills: 0,
    moves: 0,
    proofs: 0,
    proofsWrong: 0,
    falseAccusations: 0,
    releases: 0,
    releasesUnsafe: 0,
    plans: 0,
    glances: 0,
    checked: 0
  }

  constructor(world: World, setup: KeepingSetup, parts: { meter: Meter; objects: number; chance: Chance }) {
    this.#world = world
    this.#setup = setup
    this.meter = parts.meter
    this.#chance = parts.chance
    this.#disks = new Disks(world.machines, setup.options)
    this.#views = new Views(world, this.#disks, setup)
    const { options } = setup
    this.#parts = {
      world,
      views: this.#views,
      disks: this.#disks,
      options,
      returnMsOf: (machine) => returnMsOf({ class: setup.classOf?.(machine) ?? machine.life.class }, options)
    }
    this.#calm = new Calm(this.#parts)
    this.#heldBy = world.machines.map(() => new Set())
    this.#objects = Array.from({ length: parts.objects }, (_, id) => ({
      id,
      group: id % world.options.groups,
      copies: [],
      jobs: new Map(),
      intents: [],
      reviewMs: Number.POSITIVE_INFINITY,
      informed: new Map()
    }))
    this.#transfers = new Transfers(world, setup.options, parts.chance, {
      plan: (object, machine) => this.#plan(object, machine),
      presentTo: (object, source) => this.#views.present(object, source),
      arrived: (object, machine, urgency) => this.#arrived(object, machine, urgency),
      machineOf: (node) => this.#views.machineOf(node)
    })
  }

  begin(): void {
    for (const object of this.#objects) {
      const up = this.#world.ranked(object.group).filter((index) => this.#world.machine(index).up)
      for (const index of up.slice(0, this.#bounds(object).copiesTarget)) {
        this.#addCopy(object, this.#world.machine(index))
      }
      this.#review(object, this.#setup.options.proofSettleMs * (1 + this.#chance.unit()))
    }
  }

  cameUp(machine: Machine): void {
    for (const id of this.#held(machine)) {
      const object = this.#object(id)
      const held = object.copies.find((one) => one.keeper === machine)
      if (held?.intact === true && machine.side === 0) this.meter.reach(id, 1, this.#world.nowMs)
      this.#look(object)
    }
    this.#lookWherePlaced(machine)
  }

  wentDown(machine: Machine): void {
    const { repairDelayMs, lastCopyDelayMs } = this.#setup.options
    this.#transfers.wentDown(machine)
    for (const id of this.#held(machine)) {
      const object = this.#object(id)
      const held = object.copies.find((one) => one.keeper === machine)
      if (held?.intact === true && machine.side === 0) this.meter.reach(id, -1, this.#world.nowMs)
      this.#review(object, this.meter.live(id) <= 1 ? lastCopyDelayMs : repairDelayMs)
    }
  }

  left(machine: Machine): void {
    for (const id of this.#held(machine)) {
      const held = this.#object(id).copies.find((one) => one.keeper === machine)
      if (held?.intact === true) this.meter.store(id, -1, this.#world.nowMs)
      if (held !== undefined) held.intact = false
    }
    this.#held(machine).clear()
  }

  joined(machine: Machine): void {
    this.#world.agenda.after(this.#setup.options.newcomerAgeMs + minuteMs, () =>
      this.#lookWherePlaced(machine)
    )
  }

  cut(): void {
    for (const object of this.#objects) {
      let reachable = 0
      for (const held of object.copies) {
        if (held.intact && held.keeper.up && held.keeper.side === 0) reachable++
      }
      for (; this.meter.live(object.id) < reachable; ) this.meter.reach(object.id, 1, this.#world.nowMs)
      for (; this.meter.live(object.id) > reachable; ) this.meter.reach(object.id, -1, this.#world.nowMs)
      this.#review(object, minuteMs)
      this.#world.agenda.after(this.#setup.options.repairDelayMs + minuteMs, () => this.#look(object))
    }
  }

  /** Groups in whose placement it stands without a copy: it may have to fetch or to challenge. */
  #lookWherePlaced(machine: Machine): void {
    if (!machine.up) return
    for (const group of this.#world.near(machine)) {
      for (let id = group; id < this.#objects.length; id += this.#world.options.groups) {
        const object = this.#object(id)
        if (object.copies.some((held) => held.keeper === machine)) continue
        let before = 0
        for (const index of this.#world.ranked(group)) {
          if (index === machine.index || before > this.#bounds(object).copiesTarget) break
          if (this.#world.machine(index).up) before++
        }
        if (before > this.#bounds(object).copiesTarget || this.#isNothingFor(object, machine)) continue
        this.#look(object)
      }
    }
  }

  /** Whether whoever has no copy has nothing to do there either. */
  #isNothingFor(object: ObjectState, viewer: Machine): boolean {
    return (
      this.#calm.untilMs(object, this.#bounds(object)) !== undefined && this.#calm.isInformed(object, viewer)
    )
  }

  #look(object: ObjectState): void {
    const world = this.#world
    object.reviewMs = Number.POSITIVE_INFINITY
    if (this.meter.isLost(object.id)) return
    this.#forgetPast(object)
    const calmUntilMs = this.#calm.untilMs(object, this.#bounds(object))
    let againAtMs = calmUntilMs ?? Number.POSITIVE_INFINITY
    for (const side of [0, 1] as const) {
      if (world.upOn(side) === 0) continue
      const scene = this.#scene(object, side, calmUntilMs !== undefined)
      for (const viewer of this.#concerned(object, side)) {
        const holds = scene.ring.some((held) => held.keeper === viewer)
        const calm = calmUntilMs !== undefined && this.#calm.isInformed(object, viewer)
        const glance = holds
          ? glanceOfHolder(this.#parts, viewer, scene)
          : calm
            ? spared
            : glanceOfOther(this.#parts, viewer, scene)
        this.deeds.glances++
        againAtMs = Math.min(againAtMs, glance.againAtMs)
        if (!calm) againAtMs = Math.min(againAtMs, this.#patienceEndsMs(object, viewer))
        if (glance.mayAct) {
          const plan = this.#plan(object, viewer)
          if (plan.reviewAfterMs !== undefined)
            againAtMs = Math.min(againAtMs, world.nowMs + plan.reviewAfterMs)
          this.#act(object, viewer, plan)
        } else {
          this.#transfers.unwant(object, viewer)
          if (this.deeds.glances % this.#setup.checkEvery === 0) this.#checkSpared(object, viewer)
        }
      }
    }
    if (againAtMs < Number.POSITIVE_INFINITY) this.#review(object, againAtMs - world.nowMs)
  }

  /** Copies of members that are no longer in the roster, and words that count nowhere any more. */
  #forgetPast(object: ObjectState): void {
    if (object.copies.some((held) => !held.keeper.present)) {
      object.copies = object.copies.filter((held) => held.keeper.present)
    }
    const oldestMs = this.#world.nowMs - this.#setup.options.proofAgeMsMax - hourMs
    for (const held of object.copies) {
      if (held.words.length <= 8) continue
      const fresh = held.words.filter(
        (word) => Math.max(word.provenMs, word.askedMs, word.wrongMs) > oldestMs
      )
      if (fresh.length < held.words.length) held.words = fresh
    }
  }

  /** Holders, the first of the ranking who are reachable, and whoever means to fetch it. */
  #concerned(object: ObjectState, side: 0 | 1): readonly Machine[] {
    const concerned: Machine[] = []
    const seen = new Reach(this.#setup.copiesMin)
    for (const index of this.#world.ranked(object.group)) {
      const machine = this.#world.machine(index)
      if (!machine.up || machine.side !== side) continue
      concerned.push(machine)
      seen.add(machine)
      if (seen.isEnough) break
    }
    const add = (machine: Machine): void => {
      if (machine.up && machine.side === side && !concerned.includes(machine)) concerned.push(machine)
    }
    for (const held of object.copies) add(held.keeper)
    for (const machine of object.jobs.keys()) add(machine)
    return concerned
  }

  #scene(object: ObjectState, side: 0 | 1, calm: boolean): Scene {
    const ranked = this.#world.ranked(object.group)
    const ring = object.copies
      .filter((held) => held.keeper.up && held.keeper.side === side)
      .map((held) => ({ held, place: ranked.indexOf(held.keeper.index) }))
      .sort((a, b) => a.place - b.place)
    const helds = ring.map(({ held }) => held)
    const firm =
      ring.length > 0 &&
      (ring[0]?.place ?? -1) >= 0 &&
      ((calm && helds.every((held) => this.#calm.isInformed(object, held.keeper))) ||
        helds.every((held) => this.#isFirmToAll(held, helds)))
    return { object, bounds: this.#bounds(object), ring: helds, firm }
  }

  #isFirmToAll(held: Held, ring: readonly Held[]): boolean {
    for (const one of ring) if (one !== held && !isFirm(this.#parts, one.keeper, held)) return false
    return true
  }

  /** When an absence that this member still waits out has lasted long enough for it. */
  #patienceEndsMs(object: ObjectState, viewer: Machine): number {
    const { repairDelayMs } = this.#setup.options
    let soonestMs = Number.POSITIVE_INFINITY
    for (const held of object.copies) {
      const awayMs = this.#world.awayMs(viewer, held.keeper)
      if (awayMs > 0 && awayMs < repairDelayMs) {
        soonestMs = Math.min(soonestMs, this.#world.nowMs + repairDelayMs - awayMs)
      }
    }
    return soonestMs
  }

  #review(object: ObjectState, afterMs: number): void {
    // A second of grace: whatever ripens at that very moment has ripened.
    const atMs = this.#world.nowMs + Math.max(afterMs, 0) + 1000
    if (object.reviewMs <= atMs) return
    object.reviewMs = atMs
    this.#world.agenda.at(atMs, () => {
      if (object.reviewMs === atMs) this.#look(object)
    })
  }

  #plan(object: ObjectState, viewer: Machine): Plan {
    this.deeds.plans++
    return planObject(this.#views.situation(object, viewer), this.#setup.options)
  }

  #checkSpared(object: ObjectState, viewer: Machine): void {
    this.deeds.checked++
    const { actions } = planObject(this.#views.situation(object, viewer, true), this.#setup.options)
    if (actions.length === 0) return
    const what = actions.map((action) => action.kind).join(', ')
    throw new Error(`a member was spared that would ${what}: object ${object.id}, machine ${viewer.index}`)
  }

  #act(object: ObjectState, viewer: Machine, plan: Plan): void {
    const fetch = plan.actions.find((action) => action.kind === 'fetch')
    if (fetch === undefined) this.#transfers.unwant(object, viewer)
    else this.#transfers.want(object, viewer, fetch)
    for (const action of plan.actions) {
      if (action.kind === 'prove') this.#challenge(object, viewer, this.#views.machineOf(action.keeper))
      if (action.kind === 'release') this.#release(object, viewer, action)
    }
  }

  #challenge(object: ObjectState, challenger: Machine, keeper: Machine): void {
    const { nowMs } = this.#world
    const held = object.copies.find((one) => one.keeper === keeper)
    if (held === undefined || !this.#world.reaches(challenger, keeper)) return
    const word = wordOf(held, challenger)
    word.askedMs = nowMs
    const own = object.copies.find((one) => one.keeper === challenger)
    if (own !== undefined && !own.intact) {
      // A liar cannot tell right from wrong; an honest challenger finds its own copy damaged.
      if (!challenger.lies) this.#dropCopy(object, own)
      return
    }
    const found = held.intact || (own === undefined && this.#chance.unit() >= held.damage)
    if (found) {
      this.deeds.proofs++
      word.provenMs = nowMs
      word.corruptMs = -1
      this.#calm.worded(object, held, challenger)
      if (keeper.lies) this.#dropSecretly(object, held)
    } else if (keeper.lies) {
      this.deeds.proofsWrong++
      if (held.intact) this.deeds.falseAccusations++
      word.provenMs = -1
      word.corruptMs = nowMs
      word.wrongMs = nowMs
      this.#calm.worded(object, held, challenger)
      this.#review(object, minuteMs)
    } else this.#dropCopy(object, held)
  }

  /** Once two have seen it, a liar lets the bytes go and says nothing. */
  #dropSecretly(object: ObjectState, held: Held): void {
    if (held.words.filter((word) => word.provenMs >= 0).length < 2) return
    this.#world.agenda.after(hourMs, () => {
      if (object.copies.includes(held)) this.#damage(object, held, 1)
    })
  }

  #damage(object: ObjectState, held: Held, share: number): void {
    if (!held.intact) return
    held.intact = false
    held.damage = share
    if (held.keeper.up && held.keeper.side === 0) this.meter.reach(object.id, -1, this.#world.nowMs)
    this.meter.store(object.id, -1, this.#world.nowMs)
  }

  #release(object: ObjectState, machine: Machine, action: Extract<Action, { kind: 'release' }>): void {
    const { nowMs } = this.#world
    const { options, copiesMin } = this.#setup
    const own = object.copies.find((one) => one.keeper === machine)
    if (own === undefined || nowMs < own.releaseAfterMs) return
    own.releaseAfterMs = nowMs + options.releaseRetryMs * (0.5 + this.#chance.unit())
    if (nowMs < own.heldUntilMs) return
    const holders = object.copies.filter(
      (held) =>
        held.keeper !== machine &&
        action.askHolds.includes(held.keeper.member.node) &&
        this.#world.reaches(machine, held.keeper) &&
        held.intact
    )
    this.deeds.proofs += holders.length
    if (holders.length < copiesMin) return
    for (const held of holders) {
      held.heldUntilMs = nowMs + options.holdMs
      const word = wordOf(held, machine)
      word.provenMs = nowMs
      word.askedMs = nowMs
      this.#calm.worded(object, held, machine)
    }
    this.#dropCopy(object, own)
    this.deeds.releases++
    if (this.meter.live(object.id) < copiesMin && machine.side === 0) this.deeds.releasesUnsafe++
  }

  #arrived(object: ObjectState, machine: Machine, urgency: number): void {
    if (urgency < 1000) this.deeds.repairs++
    else if (urgency < 2000) this.deeds.fills++
    else this.deeds.moves++
    this.meter.copiesMade++
    this.meter.bytesMoved += this.#world.options.objectBytes
    this.#addCopy(object, machine)
    this.#look(object)
    this.#review(object, this.#setup.options.proofSettleMs)
  }

  #addCopy(object: ObjectState, keeper: Machine): void {
    const { nowMs } = this.#world
    const held: Held = {
      keeper,
      sinceMs: nowMs,
      intact: true,
      damage: 0,
      words: [],
      releaseAfterMs: 0,
      heldUntilMs: 0,
      firmUntilMs: Number.NEGATIVE_INFINITY
    }
    object.copies.push(held)
    this.#calm.spoke(object, keeper)
    this.#held(keeper).add(object.id)
    this.#disks.change(keeper, this.#world.options.objectBytes)
    this.meter.store(object.id, 1, nowMs)
    if (keeper.side === 0) this.meter.reach(object.id, 1, nowMs)
    const { rotPerYear } = this.#world.options.profile
    if (rotPerYear === 0) return
    this.#world.agenda.after(this.#chance.exponential(yearMs / rotPerYear), () => {
      if (object.copies.includes(held)) this.#damage(object, held, 1 / blocksPerObject)
    })
  }

  #dropCopy(object: ObjectState, held: Held): void {
    object.copies = object.copies.filter((one) => one !== held)
    this.#held(held.keeper).delete(object.id)
    this.#disks.change(held.keeper, -this.#world.options.objectBytes)
    if (held.intact) {
      if (held.keeper.up && held.keeper.side === 0) this.meter.reach(object.id, -1, this.#world.nowMs)
      this.meter.store(object.id, -1, this.#world.nowMs)
    }
    this.#review(object, minuteMs)
  }

  #bounds(object: ObjectState): TargetBounds {
    const ranked = this.#world.ranked(object.group)
    const known = this.#knownBounds.get(ranked)
    if (known !== undefined) return known
    const { copiesMin, classOf } = this.#setup
    const first = ranked.slice(0, copiesMin).map((index) => {
      const machine = this.#world.machine(index)
      return { class: classOf?.(machine) ?? machine.life.class }
    })
    const bounds = boundsFor(copiesMin, first)
    this.#knownBounds.set(ranked, bounds)
    return bounds
  }
  /** By the ranking they were made of. */
  readonly #knownBounds = new WeakMap<readonly number[], TargetBounds>()

  #held(machine: Machine): Set<number> {
    return this.#heldBy[machine.index] ?? new Set()
  }

  #object(id: number): ObjectState {
    const object = this.#objects[id]
    if (object === undefined) throw new Error(`no object ${id}`)
    return object
  }
}
