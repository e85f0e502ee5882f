// Pulls under simulated lines: the queue of `repair.ts` as plain events. A job waits from when it was first wanted,
// the plan is asked again before it begins, sources are asked whether another copy is wanted, and a machine
// or a line that goes down ends it.

import type { KeepingOptions } from '../../packages/pinning/src/keep/keeping-options.ts'
import type { Action, Plan } from '../../packages/pinning/src/plan/plan.ts'
import type { Chance } from './chance.ts'
import type { Job, ObjectState } from './views.ts'
import type { Machine, World } from './world.ts'

type Fetch = Extract<Action, { kind: 'fetch' }>

export interface TransferPorts {
  plan(object: ObjectState, machine: Machine): Plan
  presentTo(object: ObjectState, source: Machine): readonly Machine[]
  arrived(object: ObjectState, machine: Machine, urgency: number): void
  machineOf(node: string): Machine
}

interface Waiting {
  readonly object: ObjectState
  readonly job: Job
}

export class Transfers {
  readonly #world: World
  readonly #options: KeepingOptions
  readonly #chance: Chance
  readonly #ports: TransferPorts
  readonly #running = new Map<Machine, number>()
  /** Due, but all lines of the machine are busy. */
  readonly #waiting = new Map<Machine, Waiting[]>()
  readonly #jobsOf = new Map<Machine, Set<ObjectState>>()

  constructor(world: World, options: KeepingOptions, chance: Chance, ports: TransferPorts) {
    this.#world = world
    this.#options = options
    this.#chance = chance
    this.#ports = ports
  }

  want(object: ObjectState, machine: Machine, fetch: Fetch): void {
    const jitterMs = fetch.afterMs > 0 ? this.#chance.unit() * this.#options.repairStaggerMs * 0.5 : 0
    const dueMs = this.#world.nowMs + fetch.afterMs + jitterMs
    const known = object.jobs.get(machine)
    if (known === undefined) {
      const job = { dueMs, urgency: fetch.urgency, copies: fetch.copies, failures: 0, running: false }
      object.jobs.set(machine, job)
      this.#jobs(machine).add(object)
      this.#attemptAt(object, machine, job)
      return
    }
    known.urgency = fetch.urgency
    known.copies = fetch.copies
    if (known.failures > 0 || known.running || dueMs >= known.dueMs) return
    known.dueMs = dueMs
    this.#attemptAt(object, machine, known)
  }

  unwant(object: ObjectState, machine: Machine): void {
    if (object.jobs.get(machine)?.running === false) this.#forget(object, machine)
  }

  /** Jobs live in memory: the next run of the machine plans them anew. */
  wentDown(machine: Machine): void {
    for (const object of [...this.#jobs(machine)]) this.#forget(object, machine)
    this.#running.delete(machine)
    this.#waiting.delete(machine)
  }

  #forget(object: ObjectState, machine: Machine): void {
    object.jobs.delete(machine)
    this.#jobs(machine).delete(object)
  }

  #attemptAt(object: ObjectState, machine: Machine, job: Job): void {
    const { dueMs } = job
    this.#world.agenda.at(dueMs, () => {
      if (object.jobs.get(machine) === job && job.dueMs === dueMs && !job.running) {
        this.#attempt(object, machine, job)
      }
    })
  }

  #attempt(object: ObjectState, machine: Machine, job: Job): void {
    if ((this.#running.get(machine) ?? 0) >= this.#options.repairConcurrency) {
      this.#waitingOf(machine).push({ object, job })
      return
    }
    const plan = this.#ports.plan(object, machine)
    const fetch = plan.actions.find((action) => action.kind === 'fetch')
    if (fetch === undefined) {
      this.#forget(object, machine)
      return
    }
    job.copies = fetch.copies
    const sources = fetch.from.map((node) => this.#ports.machineOf(node))
    const asked = sources[0]
    if (asked !== undefined && this.#isEnough(object, machine, asked, job.copies)) {
      job.dueMs = this.#world.nowMs + this.#options.fetchIntentMs
      this.#attemptAt(object, machine, job)
      return
    }
    this.#begin(object, machine, job, sources)
  }

  #isEnough(object: ObjectState, asker: Machine, source: Machine, copies: number): boolean {
    object.intents = object.intents.filter(({ untilMs }) => untilMs > this.#world.nowMs)
    const counted = new Set(this.#ports.presentTo(object, source))
    // Whoever went away meanwhile is not waited for.
    for (const { machine } of object.intents) if (this.#world.reaches(source, machine)) counted.add(machine)
    counted.delete(asker)
    return counted.size >= copies
  }

  #begin(object: ObjectState, machine: Machine, job: Job, sources: readonly Machine[]): void {
    // Every block is verified on the way: a source without sound bytes costs a failure and is passed by.
    const source = sources.find((one) =>
      object.copies.some((held) => held.keeper === one && held.intact && this.#world.reaches(machine, one))
    )
    if (source === undefined) {
      this.#failed(object, machine, job)
      return
    }
    job.running = true
    this.#running.set(machine, (this.#running.get(machine) ?? 0) + 1)
    const { objectBytes } = this.#world.options
    // A line serves all its pulls; for the source we assume it serves four as well.
    const share = 1 / this.#options.repairConcurrency
    const bitsPerSecond = Math.min(
      machine.bitsPerSecond * share,
      source.bitsPerSecond * share,
      this.#options.repairBytesPerSecondMax * 8
    )
    const begunMs = this.#world.nowMs
    const takesMs = (objectBytes * 8000) / bitsPerSecond
    // What is pulled stands for the pictures of a group, each of which is there long before its intent lapses.
    object.intents.push({ machine, untilMs: begunMs + Math.max(this.#options.fetchIntentMs, takesMs) })
    this.#world.agenda.after(takesMs, () => {
      if (object.jobs.get(machine) !== job) return
      this.#running.set(machine, (this.#running.get(machine) ?? 1) - 1)
      const unbroken =
        this.#world.reaches(machine, source) &&
        source.upSinceMs <= begunMs &&
        source.sideSinceMs <= begunMs &&
        machine.sideSinceMs <= begunMs
      if (unbroken) {
        this.#forget(object, machine)
        this.#ports.arrived(object, machine, job.urgency)
      } else {
        job.running = false
        this.#failed(object, machine, job)
      }
      this.#next(machine)
    })
  }

  #failed(object: ObjectState, machine: Machine, job: Job): void {
    job.failures++
    const { repairRetryMs, repairRetryMsMax } = this.#options
    const waitMs = Math.min(repairRetryMs * 2 ** (job.failures - 1), repairRetryMsMax)
    job.dueMs = this.#world.nowMs + waitMs * (0.75 + 0.5 * this.#chance.unit())
    this.#attemptAt(object, machine, job)
  }

  #next(machine: Machine): void {
    const waiting = this.#waitingOf(machine)
    waiting.sort((a, b) => a.job.urgency - b.job.urgency || a.job.dueMs - b.job.dueMs)
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { object, job } = next
      if (object.jobs.get(machine) !== job || job.running) continue
      this.#attempt(object, machine, job)
      if ((this.#running.get(machine) ?? 0) >= this.#options.repairConcurrency) return
    }
  }

  #jobs(machine: Machine): Set<ObjectState> {
    const jobs = this.#jobsOf.get(machine) ?? new Set<ObjectState>()
    this.#jobsOf.set(machine, jobs)
    return jobs
  }

  #waitingOf(machine: Machine): Waiting[] {
    const waiting = this.#waiting.get(machine) ?? []
    this.#waiting.set(machine, waiting)
    return waiting
  }
}
