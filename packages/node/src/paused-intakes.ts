// Attempts to bring an object in that every source let down half-way, kept for a while instead of undone:
// a line that breaks once an hour must not make a large object begin anew each time. Few, and not for
// long, because each holds its blocks and the room set aside for the rest. In memory: at a
// start `Objects.reconcile` leaves the blocks of some for as long.

import type { Clock, Log } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { blockKey } from './block-store.ts'
import type { ObjectIntake } from './object-intake.ts'
import { defaults } from './options.ts'

interface Paused {
  readonly intake: ObjectIntake
  readonly sizeMax: number | undefined
  readonly over: AbortController
}

export interface PausedIntakesComponents {
  readonly clock: Pick<Clock, 'sleep'>
  readonly log: Log
}

export class PausedIntakes implements AsyncDisposable {
  readonly #components: PausedIntakesComponents
  /** Oldest first. */
  readonly #paused = new Map<string, Paused>()
  #stopped = false

  constructor(components: PausedIntakesComponents) {
    this.#components = components
  }

  /** Takes over the intake, to dispose of it if nobody goes on with it. */
  async keep(root: CID, intake: ObjectIntake, sizeMax?: number): Promise<void> {
    if (this.#stopped) return
    const key = blockKey(root)
    await this.#end(key)
    const { clock, log } = this.#components
    const over = new AbortController()
    this.#paused.set(key, { intake, sizeMax, over })
    clock
      .sleep(defaults.fetchResumeMs, { signal: over.signal })
      .then(
        () => this.drop(root),
        () => {
          // Taken or ended first.
        }
      )
      .catch((err: unknown) => log.warn('undoing an unfinished fetch failed', { root: root.toString(), err }))
    const oldest = this.#paused.keys().next().value
    if (this.#paused.size > defaults.pausedFetchesMax && oldest !== undefined) await this.#end(oldest)
  }

  /** The attempt to go on with, now the caller's to dispose of. */
  async take(root: CID, sizeMax?: number): Promise<ObjectIntake | undefined> {
    const key = blockKey(root)
    const paused = this.#paused.get(key)
    if (paused === undefined) return undefined
    // Another bound was set aside for it: begun anew rather than bent.
    if (paused.sizeMax !== sizeMax) {
      await this.#end(key)
      return undefined
    }
    this.#paused.delete(key)
    paused.over.abort(new Error('the fetch goes on'))
    return paused.intake
  }

  /** Undoes the attempt, if there is one. */
  async drop(root: CID): Promise<void> {
    await this.#end(blockKey(root))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true
    // Their blocks are left to the next start, as after a crash.
    for (const { over } of this.#paused.values()) over.abort(new Error('stopping'))
    this.#paused.clear()
  }

  async #end(key: string): Promise<void> {
    const paused = this.#paused.get(key)
    if (paused === undefined) return
    this.#paused.delete(key)
    paused.over.abort(new Error('the fetch was given up'))
    await paused.intake[Symbol.asyncDispose]()
  }
}
