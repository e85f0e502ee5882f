// Reading: a name to a root, a root to verified bytes, wherever they are. Own disk first, then the
// keepers that placement names (no lookup inside a pool), then whoever the DHT knows. Keeps nothing.

import {
  type AbortOptions,
  type ContentName,
  type NodeId,
  NotAFileError,
  NotFoundError,
  OperatingError,
  rawCidOf
} from '@commonhold/core'
import { ObjectWalk } from '@commonhold/node'
import type { Pool } from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'

/** Half-open range of file bytes. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

export interface Chunk {
  readonly offset: number
  readonly bytes: Uint8Array
}

export interface NamedBlock {
  readonly cid: CID
  readonly bytes: Uint8Array
}

export interface PartOptions extends AbortOptions {
  /** The object that the root to read from is a part of. Absent: the root is an object itself. */
  readonly within?: CID | undefined
}

export interface LibraryComponents {
  readonly membership: { readonly pool: Pool }
  readonly objects: {
    get(root: CID): Promise<{ readonly size: number } | undefined>
    byDigest(digest: Uint8Array): Promise<{ readonly root: CID } | undefined>
    read(root: CID, range: ByteRange, options?: PartOptions): AsyncIterable<Chunk>
    named(root: CID, range: ByteRange, options?: PartOptions): AsyncIterable<NamedBlock>
    contains(root: CID, block: CID): Promise<boolean>
    ownersOf(cid: CID, limit: number): Promise<readonly { readonly root: CID }[]>
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  }
  readonly retrieval: {
    blocks(
      root: CID,
      range: ByteRange,
      options: { hints: readonly NodeId[]; after?: ObjectWalk | undefined } & PartOptions
    ): AsyncIterable<NamedBlock>
    read(
      root: CID,
      range: ByteRange,
      options: { hints: readonly NodeId[] } & PartOptions
    ): AsyncIterable<Chunk>
    stat(
      root: CID,
      options: { hints: readonly NodeId[] } & PartOptions
    ): Promise<{ readonly size: number; readonly kind: 'file' | 'dag' }>
  }
}

export interface ResolvedName {
  readonly root: CID
  readonly digest?: Uint8Array
  readonly wanted: boolean
  readonly visibility: 'public' | 'members'
}

export class NodeLibrary {
  readonly #components: LibraryComponents

  constructor(components: LibraryComponents) {
    this.#components = components
  }

  async resolve(name: ContentName): Promise<ResolvedName | undefined> {
    const { membership, objects } = this.#components
    const { pool } = membership
    if (name.kind === 'cid') {
      const wanted = (await pool.wanted(name.cid)) ?? (await this.#wantedUnderOtherSpelling(name.cid))
      if (wanted !== undefined) return resolved(wanted)
      return { root: name.cid.toV1(), wanted: false, visibility: 'public' }
    }
    const wanted = await pool.wantedByDigest(name.digest)
    if (wanted !== undefined) return resolved(wanted)
    const local = await objects.byDigest(name.digest)
    if (local !== undefined)
      return { root: local.root, digest: name.digest, wanted: false, visibility: 'public' }
    // A file of one block has its digest in its raw CID, so the DHT can know it without the pool.
    return { root: rawCidOf(name.digest), digest: name.digest, wanted: false, visibility: 'public' }
  }

  /** @throws NotAFileError for a folder or document whose size nobody here knows, and for a part that is one */
  async stat(root: CID, options: PartOptions = {}): Promise<{ size: number; local: boolean }> {
    const { membership, objects, retrieval } = this.#components
    const { within } = options
    if (within !== undefined) return this.#statPart(root, within, options)
    const local = await objects.get(root)
    if (local !== undefined) return { size: local.size, local: true }
    const wanted = await membership.pool.wanted(root)
    if (wanted !== undefined) return { size: wanted.size, local: false }
    const hints = await membership.pool.holdersOf(root)
    const { size, kind } = await retrieval.stat(root, { hints, ...options })
    if (kind === 'dag') throw new NotAFileError(`${root}`)
    return { size, local: false }
  }

  async #statPart(root: CID, within: CID, options: PartOptions): Promise<{ size: number; local: boolean }> {
    for await (const { cid, bytes } of this.blocks(root, rootOnly, options)) {
      const walk = new ObjectWalk(cid)
      walk.accept(bytes)
      if (walk.kind !== 'file') throw new NotAFileError(`${root}`)
      const local = await this.#components.objects.contains(within, root)
      return { size: walk.size ?? 0, local }
    }
    throw new NotFoundError(`Nobody has the block ${root} of ${within}.`)
  }

