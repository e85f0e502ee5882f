// Members, their lives and who reaches whom: the ground truth of a simulated pool. Every life is drawn before
// the first event, so that all arms of a run see the same weather whatever they do in it.

import { nodeIdOf, operatorIdOf } from '@commonhold/core'
import { Ranking, spreadZones } from '../../packages/pinning/src/plan/ranking.ts'
import type { Member } from '../../packages/pinning/src/roster/member.ts'
import { Agenda } from './agenda.ts'
import { Chance } from './chance.ts'
import { dayMs, hourMs, type Life, minuteMs, type Profile } from './profiles.ts'

export interface WorldOptions {
  readonly seed: number
  readonly profile: Profile
  readonly members: number
  readonly groups: number
  readonly durationMs: number
  /** Bytes of a simulated object: it stands for all objects of its group. */
  readonly objectBytes: number
  /** Copies a fair share is counted with, when capacities are set. */
  readonly copiesExpected: number
}

/** A machine and everything that ever happens to it. */
export interface Machine {
  readonly index: number
  readonly member: Member
  readonly life: Life
  readonly bitsPerSecond: number
  readonly lies: boolean
  readonly atProvider: boolean
  readonly joinsMs: number
  readonly leavesMs: number
  present: boolean
  gone: boolean
  up: boolean
  upSinceMs: number
  downSinceMs: number
  /** 0 or, cut off by a partition, 1. */
  side: 0 | 1
  sideSinceMs: number
}

/** What a policy under test is told. */
export interface Arm {
  cameUp(machine: Machine): void
  /** Already down when told. */
  wentDown(machine: Machine): void
  /** For ever, with its bytes; `wentDown` was told before. */
  left(machine: Machine): void
  joined(machine: Machine): void
  /** The partition began or ended. */
  cut(): void
}

/** The roster is cleared of members that left for good after so long. */
const forgottenAfterMs = 30 * dayMs
/** A new member takes the place of one that left, on average so much later. */
const replacedAfterMs = dayMs
/** After the loss of a provider, so much later: people must find each other first. */
const resettledAfterMs = 10 * dayMs
/** Members of a group's ranking kept at hand; more than anybody asks for. */
const rankedAtHand = 40
/** Who is near enough to the top of a group to be asked for a copy when it comes up. */
const nearTop = 24

export class World {
  readonly options: WorldOptions
  readonly agenda: Agenda = new Agenda()
  readonly machines: Machine[] = []
  readonly arms: Arm[] = []
  /** Own dice of each machine's weather. */
  readonly #weather: Chance[] = []
  readonly #chance: Chance
  /** `order[group]`: every machine that will ever be, best first. */
  readonly #order: Uint16Array[] = []
  /** `places[group][machine]`: its place in that order. */
  readonly #places: Uint16Array[] = []
  readonly #ranked: (readonly number[])[] = []
  readonly #near: Set<number>[] = []
  /** When two machines last saw each other, `a * n + b`; −1 never. */
  #together: Float64Array = new Float64Array()
  presentCount = 0
  readonly #upOn: [number, number] = [0, 0]
  /** When members went away, of late; cut off counts. */
  readonly #wentMs: number[] = []

  constructor(options: WorldOptions) {
    this.options = options
    this.#chance = new Chance(options.seed)
    this.#populate()
    this.#rank()
  }

  get nowMs(): number {
    return this.agenda.nowMs
  }

