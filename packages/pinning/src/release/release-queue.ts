// Releases waiting for their turn: few at once, because each has keepers read the whole object, and none
// again soon after it was refused. Under a filling stage they come as fast as they succeed.
// Station: plan -> RELEASE QUEUE -> release. Decides nothing: the plan says so, again and again.

import { type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { Action } from '../plan/plan.ts'
import { rootKey } from '../root-key.ts'
import type { ReleaseOutcome } from './release.ts'

type Release = Extract<Action, { kind: 'release' }>

export interface ReleaseQueuePorts {
  release(root: CID, askHolds: readonly NodeId[], options: { signal: AbortSignal }): Promise<ReleaseOutcome>
  /** A try ended: the object's plan may be another now. */
  onEnd(root: CID): void
}

export class ReleaseQueue {
  readonly #parts: KeepingParts
  readonly #ports: ReleaseQueuePorts
  readonly #waiting = new Map<string, { root: CID; action: Release }>()
  /** Objects refused of late, and the monotonic time from which they may be tried again. */
  readonly #notBefore = new Map<string, number>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #stop = new AbortController()

  constructor(parts: KeepingParts, ports: ReleaseQueuePorts) {
    this.#parts = parts
    this.#ports = ports
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#waiting.clear()
    await Promise.allSettled(this.#running.values())
  }

  /** The plan would let our copy go. */
  want(root: CID, action: Release): void {
    const name = toHex(rootKey(root))
    if (this.#running.has(name)) return
    if (this.#parts.components.clock.monotonicMs() < (this.#notBefore.get(name) ?? 0)) return
    // Bounded like every memory of objects: what does not fit is planned again by the round.
    if (this.#waiting.size >= this.#parts.options.wakesMax && !this.#waiting.has(name)) return
    this.#waiting.set(name, { root, action })
    this.#begin()
  }

  /** The plan would not, any more. */
  unwant(root: CID): void {
    this.#waiting.delete(toHex(rootKey(root)))
  }

  #begin(): void {
    for (const [name, { root, action }] of this.#waiting) {
      if (this.#running.size >= this.#parts.options.releaseConcurrency || this.#stop.signal.aborted) return
      this.#waiting.delete(name)
      const work = this.#attempt(name, root, action).finally(() => {
        this.#running.delete(name)
        this.#begin()
        if (!this.#stop.signal.aborted) this.#ports.onEnd(root)
      })
      this.#running.set(name, work)
    }
  }

  async #attempt(name: string, root: CID, action: Release): Promise<void> {
    const { components, options } = this.#parts
    this.#forgetPast()
    const waitMs = action.urgent ? options.stageRetryMs : options.releaseRetryMs
    // Written before the try: whatever becomes of it, the next one waits.
    this.#notBefore.set(name, components.clock.monotonicMs() + waitMs * (0.5 + components.random.unit()))
    try {
      const outcome = await this.#ports.release(root, action.askHolds, { signal: this.#stop.signal })
      if (outcome === 'released') this.#notBefore.delete(name)
    } catch (err) {
      if (!this.#stop.signal.aborted) components.log.warn('a release failed', { root: root.toString(), err })
    }
  }

  #forgetPast(): void {
    const nowMs = this.#parts.components.clock.monotonicMs()
    for (const [name, fromMs] of this.#notBefore) {
      // In order of their writing, which is nearly that of their ends.
      if (fromMs > nowMs) break
      this.#notBefore.delete(name)
    }
  }
}
