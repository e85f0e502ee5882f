// What the bridge needs from the rest of the node, as narrow ports; `cli/src/compose.ts` wires them.
// The bridge never sees libp2p, the block store or the journals.

import type { AbortOptions, Clock, ContentName, ContentPolicy, Log } from '@commonhold/core'
import type { CID } from 'multiformats/cid'

export interface BridgeComponents {
  readonly library: Library
  readonly intake: Intake
  readonly pins: Pins
  readonly tokens: Tokens
  readonly policy: ContentPolicy
  readonly health: Health
  readonly clock: Clock
  readonly log: Log
}

/** Reading: names to objects, objects to verified bytes, wherever they are. */
export interface Library {
  /**
   * The root a name stands for: at once when the name is a CID, from the pin set or the index when it
   * is a digest. Absent when nobody here knows the digest.
   */
  resolve(name: ContentName, options?: AbortOptions): Promise<ResolvedName | undefined>
  /**
   * Size and whether its blocks are on this node's disk; fetches no more than the root block.
   * @throws NotFoundError when all who should have it say no; UnreachableError when they do not answer;
   * NotAFileError for a part that is a folder or a document. An object that is one is known by `read`.
   */
  stat(root: CID, options?: PartOptions): Promise<ObjectStat>
  /**
   * Verified file bytes from `from` to `to` (exclusive), in order, leaf by leaf; the first is yielded
   * before the last was fetched. Keeps nothing of what it fetched. A source that fails is replaced
   * without the reader noticing.
   * @throws NotFoundError, UnreachableError, also after the first chunk; NotAFileError before it
   */
  read(root: CID, range: ByteRange, options?: PartOptions): AsyncIterable<Chunk>
  /**
   * The verified blocks that `range` needs, parents before children, each once per place it has in the object. Of a
   * folder or a document the range counts blocks, and only an empty one and the whole mean something to a stranger.
   * @throws NotFoundError, UnreachableError, also after the first block
   */
  blocks(root: CID, range: ByteRange, options?: PartOptions): AsyncIterable<NamedBlock>
  /** One block of objects on this node's disk, and which objects these are; absent when it is not here. */
  blockHere(
    cid: CID,
    options?: AbortOptions
  ): Promise<{ readonly owners: readonly ResolvedName[]; readonly bytes: Uint8Array } | undefined>
}

export interface PartOptions extends AbortOptions {
  /** The object that the root to read from is a part of. Absent: the root is an object itself. */
  readonly within?: CID | undefined
}

export interface NamedBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface ResolvedName {
  readonly root: CID
  readonly digest?: Uint8Array
  /** Whether a pool this node is in wants it: what the bridge serves by default (`bridgeScope: pool`). */
  readonly wanted: boolean
  /** `members` objects are served only to requests with a token. */
  readonly visibility: 'public' | 'members'
}

export interface ObjectStat {
  /** File bytes. */
  readonly size: number
  /** Whole object on this node's disk. */
  readonly local: boolean
}

/** Half-open range of file bytes. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

export interface Chunk {
  /** Position of the first byte in the file. */
  readonly offset: number
  readonly bytes: Uint8Array
}

/** Writing: one pass from a stream of bytes to a durable, pinned, offered object. */
export interface Intake {
  /**
   * @throws NoSpaceError, TooLargeError, DeniedError, PoolTooSmallError; nothing is kept then.
   */
  put(bytes: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<PutResult>
}

export interface PutOptions extends AbortOptions {
  readonly copiesMin?: number
  readonly visibility?: 'public' | 'members'
  /** Longest the file can be, in bytes, when the sender said so: without room for it nothing is read. */
  readonly sizeMax?: number
}

export interface PutResult {
  readonly root: CID
  readonly digest: Uint8Array
  readonly size: number
  /** Copies promised by receipts at distinct operators, our own included, when this was answered. */
  readonly copiesPromised: number
  /** Whether the same object was wanted by this node before. */
  readonly existed: boolean
}

export interface Pins {
  /** Removes this node's own wish. `false` when it had none. */
  unpin(root: CID): Promise<boolean>
  /** Absent when no pool here wants it. */
  status(root: CID): Promise<ReplicationStatus | undefined>
}

export type HealthState = 'healthy' | 'degraded' | 'at risk' | 'unreachable' | 'lost'

export interface ReplicationStatus {
  readonly root: CID
  readonly digest?: Uint8Array
  readonly size: number
  readonly health: HealthState
  readonly copiesMin: number
  readonly copiesTarget: number
  readonly copiesLive: number
  readonly copiesClaimed: number
  readonly reasons: readonly string[]
  readonly holders: readonly Holder[]
}

export interface Holder {
  readonly node: string
  readonly operator: string
  readonly state: 'live' | 'claimed' | 'unreachable' | 'corrupt' | 'declined'
  readonly lastProofAgeMs?: number
}

/** Bearer tokens, by what they allow. */
export interface Tokens {
  /** Scopes of the presented token; empty for an unknown one. Comparison is constant-time. */
  scopesOf(token: string): Promise<readonly TokenScope[]>
}

export type TokenScope = 'upload' | 'delete' | 'read' | 'metrics'

export interface Health {
  /** Why this node cannot serve now; empty when it can. */
  notReadyReasons(): readonly string[]
  /** What the front page says about this node. */
  about(): NodeAbout
  /** Prometheus text of the node's own metrics, to be joined to the bridge's. */
  metrics(): Promise<string>
}

export interface NodeAbout {
  readonly version: string
  readonly nodeId: string
  readonly pool?: { readonly name: string; readonly operators: number; readonly objects: number }
  readonly operatorDomain?: string
}
