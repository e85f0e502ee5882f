// What the pinning layer needs from the world, as narrow ports. `cli/src/compose.ts` wires the real
// things in; tests and the simulator wire in-memory ones. Nothing in this package reaches further:
// no sockets, no files, no clock and no randomness but through here.

import type { AbortOptions, Clock, ContentPolicy, Log, NodeId, Random, SigningKey } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { PinningTables } from './database.ts'

export interface PinningComponents {
  readonly keys: PoolKeys
  readonly network: PoolNetwork
  readonly objects: ObjectStore
  /** The index: local state and caches that can be rebuilt from logs, peers and time. */
  readonly database: Kysely<PinningTables>
  readonly logs: RecordLogs
  readonly policy: ContentPolicy
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface PoolKeys {
  /** Signs journals, receipts, proofs: the libp2p identity of this node. */
  readonly node: SigningKey
  readonly nodeId: NodeId
  /** Signs delegations and roster entries. Absent on a node that was given a delegation only. */
  readonly operator?: SigningKey
}

/**
 * Requests and answers between members. The connection is authenticated: `from` is the peer's
 * proven node id. Messages are opaque here and bounded by `poolMessageBytesMax` on both sides.
 */
export interface PoolNetwork {
  /**
   * @throws UnreachableError when the peer cannot be dialled or does not answer in time;
   * BusyError when it has too many of our requests in flight.
   */
  request(to: NodeId, message: Uint8Array, options?: RequestOptions): Promise<Uint8Array>
  /** At most one handler. A handler that throws makes the requester see an UnreachableError. */
  handle(handler: (from: NodeId, message: Uint8Array) => Promise<Uint8Array>): void
  /** Tells everybody who listens to this pool, soon and without a promise (gossip). */
  announce(topic: string, message: Uint8Array): Promise<void>
  /** Announcements by others on a topic; `from` is the proven author. */
  subscribe(topic: string, onMessage: (from: NodeId, message: Uint8Array) => void): void
  unsubscribe(topic: string): void
  /** Called with a peer when a connection to it opens or the last one closes. */
  onPeer(listener: (peer: NodeId, connected: boolean) => void): void
  /** Multiaddrs as strings; remembered for later dials. */
  addAddresses(peer: NodeId, addresses: readonly string[]): Promise<void>
  /** Own addresses worth telling to members. */
  addresses(): readonly string[]
}

export interface RequestOptions extends AbortOptions {
  /**
   * The caller ends the wait itself, by its signal: an answer may have to read or fetch gigabytes first.
   * Otherwise the network gives up after its own patience. @default false
   */
  readonly patient?: boolean
}

/** Whole objects on this node's disk, and how to get one from a peer. */
export interface ObjectStore {
  /** Random, made with the data folder: a swapped or emptied disk has another one. 16 bytes. */
  readonly storeEpoch: Uint8Array
  /** Whether every block of the object is on disk, as far as the index knows. */
  has(root: CID): Promise<boolean>
  /** Those of these that `has` says of. */
  heldOf(roots: readonly CID[]): Promise<readonly CID[]>
  /** File bytes of an object of which every block is on disk; absent when `has` is false. */
  size(root: CID): Promise<number | undefined>
  /** All complete objects here, in byte order of the digest of their root. */
  roots(options?: AbortOptions): AsyncIterable<HeldObject>
  /**
   * Every block of the object, depth first, each once per occurrence, each verified.
   * @throws NotFoundError when a block is absent, CorruptBlockError when one is damaged.
   */
  blocks(root: CID, options?: AbortOptions): AsyncIterable<Uint8Array>
  /** One verified block, whichever object it belongs to; `undefined` when it is absent or damaged. */
  block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  /**
   * Pulls the object from these peers (first one first, the others when it fails) and makes it
   * durable and complete before it resolves.
   * @throws NotFoundError, UnreachableError, NoSpaceError, TooLargeError, CorruptBlockError
   */
  fetch(root: CID, from: readonly NodeId[], options?: FetchOptions): Promise<HeldObject>
  /**
   * Drops the object: first its row, then the blocks no other complete object needs. Refuses
   * (`false`) while a reader or an ingest of the same root has it open.
   */
  remove(root: CID): Promise<boolean>
  /**
   * From now on the object is absent for everybody (`has`, `roots`, `blocks`, who is reading it included); its
   * bytes stay. Durable when it resolves; the object when it was not sealed before.
   */
  seal(root: CID): Promise<HeldObject | undefined>
  /** The undo; the object when it was sealed until now. */
  unseal(root: CID): Promise<HeldObject | undefined>
  isSealed(root: CID): Promise<boolean>
  sealed(): AsyncIterable<HeldObject>
  /** Drops a sealed object and the blocks no other needs, whoever reads it; whether there was one. */
  erase(root: CID): Promise<boolean>
  /** Marks the object damaged, so that `has` is false until it was fetched anew. */
  quarantine(root: CID): Promise<void>
  /** Tells the DHT (or stops telling it, by all its names while it is stored or sealed) that this object can be had here. */
  provide(root: CID, on: boolean): Promise<void>
  space(): Promise<Space>
  /**
   * Sets room aside for a file that will come in segments, each an object of its own until the whole is one.
   * @throws NoSpaceError
   */
  openSegments(bytes: number): Promise<HeldSegments>
}

/** Segments of one file, durable and in nobody's way; disposing of it drops what no object needs. */
export interface HeldSegments extends AsyncDisposable {
  /** @throws NotFoundError, UnreachableError, NoSpaceError, TooLargeError, CorruptBlockError */
  take(root: CID, from: NodeId, options: { readonly sizeMax: number } & AbortOptions): Promise<void>
  /** Every block of a segment that was taken, depth first, each verified. @throws CorruptBlockError */
  blocks(root: CID): AsyncIterable<Uint8Array>
}

export interface FetchOptions extends AbortOptions {
  /** Object size in bytes as its pin says; a longer one is refused. */
  sizeMax?: number
  /** Its blocks came in segments: no room is set aside for them again. */
  present?: boolean
}

export interface HeldObject {
  readonly root: CID
  /** File bytes (not block bytes). */
  readonly size: number
  /** How it came here. An `upload` outside the placement may go once its keepers have it. */
  readonly origin: 'upload' | 'repair'
}

export interface Space {
  /** Bytes of blocks stored for the pool. */
  readonly usedBytes: number
  /** Bytes this node still accepts as copies: the smaller of its quota and what the disk has. */
  readonly freeBytes: number
  readonly capacityBytes: number
  /** The same for uploads, which have the stage on top. */
  readonly uploads: { readonly freeBytes: number; readonly capacityBytes: number }
}

/** Append-only logs on disk: the durable truth about journals and roster. */
export interface RecordLogs {
  open(name: string): Promise<RecordLog>
  /** Names of all logs there are. */
  list(): Promise<readonly string[]>
}

export interface RecordLog extends AsyncDisposable {
  /** Resolves when the records are durable (fsync), in this order, all or (after a crash) a prefix. */
  append(records: readonly Uint8Array[]): Promise<void>
  /** Everything appended so far, oldest first; a torn tail was cut off at `open`. */
  records(): AsyncIterable<Uint8Array>
}
