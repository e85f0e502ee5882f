// An object store in memory with the faults of a disk: bytes flip, the disk is swapped, the process
// dies in the middle; and one that lies: it keeps all metadata and no bytes.

import { createHash } from 'node:crypto'
import {
  CorruptBlockError,
  type NodeId,
  NoSpaceError,
  NotFoundError,
  type Random,
  TooLargeError,
  toHex,
  UnreachableError
} from '@commonhold/core'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { FetchOptions, HeldObject, HeldSegments, ObjectStore, Space } from '../../src/components.ts'
import { compareRoots, rootKey } from '../../src/root-key.ts'
import type { Wires } from './wires.ts'

interface Stored {
  readonly root: CID
  readonly size: number
  readonly origin: 'upload' | 'repair'
  bytes: Uint8Array
}

/** What survives the process. */
export class Disk {
  readonly #random: Random
  storeEpoch: Uint8Array
  capacityBytes = 2 ** 40
  /** Beyond it, for uploads. */
  stageBytes = 0
  readonly objects: Map<string, Stored> = new Map()
  lies = false
  /** Segments this disk can serve as an author, and those it took as a keeper. */
  readonly passing: Map<string, Uint8Array> = new Map()
  readonly taken: Map<string, Uint8Array> = new Map()
  /** How long it takes to read or to write so many bytes. */
  work: (bytes: number) => Promise<void> = async () => {}
  readings = 0
  /** What a liar does in place of reading. */
  fetching: ((root: CID, size: number) => Promise<Uint8Array>) | undefined
  /** Denied: here and shown to nobody. */
  readonly sealed: Map<string, Stored> = new Map()
  /** Roots a reader or an ingest has open. */
  readonly open: Set<string> = new Set()

  constructor(random: Random) {
    this.#random = random
    this.storeEpoch = random.bytes(16)
  }

  swap(): void {
    this.objects.clear()
    this.sealed.clear()
    this.storeEpoch = this.#random.bytes(16)
  }

  /** @param size claimed by an object that stands for a larger one */
  put(bytes: Uint8Array, origin: 'upload' | 'repair' = 'upload', size: number = bytes.length): CID {
    const root = rootFor(bytes)
    this.objects.set(nameOf(root), { root, size, origin, bytes: bytes.slice() })
    return root
  }

  bytesOf(root: CID): Uint8Array {
    const stored = this.objects.get(nameOf(root))
    if (stored === undefined) throw new Error('it is not here')
    return stored.bytes
  }

  flip(root: CID): void {
    const stored = this.objects.get(nameOf(root))
    if (stored !== undefined) stored.bytes[0] = (stored.bytes[0] ?? 0) ^ 1
  }

  /** From now on it answers with garbage of the right length and shape. */
  dropBytes(root: CID): Uint8Array {
    const stored = this.objects.get(nameOf(root))
    if (stored === undefined) throw new Error('nothing to drop')
    const right = stored.bytes
    stored.bytes = new Uint8Array(right.length)
    this.lies = true
    return right
  }

  restoreBytes(root: CID, right: Uint8Array): void {
    const stored = this.objects.get(nameOf(root))
    if (stored !== undefined) stored.bytes = right
    this.lies = false
  }

  /** Whether the bytes are really here and right: what no node can see, and every test wants to know. */
  trulyHolds(root: CID): boolean {
    const stored = this.objects.get(nameOf(root))
    return stored !== undefined && rootFor(stored.bytes).equals(root)
  }

  get usedBytes(): number {
    let sum = 0
    for (const stored of [...this.objects.values(), ...this.sealed.values()]) sum += stored.size
    return sum
  }
}

export interface DiskEvents {
  onRemove(root: CID): void
  diskOf(node: NodeId): Disk | undefined
}

