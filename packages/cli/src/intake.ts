// Writing: bytes in, an object that is stored, wished for and offered out. The order is the promise:
// blocks durable, then the wish, then the offers; whoever gets an answer has what it says.

import { type AbortOptions, type ContentPolicy, PoolTooSmallError } from '@commonhold/core'
import { type IntakeOptions, ingest } from '@commonhold/node'
import type { Pool, Visibility } from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'
import { Room, type RoomComponents } from './room.ts'

export interface IntakeComponents extends RoomComponents {
  readonly membership: { readonly pool: Pool }
  readonly policy: ContentPolicy
}

export interface PutOptions extends AbortOptions {
  readonly copiesMin?: number
  readonly visibility?: Visibility
  /** Exact or greatest size, when known beforehand. */
  readonly sizeMax?: number
  /** Refuse before the first byte when the pool has too few operators to ever keep the copies. */
  readonly mustSettle?: boolean
}

export interface PutResult {
  readonly root: CID
  readonly digest: Uint8Array
  readonly size: number
  readonly copiesPromised: number
  readonly existed: boolean
}

export class NodeIntake {
  readonly #components: IntakeComponents
  readonly #copiesMin: number | undefined
  readonly #room: Room

  /** @param copiesMin wished for when a put does not say; the pool's own default when absent. */
  constructor(components: IntakeComponents, copiesMin: number | undefined) {
    this.#components = components
    this.#copiesMin = copiesMin
    this.#room = new Room(components)
  }

  /** @throws NoSpaceError, TooLargeError, DeniedError, PoolTooSmallError; nothing is kept then. */
  async put(bytes: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<PutResult> {
    const { membership, policy } = this.#components
    const abort: AbortOptions = options.signal === undefined ? {} : { signal: options.signal }
    const copiesMin = this.copiesMin(options.copiesMin)
    if (options.mustSettle === true) this.assertPoolCanKeep(copiesMin)
    let answer = { copiesPromised: 0, existed: false }
    const objects = { begin: (begin: IntakeOptions) => this.#room.begin({ ...begin, ...abort }) }
    const stored = await ingest(
      bytes,
      { policy, objects },
      {
        ...abort,
        ...(options.sizeMax === undefined ? {} : { sizeMax: options.sizeMax }),
        // While the object is held, so that nothing can remove it between its last block and its wish;
        // and when the wish fails, the object goes as if it had never been.
        whileHeld: async ({ root, digest, size }) => {
          const wish = { root, digest, size, copiesMin, visibility: options.visibility ?? 'public' }
          answer = await membership.pool.want(wish, abort)
        }
      }
    )
    return { ...stored, ...answer }
  }

  copiesMin(asked: number | undefined): number {
    return asked ?? this.#copiesMin ?? this.#components.membership.pool.copiesMinDefault
  }

  /** @throws PoolTooSmallError */
  assertPoolCanKeep(copiesMin: number): void {
    const operators = this.#components.membership.pool.operators().filter(({ counted }) => counted).length
    if (operators < copiesMin) throw new PoolTooSmallError(operators, copiesMin)
  }
}
