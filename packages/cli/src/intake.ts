// Writing: bytes in, an object that is stored, wished for and offered out. The order is the promise:
// blocks durable, then the wish, then the offers; whoever gets an answer has what it says.

import { type AbortOptions, type ContentPolicy, PoolTooSmallError } from '@commonhold/core'
import {
  type ImportedObject,
  type Ingested,
  type IntakeOptions,
  importCar,
  ingest,
  type ObjectIntake,
  SegmentedIntake,
  type ServedSegments
} from '@commonhold/node'
import type { Passage, Pool, Visibility, WantResult, Wish } from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'
import { Room, type RoomComponents } from './room.ts'

export interface IntakeComponents extends RoomComponents {
  readonly membership: { readonly pool: Pool }
  readonly policy: ContentPolicy
  readonly objects: RoomComponents['objects'] & {
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  }
  /** Where the exchange looks for segments on their way. */
  readonly served: ServedSegments
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

  /** @throws NoSpaceError, BusyError, TooLargeError, DeniedError, PoolTooSmallError; nothing is kept then. */
  async put(bytes: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<PutResult> {
    const { membership, policy } = this.#components
    const abort: AbortOptions = options.signal === undefined ? {} : { signal: options.signal }
    const copiesMin = this.copiesMin(options.copiesMin)
    if (options.mustSettle === true) this.assertPoolCanKeep(copiesMin)
    const passing = await this.#mustPass(options.sizeMax)
    await using passage =
      passing === undefined
        ? undefined
        : await this.#room.passage(() => membership.pool.openPassage(passing.size, copiesMin), abort)
    const want = (wish: Wish): Promise<WantResult> =>
      passage === undefined ? membership.pool.want(wish, abort) : passage.finish(wish, abort)
    const begin = async (given: IntakeOptions): Promise<ObjectIntake> =>
      passage === undefined
        ? await this.#room.begin({ ...given, ...abort })
        : this.#segmented(passage, passing?.roomBytes ?? 0, abort)
    let answer: WantResult = { copiesPromised: 0, existed: false }
    const stored = await ingest(
      bytes,
      { policy, objects: { begin } },
      {
        ...abort,
        ...(options.sizeMax === undefined ? {} : { sizeMax: options.sizeMax }),
        // While the object is held, so that nothing can remove it between its last block and its wish;
        // and when the wish fails, the object goes as if it had never been.
        whileHeld: async ({ root, digest, size }: Ingested) => {
          answer = await want({ root, digest, size, copiesMin, visibility: options.visibility ?? 'public' })
        }
      }
    )
    return { ...stored, ...answer }
  }

  /**
   * The objects of a CAR, each with its answer. It has to fit into the room there is: a folder does not pass through.
   * @throws InvalidInputError, MalformedRecordError, CorruptBlockError, NoSpaceError, DeniedError; nothing is kept then
   */
  async import(
    car: AsyncIterable<Uint8Array>,
    options: PutOptions = {}
  ): Promise<readonly (ImportedObject & WantResult)[]> {
    const { membership, policy, objects } = this.#components
    const abort: AbortOptions = options.signal === undefined ? {} : { signal: options.signal }
    const copiesMin = this.copiesMin(options.copiesMin)
    const visibility = options.visibility ?? 'public'
    const wanted: (ImportedObject & WantResult)[] = []
    await importCar(
      car,
      {
        policy,
        objects: {
          begin: (given) => this.#room.begin({ ...given, ...abort }),
          block: (cid, given) => objects.block(cid, given)
        }
      },
      {
        ...abort,
        ...(options.sizeMax === undefined ? {} : { sizeMax: options.sizeMax }),
        whileHeld: async (imported) => {
          for (const object of imported) {
            const { root, size, digest } = object
            const wish: Wish = {
              root,
              size,
              copiesMin,
              visibility,
              ...(digest === undefined ? {} : { digest })
            }
            wanted.push({ ...object, ...(await membership.pool.want(wish, abort)) })
          }
        }
      }
    )
    return wanted
  }

  /**
   * Whether the file goes through to keepers while it comes: when it is larger than the room there is, or
   * than there is now and may ever be while others come in beside it.
   */
  async #mustPass(size = 0): Promise<{ size: number; roomBytes: number } | undefined> {
    const { freeBytes, capacityBytes } = (await this.#components.objects.space()).uploads
    const roomBytes = Math.floor(capacityBytes / 2)
    return size > capacityBytes || (size > freeBytes && size > roomBytes) ? { size, roomBytes } : undefined
  }

  #segmented(passage: Passage, roomBytes: number, abort: AbortOptions): SegmentedIntake {
    const { objects, served } = this.#components
    return new SegmentedIntake({
      objects: {
        begin: (options) => this.#room.goOn({ ...options, ...abort }),
        block: (cid, options) => objects.block(cid, options)
      },
      served,
      sink: (segment, options) => passage.deliver(segment, options),
      roomBytes
    })
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
