// News between members travel by greeting: what we say of ourselves, announced soon after it changed, and
// what others said, read after they greeted. Station: presence -> NEWS -> reports and proof receipts.

import type { NodeId } from '@commonhold/core'
import { slept } from '../deadline.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { ProofReceipts } from '../proof/proof-receipts.ts'
import type { Census } from './census.ts'
import type { Observer } from './observe.ts'
import type { Presence, Standing } from './presence.ts'
import type { Reports } from './report.ts'

export interface NewsStations {
  readonly observer: Observer
  readonly census: Census
  readonly presence: Presence
  readonly reports: Reports
  readonly receipts: ProofReceipts
}

export class News {
  readonly #parts: KeepingParts
  readonly #stations: NewsStations
  readonly #stop = new AbortController()
  readonly #active = new Set<Promise<unknown>>()
  #announcing = false
  #announcedMs = Number.NEGATIVE_INFINITY
  #running = false

  constructor(parts: KeepingParts, stations: NewsStations) {
    this.#parts = parts
    this.#stations = stations
    stations.reports.onNews = () => this.#announceSoon()
    stations.receipts.onNews = () => this.#announceSoon()
    stations.presence.listen({ onStanding: (node, standing) => this.#read(node, standing) })
  }

  start(): void {
    this.#running = true
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#stop.abort(new Error('stopped'))
    await Promise.allSettled(this.#active)
  }

  /** What a greeting says of this node. */
  async standing(): Promise<Standing> {
    const { objects } = this.#parts.components
    const { observer, reports, receipts } = this.#stations
    const { usedBytes, freeBytes, capacityBytes } = await objects.space()
    return {
      storeEpoch: objects.storeEpoch,
      run: reports.run,
      reportSeq: reports.seq,
      receiptSeq: receipts.seq,
      full: await observer.isFull(),
      usedBytes,
      freeBytes: Math.max(0, freeBytes),
      capacityBytes
    }
  }

  /**
   * Changes are collected for a moment, so that a burst of them is one round of greetings; and a round of them
   * comes no more often than greetings come anyway, so that a busy pool says at most twice what an idle one does.
   */
  #announceSoon(): void {
    if (!this.#running || this.#announcing) return
    this.#announcing = true
    const { components, options } = this.#parts
    const sinceMs = components.clock.monotonicMs() - this.#announcedMs
    const waitMs = Math.max(options.reportDelayMs, options.presenceIntervalMs - sinceMs)
    this.#track(
      slept(components.clock, waitMs, this.#stop.signal).then((on) => {
        this.#announcing = false
        this.#announcedMs = components.clock.monotonicMs()
        if (on) this.#stations.presence.greetAll()
      })
    )
  }

  #read(node: NodeId, standing: Standing): void {
    if (this.#running) this.#track(this.#readAll(node, standing))
  }

  async #readAll(node: NodeId, standing: Standing): Promise<void> {
    const { census, reports, receipts } = this.#stations
    try {
      await census.noteKeeper(node, standing.storeEpoch)
      await reports.read(node, standing.run, standing.reportSeq)
      await receipts.read(node, standing.receiptSeq)
    } catch (err) {
      // It greets again within the presence interval, and we ask again.
      this.#parts.components.log.debug('news of a member could not be read', { node, err })
    }
  }

  #track(work: Promise<unknown>): void {
    const tracked = work.finally(() => this.#active.delete(tracked))
    this.#active.add(tracked)
  }
}
