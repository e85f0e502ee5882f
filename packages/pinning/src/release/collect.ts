// Making room: objects here that nobody wants any more go, long after everybody agrees that nobody does.
// Mark and sweep over this node's own store. Any doubt while marking ends the sweep: a wish that was not
// read is not a wish that is not there. Station: journals -> COLLECT -> object store.

import { type AbortOptions, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Reports } from '../census/report.ts'
import { slept } from '../deadline.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { rootKey, rootOfKey } from '../root-key.ts'
import type { Holds } from './holds.ts'
import type { Takedowns } from './takedown.ts'

export interface CollectPorts {
  /**
   * Why the heads of all authors are not confirmed within this age by two operators (in a pool of one: by
   * itself); empty when they are.
   */
  readonly unconfirmed: (ageMsMax: number) => Promise<readonly string[]>
}

export interface Sweep {
  /** Why nothing was dropped; empty when the sweep ran to its end. */
  readonly aborted: readonly string[]
  readonly noted: number
  readonly dropped: number
}

export class Collector {
  readonly #parts: KeepingParts
  readonly #holds: Holds
  readonly #reports: Reports
  readonly #takedowns: Takedowns
  readonly #ports: CollectPorts
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined

  constructor(
    parts: KeepingParts,
    stations: { holds: Holds; reports: Reports; takedowns: Takedowns },
    ports: CollectPorts
  ) {
    this.#parts = parts
    this.#holds = stations.holds
    this.#reports = stations.reports
    this.#takedowns = stations.takedowns
    this.#ports = ports
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await this.#loop
  }

  async #run(): Promise<void> {
    const { components, options } = this.#parts
    while (await slept(components.clock, options.collectIntervalMs, this.#stop.signal)) {
      try {
        // First and by itself: what is denied goes whatever is doubted about the wishes.
        await this.#takedowns.review({ signal: this.#stop.signal })
        await this.sweep({ signal: this.#stop.signal })
      } catch (err) {
        if (this.#stop.signal.aborted) return
        components.log.error('the sweep ended early; nothing was dropped on a guess', { err })
      }
    }
  }

  /** Marks everything first; drops only when nothing at all went wrong while marking. */
  async sweep(options?: AbortOptions): Promise<Sweep> {
    const doubts = await this.#doubts()
    if (doubts.length > 0) {
      this.#parts.components.log.debug('no sweep while the pin set may be incomplete', { doubts })
      return { aborted: doubts, noted: 0, dropped: 0 }
    }
    const { ripe, noted } = await this.#mark(options)
    let dropped = 0
    for (const root of ripe) {
      options?.signal?.throwIfAborted()
      if (await this.#drop(root)) dropped++
    }
    return { aborted: [], noted, dropped }
  }

  async #doubts(): Promise<readonly string[]> {
    const gaps = await this.#parts.wanted.gaps()
    if (gaps.length > 0) return gaps
    const { time, options } = this.#parts
    // Heads confirmed before we slept say nothing of what was wished meanwhile.
    const awakeForMs = time.nowMs() - time.awakeSinceMs()
    return await this.#ports.unconfirmed(Math.min(options.headAgeMsMax, awakeForMs))
  }

  /**
   * Notes durably what nobody wants, and finds what was noted long enough ago. Errors are not caught:
   * a mark that failed somewhere is no mark.
   */
  async #mark(options?: AbortOptions): Promise<{ ripe: CID[]; noted: number }> {
    const { components, wanted, time, options: limits } = this.#parts
    const notes = await components.database.selectFrom('unwanted').selectAll().execute()
    const since = new Map(notes.map((row) => [toHex(row.root), row.since_ms]))
    const ripe: CID[] = []
    let noted = 0
    for await (const { root } of components.objects.roots(options)) {
      const key = rootKey(root)
      const sinceMs = since.get(toHex(key))
      since.delete(toHex(key))
      if ((await wanted.get(root)) !== undefined) {
        if (sinceMs !== undefined) await this.#forget(key)
      } else if (await this.#takedowns.carryOut(root)) {
        // Denied and wanted by nobody: sealed now, and erased when its hold is over.
        await this.#forget(key)
      } else if (sinceMs === undefined) {
        noted++
        await components.database
          .insertInto('unwanted')
          .values({ root: key, since_ms: time.nowMs() })
          .execute()
      } else if (time.nowMs() - sinceMs >= limits.collectGraceMs) {
        ripe.push(root)
      }
    }
    // Notes about objects that are gone.
    for (const hex of since.keys())
      await this.#forget(rootKey(rootOfKey(new Uint8Array(Buffer.from(hex, 'hex')))))
    return { ripe, noted }
  }

  async #drop(root: CID): Promise<boolean> {
    const { components, locks, wanted } = this.#parts
    return await locks.run(root, async () => {
      // Wanted again, or promised to a releaser, since it was marked.
      if ((await wanted.get(root)) !== undefined || this.#holds.isHeld(root)) return false
      await this.#reports.withdraw(root)
      if (!(await components.objects.remove(root))) return false
      await this.#reports.noteGone(root)
      await this.#forget(rootKey(root))
      return true
    })
  }

  async #forget(key: Uint8Array): Promise<void> {
    await this.#parts.components.database.deleteFrom('unwanted').where('root', '=', key).execute()
  }
}