  /** Begins all lives; arms must be there, and begin when the first members are together. */
  start(): void {
    const { durationMs, groups, profile } = this.options
    for (const machine of this.machines) machine.present = machine.joinsMs === 0
    for (let group = 0; group < groups; group++) this.#rankAnew(group, [])
    for (const machine of this.machines) {
      this.agenda.at(machine.joinsMs, () => this.#join(machine))
      if (machine.leavesMs < durationMs) this.agenda.at(machine.leavesMs, () => this.#leave(machine))
    }
    if (profile.partitionsEveryMs !== undefined) this.#partitionLater(profile.partitionsEveryMs)
  }

  machine(index: number): Machine {
    const machine = this.machines[index]
    if (machine === undefined) throw new Error(`no machine ${index}`)
    return machine
  }

  reaches(a: Machine, b: Machine): boolean {
    return a === b || (a.up && b.up && a.side === b.side)
  }

  /** When they last saw each other; now while they do, −1 when they never did. */
  togetherMs(a: Machine, b: Machine): number {
    if (this.reaches(a, b)) return this.nowMs
    return this.#together[a.index * this.machines.length + b.index] ?? -1
  }

  /** Members that are up on this side of the partition, if there is one. */
  upOn(side: 0 | 1): number {
    return this.#upOn[side]
  }

  /** Members that went away within the last `ms`, at most an hour or two. */
  wentWithin(ms: number): number {
    while ((this.#wentMs[0] ?? this.nowMs) < this.nowMs - ms) this.#wentMs.shift()
    return this.#wentMs.length
  }

  /** How long `viewer` has not reached `other`; a run of the viewer knows nobody at its start. */
  awayMs(viewer: Machine, other: Machine): number {
    if (this.reaches(viewer, other)) return 0
    return Math.max(1, this.nowMs - Math.max(this.togetherMs(viewer, other), viewer.upSinceMs))
  }

  /** The members a group belongs to, best first, as the roster of this moment says. */
  ranked(group: number): readonly number[] {
    return this.#ranked[group] ?? []
  }
  readonly #indexOf = new Map<string, number>()

  /** Groups in which a machine is near the top. */
  near(machine: Machine): ReadonlySet<number> {
    return this.#near[machine.index] ?? new Set()
  }

  readonly #poolId: Uint8Array = new Uint8Array(32).fill(7)

  #populate(): void {
    const { members, durationMs, profile } = this.options
    const chance = this.#chance
    const fallsMs =
      profile.providerGoesAt === undefined ? Number.POSITIVE_INFINITY : profile.providerGoesAt * durationMs
    for (let seat = 0; seat < members; seat++) {
      const life = drawLife(profile, seat / members)
      // A seat is taken by one machine after the other.
      for (let joinsMs = 0; joinsMs < durationMs; ) {
        // Nobody moves in with a provider that is gone.
        const atProvider = chance.unit() < profile.providerShare && joinsMs < fallsMs
        const ownLeaveMs = joinsMs + chance.exponential(life.leavesAfterMs)
        const falls = atProvider && ownLeaveMs > fallsMs
        const leavesMs = falls ? fallsMs : ownLeaveMs
        this.#addMachine(life, joinsMs, leavesMs, atProvider)
        joinsMs = leavesMs + chance.exponential(falls ? resettledAfterMs : replacedAfterMs)
      }
    }
    this.#together = new Float64Array(this.machines.length ** 2).fill(-1)
  }

  #addMachine(life: Life, joinsMs: number, leavesMs: number, atProvider: boolean): void {
    const { profile, groups, members, objectBytes, copiesExpected, seed } = this.options
    const chance = this.#chance
    const index = this.machines.length
    // Thrice the room that is needed, on disks of very different size. No weight reaches four medians,
    // so the order among those present is the order among all, restricted.
    // A disk that a dozen objects fill says nothing about disks: small pools have larger ones.
    const fairBytes = Math.max((groups * copiesExpected) / members, 30) * objectBytes
    const size = [1, 1, 2, 2, 3][chance.below(5)] ?? 1
    const zone = atProvider ? 'provider' : `site ${chance.below(40)}`
    const member: Member = {
      node: nodeIdOf(chance.bytes(32)),
      operator: operatorIdOf(chance.bytes(32)),
      class: life.class,
      capacityBytes: Math.round((3 * fairBytes * size) / 1.8),
      counted: true,
      ...(profile.zonesKnown && profile.providerShare > 0 ? { zone } : {})
    }
    this.#indexOf.set(member.node, index)
    this.#weather.push(new Chance(seed ^ Math.imul(index + 1, 0x9e3779b1)))
    this.#near.push(new Set())
    this.machines.push({
      index,
      member,
      life,
      bitsPerSecond: chance.logNormal(life.linkBitsPerSecond, 0.7),
      lies: chance.unit() < profile.liarShare,
      atProvider,
      joinsMs,
      leavesMs,
      present: false,
      gone: false,
      up: false,
      upSinceMs: 0,
      downSinceMs: 0,
      side: 0,
      sideSinceMs: 0
    })
  }

  /** Once for all that will ever be: who is present is picked out of it. Zones are spread among those. */
  #rank(): void {
    const plain = this.machines.map(({ member }) => {
      const { zone: _, ...rest } = member
      return rest
    })
    const ranking = new Ranking(this.#poolId, plain)
    for (let group = 0; group < this.options.groups; group++) {
      const { counted } = ranking.of(group)
      const order = Uint16Array.from(counted, (member) => this.#indexOf.get(member.node) ?? 0)
      const places = new Uint16Array(order.length)
      for (const [place, index] of order.entries()) places[index] = place
      this.#order.push(order)
      this.#places.push(places)
    }
  }

  #join(machine: Machine): void {
    this.presentCount++
    if (!machine.present) {
      machine.present = true
      this.#rosterChanged(machine)
    }
    const weather = this.#weatherOf(machine)
    const { upMeanMs, downMedianMs } = machine.life
    const availability = upMeanMs / (upMeanMs + downMedianMs * Math.E ** 2)
    for (const arm of this.arms) arm.joined(machine)
    // The first members are met in the middle of their lives, newcomers as they come.
    if (machine.joinsMs === 0 && weather.unit() > availability) {
      this.agenda.after(weather.logNormal(downMedianMs, 2) * weather.unit(), () => this.#rise(machine))
    } else this.#rise(machine, machine.joinsMs === 0 ? weather.unit() : 1)
  }

  #rise(machine: Machine, part = 1): void {
    if (machine.gone) return
    machine.up = true
    machine.upSinceMs = this.nowMs
    this.#upOn[machine.side]++
    const weather = this.#weatherOf(machine)
    this.agenda.after(Math.max(minuteMs, weather.weibull(machine.life.upMeanMs) * part), () =>
      this.#fall(machine)
    )
    for (const arm of this.arms) arm.cameUp(machine)
  }

  #fall(machine: Machine): void {
    if (!machine.up) return
    this.#down(machine)
    const weather = this.#weatherOf(machine)
    this.agenda.after(weather.logNormal(machine.life.downMedianMs, 2), () => this.#rise(machine))
  }

  #down(machine: Machine): void {
    this.#noteTogether(machine)
    machine.up = false
    machine.downSinceMs = this.nowMs
    this.#upOn[machine.side]--
    this.#wentMs.push(this.nowMs)
    for (const arm of this.arms) arm.wentDown(machine)
  }

  #leave(machine: Machine): void {
    if (machine.up) this.#down(machine)
    machine.gone = true
    for (const arm of this.arms) arm.left(machine)
    this.agenda.after(forgottenAfterMs, () => {
      machine.present = false
      this.presentCount--
      this.#rosterChanged(machine)
    })
  }

