// Record logs in memory that forget, at a crash, what was not durable: an append is durable when it has
// resolved. `lag` holds appends back until told, so that a test decides at which instant a node dies.

import { ConflictError } from '@commonhold/core'
import type { RecordLog, RecordLogs } from '../../src/components.ts'

export class MemoryLogs implements RecordLogs {
  #durable: Map<string, Uint8Array[]>
  #held: (() => void)[] | undefined
  #failure: Error | undefined
  #generation = 0
  readonly #open = new Set<string>()
  appends = 0

  constructor(durable: ReadonlyMap<string, readonly Uint8Array[]> = new Map()) {
    this.#durable = new Map([...durable].map(([name, records]) => [name, [...records]]))
  }

  async list(): Promise<readonly string[]> {
    return [...this.#durable.keys()]
  }

  async open(name: string): Promise<RecordLog> {
    if (this.#open.has(name)) throw new ConflictError(`The log ${name} is open already.`)
    this.#open.add(name)
    const generation = this.#generation
    const records = this.#durable.get(name) ?? []
    this.#durable.set(name, records)
    return {
      append: async (added) => {
        const failure = this.#failure
        if (failure !== undefined) throw failure
        await this.#gate()
        // A process that was killed meanwhile writes no more.
        if (generation !== this.#generation) return new Promise<never>(() => {})
        this.appends++
        records.push(...added.map((bytes) => bytes.slice()))
      },
      async *records() {
        for (const bytes of [...records]) yield bytes.slice()
      },
      [Symbol.asyncDispose]: async () => {
        if (generation === this.#generation) this.#open.delete(name)
      }
    }
  }

  /** Appends wait until `release` or `crash`. */
  hold(): void {
    this.#held ??= []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const go of held) go()
  }

  /** The process dies: what waits is lost, and its handles are dead. */
  crash(): void {
    this.#generation++
    this.#open.clear()
    this.release()
  }

  fail(error: Error | undefined): void {
    this.#failure = error
  }

  /** What a backup of the folder contains now. */
  backup(): Map<string, Uint8Array[]> {
    return new Map([...this.#durable].map(([name, records]) => [name, [...records]]))
  }

  restore(backup: ReadonlyMap<string, readonly Uint8Array[]>): void {
    this.crash()
    this.#durable = new Map([...backup].map(([name, records]) => [name, [...records]]))
  }

  #gate(): Promise<void> {
    const held = this.#held
    if (held === undefined) return Promise.resolve()
    return new Promise((resolve) => held.push(resolve))
  }
}
