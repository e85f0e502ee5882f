// What else could be done, in the same weather: nothing; one copy for each that is really gone, known by an
// oracle; and ipfs-cluster's way (`pnet`, monitor and allocator of v1): a missed heartbeat counts after 30 s,
// pins below their minimum are allocated up to their maximum, and what comes back is dropped.

import type { Meter } from './meter.ts'
import type { Arm, Machine, World } from './world.ts'

export interface RivalPolicy {
  readonly copiesMin: number
  readonly copiesMax: number
  /** Copies at the beginning. */
  readonly copiesFirst: number
  /** `absence`: missing after `delayMs`; `departure`: only who never returns; `never`. */
  readonly repairs: 'absence' | 'departure' | 'never'
  readonly delayMs: number
  /** Whether a copy that comes back counts again. */
  readonly reintegrates: boolean
}

interface Allocation {
  readonly machine: Machine
  /** Whether the bytes are there yet. */
  stored: boolean
  /** Whether it is still counted on. */
  counted: boolean
}

export class Rival implements Arm {
  readonly #world: World
  readonly #policy: RivalPolicy
  readonly meter: Meter
  readonly #allocations: Allocation[][]
  readonly #heldBy = new Map<Machine, Set<number>>()

  constructor(world: World, policy: RivalPolicy, meter: Meter, objects: number) {
    this.#world = world
    this.#policy = policy
    this.meter = meter
    this.#allocations = Array.from({ length: objects }, () => [])
  }

  begin(): void {
    for (const object of this.#allocations.keys()) {
      for (const machine of this.#candidates(object).slice(0, this.#policy.copiesFirst)) {
        this.#allocationsOf(object).push({ machine, stored: true, counted: true })
        this.#held(machine).add(object)
        this.meter.store(object, 1, this.#world.nowMs)
        this.meter.reach(object, 1, this.#world.nowMs)
      }
    }
  }

  cameUp(machine: Machine): void {
    for (const object of [...this.#held(machine)]) {
      const allocation = this.#allocationsOf(object).find((one) => one.machine === machine)
      if (allocation === undefined) continue
      if (allocation.stored) this.meter.reach(object, 1, this.#world.nowMs)
      // Others may have waited for these bytes.
      this.#copy(object)
      if (!allocation.counted) {
        if (this.#policy.reintegrates) allocation.counted = true
        else if (this.#allocationsOf(object).some((one) => one.counted && one.stored)) {
          this.#drop(object, allocation)
        }
      }
    }
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const object of waiting) this.#copy(object)
  }
  readonly #waiting = new Set<number>()

  wentDown(machine: Machine): void {
    for (const object of this.#held(machine)) {
      const allocation = this.#allocationsOf(object).find((one) => one.machine === machine)
      if (allocation?.stored === true) this.meter.reach(object, -1, this.#world.nowMs)
    }
    if (this.#policy.repairs !== 'absence') return
    const downMs = this.#world.nowMs
    this.#world.agenda.after(this.#policy.delayMs, () => {
      if (machine.up && machine.upSinceMs > downMs) return
      for (const object of this.#held(machine)) {
        const allocation = this.#allocationsOf(object).find((one) => one.machine === machine)
        if (allocation !== undefined) allocation.counted = false
        this.#repair(object)
      }
    })
  }

  left(machine: Machine): void {
    for (const object of [...this.#held(machine)]) {
      const all = this.#allocationsOf(object)
      const at = all.findIndex((one) => one.machine === machine)
      const [allocation] = all.splice(at, 1)
      if (allocation?.stored === true) this.meter.store(object, -1, this.#world.nowMs)
      if (this.#policy.repairs !== 'never') this.#repair(object)
    }
    this.#heldBy.delete(machine)
  }

  joined(): void {}

  cut(): void {
    // Its members speak over one hub; a partition is none of its weathers.
  }

  #repair(object: number): void {
    const all = this.#allocationsOf(object)
    const counted = all.filter((one) => one.counted).length
    if (counted >= this.#policy.copiesMin || this.meter.isLost(object)) return
    const taken = new Set(all.map((one) => one.machine))
    const missing = this.#policy.copiesMax - counted
    for (const machine of this.#candidates(object)
      .filter((one) => !taken.has(one))
      .slice(0, missing)) {
      all.push({ machine, stored: false, counted: true })
      this.#held(machine).add(object)
    }
    this.#copy(object)
  }

  /** Fills allocations that wait, when there is a source; else the next to come up brings it. */
  #copy(object: number): void {
    const all = this.#allocationsOf(object)
    const source = all.find((one) => one.stored && one.machine.up)
    if (source === undefined) {
      if (all.some((one) => !one.stored)) this.#waiting.add(object)
      return
    }
    const { objectBytes } = this.#world.options
    for (const allocation of all) {
      if (allocation.stored || !allocation.machine.up) continue
      const { machine } = allocation
      const bitsPerSecond = Math.min(source.machine.bitsPerSecond, machine.bitsPerSecond)
      const begunMs = this.#world.nowMs
      this.#world.agenda.after((objectBytes * 8000) / bitsPerSecond, () => {
        const still = this.#allocationsOf(object).includes(allocation) && !allocation.stored
        const unbroken = [source.machine, machine].every((one) => one.up && one.upSinceMs <= begunMs)
        if (!still || !unbroken || !source.stored) {
          if (still) this.#waiting.add(object)
          return
        }
        allocation.stored = true
        this.meter.copiesMade++
        this.meter.bytesMoved += objectBytes
        this.meter.store(object, 1, this.#world.nowMs)
        this.meter.reach(object, 1, this.#world.nowMs)
      })
    }
  }

  #drop(object: number, allocation: Allocation): void {
    const all = this.#allocationsOf(object)
    all.splice(all.indexOf(allocation), 1)
    this.#held(allocation.machine).delete(object)
    if (!allocation.stored) return
    allocation.stored = false
    this.meter.store(object, -1, this.#world.nowMs)
    if (allocation.machine.up) this.meter.reach(object, -1, this.#world.nowMs)
  }

  #candidates(object: number): Machine[] {
    return this.#world
      .ranked(object % this.#world.options.groups)
      .map((index) => this.#world.machine(index))
      .filter((machine) => machine.up)
  }

  #allocationsOf(object: number): Allocation[] {
    return this.#allocations[object] ?? []
  }

  #held(machine: Machine): Set<number> {
    const held = this.#heldBy.get(machine) ?? new Set<number>()
    this.#heldBy.set(machine, held)
    return held
  }
}
