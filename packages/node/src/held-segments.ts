// A file that comes in segments, as its keeper holds it: room for all of it set aside, blocks durable as
// they come, no object yet. They belong to this attempt until the whole file became an object or the
// attempt ended; after a restart `Objects.reconcile` has taken what it brought.

import { type AbortOptions, CorruptBlockError, type NodeId, TooLargeError } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { IntakeOptions, ObjectIntake } from './object-intake.ts'
import { ObjectWalk, wholeObject } from './object-walk.ts'
import type { Retrieval } from './retrieve.ts'

export interface HeldSegmentsInit {
  readonly objects: {
    begin(options: IntakeOptions): Promise<ObjectIntake>
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  }
  readonly retrieval: Pick<Retrieval, 'blocks'>
}

export class HeldSegments implements AsyncDisposable {
  readonly #init: HeldSegmentsInit
  readonly #intake: ObjectIntake

  private constructor(init: HeldSegmentsInit, intake: ObjectIntake) {
    this.#init = init
    this.#intake = intake
  }

  /** @param bytes of the whole file and the frames of its segments. @throws NoSpaceError */
  static async open(init: HeldSegmentsInit, bytes: number): Promise<HeldSegments> {
    return new HeldSegments(init, await init.objects.begin({ origin: 'repair', sizeMax: bytes }))
  }

  /**
   * Pulls one segment from its author; durable when it resolves.
   * @param sizeMax of its blocks without the root's
   * @throws as `Retrieval.read`; NoSpaceError, TooLargeError
   */
  async take(root: CID, from: NodeId, options: { readonly sizeMax: number } & AbortOptions): Promise<void> {
    const { sizeMax, signal } = options
    const abort = signal === undefined ? {} : { signal }
    const puts: Promise<void>[] = []
    try {
      const asked = { hints: [from], hintsOnly: true, ...abort }
      for await (const { cid, bytes, size } of this.#init.retrieval.blocks(root, wholeObject, asked)) {
        if (size > sizeMax) throw new TooLargeError(`The segment ${root}`, sizeMax)
        const put = this.#intake.put(cid, bytes, abort)
        // Looked at below; until then it must not count as unhandled.
        put.catch(() => {})
        puts.push(put)
      }
      await Promise.all(puts)
    } finally {
      await Promise.allSettled(puts)
    }
  }

  /** Verified blocks of a segment that was taken, depth first. @throws CorruptBlockError */
  async *blocks(root: CID, options?: AbortOptions): AsyncGenerator<Uint8Array> {
    const walk = new ObjectWalk(root)
    for (let step = walk.next; step !== undefined; step = walk.next) {
      const block = await this.#init.objects.block(step.cid, options)
      if (block === undefined) throw new CorruptBlockError(step.cid.toString(), 'on disk')
      walk.accept(block)
      yield block
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#intake[Symbol.asyncDispose]()
  }
}