/** The store as one run of a node sees it; a killed run sees nothing any more. */
export class DiskStore implements ObjectStore {
  readonly #disk: Disk
  readonly #node: NodeId
  readonly #wires: Wires
  readonly #events: DiskEvents
  readonly #isAlive: () => boolean
  readonly provided: Set<string> = new Set()
  fetches = 0
  /** Listing what is here fails after the last it tells. */
  failRoots = false

  constructor(disk: Disk, node: NodeId, wires: Wires, events: DiskEvents, isAlive: () => boolean) {
    this.#disk = disk
    this.#node = node
    this.#wires = wires
    this.#events = events
    this.#isAlive = isAlive
  }

  get storeEpoch(): Uint8Array {
    return this.#disk.storeEpoch
  }

  async has(root: CID): Promise<boolean> {
    await this.#running()
    return this.#disk.objects.has(nameOf(root))
  }

  async heldOf(roots: readonly CID[]): Promise<readonly CID[]> {
    await this.#running()
    return roots.filter((root) => this.#disk.objects.has(nameOf(root)))
  }

  async size(root: CID): Promise<number | undefined> {
    await this.#running()
    return this.#disk.objects.get(nameOf(root))?.size
  }

  async *roots(): AsyncIterable<HeldObject> {
    await this.#running()
    const all = [...this.#disk.objects.values()].sort((a, b) => compareRoots(a.root, b.root))
    for (const { root, size, origin } of all) yield { root, size, origin }
    if (this.failRoots) throw new Error('EIO: i/o error, read')
  }

  async *blocks(root: CID): AsyncIterable<Uint8Array> {
    await this.#running()
    const stored = this.#disk.objects.get(nameOf(root))
    if (stored === undefined) throw new NotFoundError(`${root.toString()} is not here.`)
    if (!this.#disk.lies && !root.equals(rootFor(stored.bytes)))
      throw new CorruptBlockError(root.toString(), 'on disk')
    this.#disk.readings++
    const { fetching } = this.#disk
    if (fetching === undefined) await this.#disk.work(stored.size)
    yield fetching === undefined ? stored.bytes.slice() : await fetching(root, stored.size)
  }

  /** Objects here are single blocks. */
  async block(cid: CID): Promise<Uint8Array | undefined> {
    await this.#running()
    const stored = this.#disk.objects.get(nameOf(cid))
    if (stored === undefined || (!this.#disk.lies && !cid.equals(rootFor(stored.bytes)))) return undefined
    return stored.bytes.slice()
  }

  async fetch(root: CID, from: readonly NodeId[], options?: FetchOptions): Promise<HeldObject> {
    await this.#running()
    const here = this.#disk.objects.get(nameOf(root))
    if (here !== undefined) return here
    if (options?.present === true) {
      const whole = Buffer.concat([...this.#disk.taken.values()])
      if (!rootFor(whole).equals(root)) throw new NotFoundError('its segments are not all here')
      const kept = { root, size: whole.length, origin: 'repair' as const, bytes: new Uint8Array(whole) }
      this.#disk.objects.set(nameOf(root), kept)
      return kept
    }
    this.fetches++
    let unreachable = false
    for (const source of from) {
      try {
        await this.#wires.travel(this.#node, source)
        const stored = this.#events.diskOf(source)?.objects.get(nameOf(root))
        const bytes = stored?.bytes.slice()
        await this.#disk.work(stored?.size ?? 0)
        await this.#wires.travel(source, this.#node)
        await this.#running()
        options?.signal?.throwIfAborted()
        if (stored === undefined || bytes === undefined) continue
        if (options?.sizeMax !== undefined && stored.size > options.sizeMax) {
          throw new TooLargeError(root.toString(), options.sizeMax)
        }
        if (this.#disk.usedBytes + bytes.length > this.#disk.capacityBytes)
          throw new NoSpaceError('The disk is full.')
        // A liar keeps the row and drops the bytes.
        if (!this.#disk.lies && !rootFor(bytes).equals(root)) continue
        const kept = {
          root,
          size: stored.size,
          origin: 'repair' as const,
          bytes: this.#disk.lies ? new Uint8Array(8) : bytes
        }
        this.#disk.objects.set(nameOf(root), kept)
        return kept
      } catch (err) {
        if (!(err instanceof UnreachableError)) throw err
        unreachable = true
      }
    }
    if (unreachable) throw new UnreachableError(`Nobody who has ${root.toString()} was reached.`)
    throw new NotFoundError(`Nobody asked has ${root.toString()}.`)
  }

  async remove(root: CID): Promise<boolean> {
    await this.#running()
    if (this.#disk.open.has(nameOf(root))) return false
    if (this.#disk.objects.has(nameOf(root))) this.#events.onRemove(root)
    this.#disk.objects.delete(nameOf(root))
    return true
  }

  async seal(root: CID): Promise<HeldObject | undefined> {
    await this.#running()
    return this.#move(root, this.#disk.objects, this.#disk.sealed)
  }

  async unseal(root: CID): Promise<HeldObject | undefined> {
    await this.#running()
    return this.#move(root, this.#disk.sealed, this.#disk.objects)
  }

  #move(root: CID, from: Map<string, Stored>, to: Map<string, Stored>): HeldObject | undefined {
    const stored = from.get(nameOf(root))
    if (stored === undefined) return undefined
    from.delete(nameOf(root))
    to.set(nameOf(root), stored)
    return stored
  }

  async isSealed(root: CID): Promise<boolean> {
    await this.#running()
    return this.#disk.sealed.has(nameOf(root))
  }

  async *sealed(): AsyncIterable<HeldObject> {
    await this.#running()
    yield* [...this.#disk.sealed.values()]
  }

  async erase(root: CID): Promise<boolean> {
    await this.#running()
    return this.#disk.sealed.delete(nameOf(root))
  }

  async quarantine(root: CID): Promise<void> {
    await this.#running()
    this.#disk.objects.delete(nameOf(root))
  }

  async provide(root: CID, on: boolean): Promise<void> {
    await this.#running()
    if (on) this.provided.add(nameOf(root))
    // By its second name it would be told for ever: nobody knows that any more.
    else if (this.#disk.objects.has(nameOf(root)) || this.#disk.sealed.has(nameOf(root)))
      this.provided.delete(nameOf(root))
  }

  async space(): Promise<Space> {
    const { usedBytes, capacityBytes, stageBytes } = this.#disk
    const room = (bytes: number) => ({
      capacityBytes: bytes,
      freeBytes: Math.max(0, bytes - usedBytes)
    })
    return { usedBytes, ...room(capacityBytes), uploads: room(capacityBytes + stageBytes) }
  }

  async openSegments(bytes: number): Promise<HeldSegments> {
    await this.#running()
    if (this.#disk.usedBytes + bytes > this.#disk.capacityBytes) throw new NoSpaceError('The disk is full.')
    const disk = this.#disk
    const mine: string[] = []
    return {
      take: async (root, from) => {
        await this.#wires.travel(this.#node, from)
        const found = this.#events.diskOf(from)?.passing.get(nameOf(root))
        await this.#wires.travel(from, this.#node)
        await this.#running()
        if (found === undefined) throw new NotFoundError('no such segment')
        mine.push(nameOf(root))
        disk.taken.set(nameOf(root), found)
      },
      async *blocks(root) {
        const bytes = disk.taken.get(nameOf(root))
        if (bytes === undefined) throw new NotFoundError('no such segment')
        yield disk.lies ? new Uint8Array(bytes.length) : bytes
      },
      async [Symbol.asyncDispose]() {
        for (const name of mine) disk.taken.delete(name)
      }
    }
  }

  async #running(): Promise<void> {
    if (!this.#isAlive()) await new Promise<never>(() => {})
  }
}

export function nameOf(root: CID): string {
  return toHex(rootKey(root))
}

export function rootFor(bytes: Uint8Array): CID {
  return CID.createV1(0x55, createDigest(0x12, new Uint8Array(createHash('sha256').update(bytes).digest())))
}