  #noteTogether(machine: Machine): void {
    const n = this.machines.length
    for (const other of this.machines) {
      if (other === machine || !this.reaches(machine, other)) continue
      this.#together[machine.index * n + other.index] = this.nowMs
      this.#together[other.index * n + machine.index] = this.nowMs
    }
  }

  /** Only groups with the one who came or went among the members at hand, or better than the last of them. */
  #rosterChanged(machine: Machine): void {
    const { groups } = this.options
    for (let group = 0; group < groups; group++) {
      const ranked = this.#ranked[group] ?? []
      const last = ranked.at(-1)
      const concerned = machine.present
        ? ranked.length < rankedAtHand ||
          last === undefined ||
          this.#place(group, machine.index) < this.#place(group, last) ||
          machine.member.zone !== undefined
        : this.#place(group, machine.index) <= this.#place(group, last ?? machine.index)
      if (concerned) this.#rankAnew(group, ranked)
    }
  }

  #rankAnew(group: number, before: readonly number[]): void {
    const present: Member[] = []
    for (const index of this.#order[group] ?? []) {
      const machine = this.machine(index)
      if (machine.present) present.push(machine.member)
      if (present.length === rankedAtHand) break
    }
    const spread = this.options.profile.providerShare > 0 ? spreadZones(present) : present
    const after = spread.map((member) => this.#indexOf.get(member.node) ?? 0)
    for (const index of before.slice(0, nearTop)) this.#near[index]?.delete(group)
    for (const index of after.slice(0, nearTop)) this.#near[index]?.add(group)
    this.#ranked[group] = after
  }

  #place(group: number, index: number): number {
    return this.#places[group]?.[index] ?? 0
  }

  #partitionLater(everyMs: number): void {
    this.agenda.after(this.#chance.exponential(everyMs), () => {
      for (const machine of this.machines) if (machine.up) this.#noteTogether(machine)
      this.#sides(() => (this.#chance.unit() < 1 / 3 ? 1 : 0))
      this.agenda.after(this.#chance.logNormal(hourMs, 1), () => {
        for (const machine of this.machines) if (machine.up) this.#noteTogether(machine)
        this.#sides(() => 0)
        this.#partitionLater(everyMs)
      })
    })
  }

  #sides(draw: () => 0 | 1): void {
    for (const machine of this.machines) {
      const side = draw()
      if (side === machine.side) continue
      if (machine.up) {
        this.#upOn[machine.side]--
        this.#upOn[side]++
        this.#wentMs.push(this.nowMs)
      }
      machine.sideSinceMs = this.nowMs
      machine.side = side
    }
    for (const arm of this.arms) arm.cut()
  }

  #weatherOf(machine: Machine): Chance {
    const weather = this.#weather[machine.index]
    if (weather === undefined) throw new Error(`no weather for machine ${machine.index}`)
    return weather
  }
}

function drawLife(profile: Profile, at: number): Life {
  let sum = 0
  for (const { share, life } of profile.lives) {
    sum += share
    if (at < sum) return life
  }
  throw new Error('the shares of a profile must add up to 1')
}
