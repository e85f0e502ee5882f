// Bringing one object in, by upload or by repair: what `Objects.begin` hands out. Blocks put through
// it belong to the attempt and no sweep or removal touches them until it ends. It ends complete, or as
// if it had never been.

import {
  type AbortOptions,
  ConflictError,
  CorruptBlockError,
  MalformedRecordError,
  TooLargeError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import type { BlockClaims } from './block-claims.ts'
import { type BlockStore, blockKey } from './block-store.ts'
import type { DiskSpace, Purpose } from './disk-space.ts'
import { isBlock, readObjectNode } from './object-dag.ts'

export interface ObjectIntake extends AsyncDisposable {
  /**
   * Durable when it resolves.
   * @throws NoSpaceError (quota or disk), CorruptBlockError, TooLargeError (`sizeMax`)
   */
  put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void>
  /** The verified block if it is here already, which then belongs to this attempt as if it had been put. */
  keep(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  /**
   * Makes the object one of ours: its row is durable when it resolves, after all its blocks. The root
   * stays protected from `remove` until the intake is disposed of. Of several objects brought at once, each.
   * @throws MalformedRecordError when a block of the object was neither put nor kept, or sizes differ.
   */
  complete(result: CompletedObject): Promise<void>
  /** Removes what this attempt brought and no complete object needs. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface CompletedObject {
  readonly root: CID
  /** File bytes; of a DAG, the bytes of its blocks as a walk meets them. */
  readonly size: number
  /** Plain sha2-256 of the whole file, when known. For a raw root it is the root's own; a DAG has none. */
  readonly digest?: Uint8Array
}

export interface IntakeOptions {
  readonly origin: 'upload' | 'repair'
  /** The root, when it is known beforehand: `remove` of it is refused meanwhile. */
  readonly root?: CID
  /** File bytes that will come at most, when known: without room for them the attempt is refused at once. */
  readonly sizeMax?: number
  /** Bytes set aside at the beginning, when most of it is known to be here already. @default sizeMax */
  readonly setAside?: number
}

export interface IntakeParts {
  readonly blocks: BlockStore
  readonly claims: BlockClaims
  readonly space: DiskSpace
  readonly purpose: Purpose
  /** Makes the row durable. */
  readonly onComplete: (object: CompletedObject, blocks: Iterable<Uint8Array>) => Promise<void>
  readonly onEnd: () => void
}

/** One block of the attempt. */
interface Claimed {
  readonly cid: CID
  /** Whether it is durable here. */
  stored: boolean
  links: readonly CID[]
}

export class LocalIntake implements ObjectIntake {
  readonly #parts: IntakeParts
  readonly #sizeMax: number
  #size = 0
  /** Set aside for what is still to come. */
  #reservedBytes: number
  readonly #claimed = new Map<string, Claimed>()
  readonly #running = new Set<Promise<unknown>>()
  /** By key: what objects completed here are made of. */
  readonly #needed = new Set<string>()
  #state: 'open' | 'ended' = 'open'

  /** @param reservedBytes what the caller has set aside for this attempt. */
  constructor(parts: IntakeParts, sizeMax: number, reservedBytes: number) {
    this.#parts = parts
    this.#sizeMax = sizeMax
    this.#reservedBytes = reservedBytes
  }

  put(cid: CID, bytes: Uint8Array, options?: AbortOptions): Promise<void> {
    return this.#track(async () => {
      const block = this.#take(cid, bytes)
      await this.#setAside(bytes.length)
      try {
        await this.#parts.claims.holding(cid, () => this.#parts.blocks.put(cid, bytes, options))
      } finally {
        this.#parts.space.giveBack(bytes.length)
      }
      block.stored = true
    })
  }

  keep(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    return this.#track(async () => {
      const known = this.#claimed.has(blockKey(cid))
      // Before looking, so that it cannot go once it was seen.
      if (!known) this.#parts.claims.claim(cid)
      const bytes = await this.#parts.claims.holding(cid, () => this.#durable(cid, options))
      if (!known) this.#parts.claims.release(cid)
      if (bytes === undefined) return undefined
      this.#take(cid, bytes).stored = true
      // It counts as used already, so nothing has to be set aside for it.
      if (!known) this.#release(bytes.length)
      return bytes
    })
  }

  complete(result: CompletedObject): Promise<void> {
    return this.#track(async () => {
      const blocks = this.#blocksOf(result.root)
      const digest = result.root.code === rawCode ? result.root.multihash.digest : result.digest
      await this.#parts.onComplete(digest === undefined ? result : { ...result, digest }, blocks.values())
      for (const key of blocks.keys()) this.#needed.add(key)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    await Promise.allSettled(this.#running)
    try {
      for (const [key, { cid }] of this.#claimed) {
        if (this.#needed.has(key)) this.#parts.claims.release(cid)
        else await this.#abandon(cid)
      }
    } finally {
      this.#parts.space.giveBack(this.#reservedBytes)
      this.#parts.onEnd()
    }
  }

  /** Present, verified, and durable even when whoever put it died before its folder was fsynced. */
  async #durable(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    const { blocks } = this.#parts
    try {
      const bytes = await blocks.get(cid, options)
      if (bytes !== undefined) await blocks.put(cid, bytes, options)
      return bytes
    } catch (err) {
      if (!(err instanceof CorruptBlockError)) throw err
      await blocks.quarantine(cid, options)
      return undefined
    }
  }

  /** @throws MalformedRecordError, TooLargeError */
  #take(cid: CID, bytes: Uint8Array): Claimed {
    // What no object can be made of is refused before it takes any space.
    const node = readObjectNode(cid, bytes)
    const links = node.kind === 'leaf' ? [] : node.links.map((link) => link.cid).filter(isBlock)
    const key = blockKey(cid)
    const known = this.#claimed.get(key)
    // Once per block, however often the file repeats it and however many tries bring it.
    if (known === undefined && node.kind !== 'inner') {
      this.#size += node.kind === 'leaf' ? node.size : bytes.length
    }
    if (this.#size > this.#sizeMax) throw new TooLargeError('The object', this.#sizeMax)
    if (known !== undefined) {
      if (links.length > 0) known.links = links
      return known
    }
    this.#parts.claims.claim(cid)
    const claimed: Claimed = { cid, stored: false, links }
    this.#claimed.set(key, claimed)
    return claimed
  }

  async #setAside(bytes: number): Promise<void> {
    if (this.#reservedBytes >= bytes) this.#reservedBytes -= bytes
    else await this.#parts.space.reserve(bytes, this.#parts.purpose)
  }

  #release(bytes: number): void {
    const released = Math.min(bytes, this.#reservedBytes)
    this.#reservedBytes -= released
    this.#parts.space.giveBack(released)
  }

  /** Digests of all blocks below `root`, once each. */
  #blocksOf(root: CID): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>()
    const open: CID[] = [root]
    for (let cid = open.pop(); cid !== undefined; cid = open.pop()) {
      const key = blockKey(cid)
      if (found.has(key)) continue
      const block = this.#claimed.get(key)
      if (block?.stored !== true) {
        throw new MalformedRecordError('object', `block ${cid} of ${root} was not brought`)
      }
      found.set(key, cid.multihash.digest)
      open.push(...block.links)
    }
    return found
  }

  async #abandon(cid: CID): Promise<void> {
    this.#claimed.delete(blockKey(cid))
    this.#parts.claims.release(cid)
    await this.#parts.claims.deleteUnneeded(cid)
  }

  /** Disposal waits for what is under way: a put that ended after it would leave a block behind. */
  #track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state === 'ended')
      return Promise.reject(new ConflictError('This attempt to bring an object has ended.'))
    const running = work()
    const done = running.finally(() => this.#running.delete(done))
    done.catch(() => {})
    this.#running.add(done)
    return running
  }
}
