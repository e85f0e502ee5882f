// The keeper's side of a file that its author cannot hold: segments are pulled as they are named, proven,
// and kept for the whole to be offered. Bounded in uploads, in room and in time: an author that falls
// silent has nothing here after `segmentIdleMs`. Station: SEGMENTS -> offer.

import { ConflictError, type NodeId, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { HeldSegments } from '../components.ts'
import { slept, within } from '../deadline.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { proofDigest } from '../proof/proof.ts'
import { rootKey } from '../root-key.ts'
import { type SegmentAnswer, type SegmentOffer, segmentRequest, segmentsEndRequest } from './segment-wire.ts'

interface Upload {
  readonly from: NodeId
  readonly held: HeldSegments
  readonly over: AbortController
  usedMs: number
  /** Questions about it under way. */
  busy: number
  /** Root of the whole file, once the last segment said it. */
  file?: string
}

export interface SegmentPorts {
  readonly isFull: () => Promise<boolean>
}

export class Segments {
  readonly #parts: KeepingParts
  readonly #ports: SegmentPorts
  readonly #uploads = new Map<string, Upload>()
  readonly #stop = new AbortController()
  readonly #watches = new Set<Promise<void>>()
  #opening = 0

  constructor(parts: KeepingParts, ports: SegmentPorts) {
    this.#parts = parts
    this.#ports = ports
    parts.dialogue.on(segmentRequest, (from, offer) => this.#take(from, offer))
    parts.dialogue.on(segmentsEndRequest, async (from, { upload }) => {
      const name = nameOf(from, upload)
      const ended = this.#uploads.has(name)
      await this.#end(name)
      return { ended }
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    for (const name of [...this.#uploads.keys()]) await this.#end(name)
    await Promise.allSettled(this.#watches)
  }

  /** Whether every block of this file came in segments. */
  hold(file: CID): boolean {
    const name = toHex(rootKey(file))
    return [...this.#uploads.values()].some((upload) => upload.file === name)
  }

  /** The file is an object of its own now: its blocks stay with it. */
  async finish(file: CID): Promise<void> {
    const key = toHex(rootKey(file))
    for (const [name, upload] of this.#uploads) if (upload.file === key) await this.#end(name)
  }

  async #take(from: NodeId, offer: SegmentOffer): Promise<SegmentAnswer> {
    const { components, roster, options } = this.#parts
    const name = nameOf(from, offer.upload)
    if (offer.index === 0) {
      const refusal = await this.#open(name, from, offer)
      if (refusal !== undefined) return { kind: refusal }
    }
    const upload = this.#uploads.get(name)
    if (upload === undefined) return { kind: 'unknown' }
    upload.busy++
    try {
      const { nonce, root, size } = offer
      const subject = { pool: roster.poolId, nonce, keeper: components.keys.nodeId, root }
      // Its author waits no longer either: a pull without end would keep the upload from ever being idle.
      const digest = await within(
        components.clock,
        options.offerAnswerMs + (size / options.offerBytesPerSecondMin) * 1000,
        async ({ signal }) => {
          await upload.held.take(root, from, { sizeMax: size, signal })
          return await proofDigest(subject, upload.held.blocks(root))
        },
        { signal: upload.over.signal }
      )
      if (offer.file !== null) upload.file = toHex(rootKey(offer.file))
      return { kind: 'kept', digest }
    } catch (err) {
      if (err instanceof Error && err.name === 'NoSpaceError') return { kind: 'full' }
      throw err
    } finally {
      upload.busy--
      upload.usedMs = components.clock.monotonicMs()
    }
  }

  async #open(name: string, from: NodeId, offer: SegmentOffer): Promise<'full' | 'busy' | undefined> {
    const { components, roster, options } = this.#parts
    const self = roster.member(components.keys.nodeId)
    if (self === undefined || self.capacityBytes === 0 || (await this.#ports.isFull())) return 'full'
    const theirs = [...this.#uploads.values()].filter((upload) => upload.from === from).length
    const many = this.#uploads.size + this.#opening >= options.segmentedUploadsMax
    if (this.#uploads.has(name) || many || theirs >= options.segmentedUploadsPerMemberMax) return 'busy'
    this.#opening++
    try {
      const held = await components.objects.openSegments(offer.room)
      const usedMs = components.clock.monotonicMs()
      const upload = { from, held, over: new AbortController(), usedMs, busy: 0 }
      this.#uploads.set(name, upload)
      this.#watch(name, upload, options.segmentIdleMs)
      return undefined
    } catch (err) {
      if (err instanceof Error && err.name === 'NoSpaceError') return 'full'
      throw err
    } finally {
      this.#opening--
    }
  }

  /** Ends the upload when nothing was heard of it for a while. */
  #watch(name: string, upload: Upload, idleMs: number): void {
    const { clock } = this.#parts.components
    const watch = async (): Promise<void> => {
      const signal = AbortSignal.any([this.#stop.signal, upload.over.signal])
      for (;;) {
        const leftMs = upload.busy > 0 ? idleMs : upload.usedMs + idleMs - clock.monotonicMs()
        if (leftMs <= 0) return this.#end(name)
        if (!(await slept(clock, leftMs, signal))) return
      }
    }
    const watching = watch()
      .catch((err: unknown) => this.#parts.components.log.warn('segments could not be dropped', { err }))
      .finally(() => this.#watches.delete(watching))
    this.#watches.add(watching)
  }

  async #end(name: string): Promise<void> {
    const upload = this.#uploads.get(name)
    if (upload === undefined) return
    this.#uploads.delete(name)
    upload.over.abort(new ConflictError('The upload of this segment has ended.'))
    await upload.held[Symbol.asyncDispose]()
  }
}

/** Between these two: nobody can speak of another member's upload. */
function nameOf(from: NodeId, upload: Uint8Array): string {
  return `${from} ${toHex(upload)}`
}