  async *read(root: CID, range: ByteRange, options: PartOptions = {}): AsyncGenerator<Chunk> {
    const { membership, objects, retrieval } = this.#components
    const owner = options.within ?? root
    let at = range.from
    if ((await objects.get(owner)) !== undefined) {
      try {
        for await (const chunk of objects.read(root, range, options)) {
          yield chunk
          at = chunk.offset + chunk.bytes.length
        }
        return
      } catch (err) {
        // Damaged or just released: others have it, and the reader goes on at the byte it has come to.
        if (!(err instanceof OperatingError) || !replaceable.has(err.name)) throw err
      }
    }
    if (at >= range.to && range.to > range.from) return
    const hints = await membership.pool.holdersOf(owner)
    yield* retrieval.read(root, { from: at, to: range.to }, { hints, ...options })
  }

  /** The verified blocks that `range` needs, parents before children, each once per place it has in the object. */
  async *blocks(root: CID, range: ByteRange, options: PartOptions = {}): AsyncGenerator<NamedBlock> {
    const { membership, objects, retrieval } = this.#components
    // What is expected next: a source taken over in the middle sends again what leads there.
    const owner = options.within ?? root
    const walk = new ObjectWalk(root, range)
    const isNext = ({ cid, bytes }: NamedBlock): boolean => {
      if (walk.next?.cid.equals(cid) !== true) return false
      walk.accept(bytes)
      return true
    }
    if ((await objects.get(owner)) !== undefined) {
      try {
        for await (const block of objects.named(root, range, options)) if (isNext(block)) yield block
        return
      } catch (err) {
        if (!(err instanceof OperatingError) || !replaceable.has(err.name)) throw err
      }
    }
    const hints = await membership.pool.holdersOf(owner)
    const rest = { from: Math.min(walk.position, range.to), to: range.to }
    const after = walk.kind === 'dag' ? walk : undefined
    for await (const block of retrieval.blocks(root, rest, { hints, after, ...options })) {
      if (isNext(block)) yield block
    }
  }

  /** One block of objects on this disk, and which these are; absent when there is none. */
  async blockHere(
    cid: CID,
    options?: AbortOptions
  ): Promise<{ owners: readonly ResolvedName[]; bytes: Uint8Array } | undefined> {
    const { objects } = this.#components
    const owners = await objects.ownersOf(cid, ownersAskedMax)
    if (owners.length === 0) return undefined
    const bytes = await objects.block(cid, options)
    if (bytes === undefined) return undefined
    const names = await Promise.all(owners.map(({ root }) => this.resolve({ kind: 'cid', cid: root })))
    return { owners: names.filter((name) => name !== undefined), bytes }
  }

  /** The raw CID of a small file's digest names the same file as the CID it was pinned by. */
  async #wantedUnderOtherSpelling(cid: CID) {
    return this.#components.membership.pool.wantedByDigest(cid.multihash.digest)
  }
}

/** Reaches no byte: the root block alone. */
const rootOnly: ByteRange = Object.freeze({ from: 0, to: 0 })

/** A block of black is part of many films: enough of them to find one that may be shown. */
const ownersAskedMax = 16

const replaceable: ReadonlySet<string> = new Set(['CorruptBlockError', 'NotFoundError'])

function resolved(wanted: {
  root: CID
  digest?: Uint8Array
  visibility: 'public' | 'members'
}): ResolvedName {
  return {
    root: wanted.root,
    ...(wanted.digest === undefined ? {} : { digest: wanted.digest }),
    wanted: true,
    visibility: wanted.visibility
  }
}
