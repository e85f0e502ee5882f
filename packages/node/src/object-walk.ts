// The walk through an object's blocks, depth first, as a state machine without I/O: it names the next
// block, is given its bytes, and says which file bytes they hold. The server walks to know what to
// send and the client walks to know what to expect, so the two can never disagree about the order.
// It trusts nothing but the root CID: the caller has checked that bytes match the CID asked for, and
// every size, link and level is checked here, because a hash proves origin and not good sense.
//
// What a range counts depends on the root. Of a file it counts file bytes, and whatever has no byte in it is
// passed over unread. Of anything else, a DAG (a folder, a document), nobody knows what is below a link before
// he was there, so a range counts blocks, in the order of the walk. A block with two places is there twice.

import { limits, MalformedRecordError, sha256Code } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import {
  type ByteRange,
  type DagLink,
  isBlock,
  type ObjectLink,
  type ObjectNode,
  readObjectNode
} from './object-dag.ts'
import { defaults } from './options.ts'

export const wholeObject: ByteRange = Object.freeze({ from: 0, to: Number.MAX_SAFE_INTEGER })
/** Reaches nothing, so a walk over it visits the root alone: what is needed to know the size. */
export const rootOnly: ByteRange = Object.freeze({ from: 0, to: 0 })

/** The block to come, and the most bytes it may have. */
export interface WalkStep {
  readonly cid: CID
  readonly bytesMax: number
  /** Whether a file, a folder or a document begins with it: it is no part of a file. */
  readonly isEntity: boolean
}

/** `blocks`: the asker knows that it is a DAG, and goes on with it. Of a DAG whose range was meant as bytes, only the root is visited. */
export type RangeUnit = 'bytes' | 'blocks'

/** File bytes inside the range, as a view into the block they came in. */
export interface FilePiece {
  readonly offset: number
  readonly bytes: Uint8Array
}

interface Level {
  /** Links of a file say their sizes. */
  readonly links: readonly (ObjectLink | DagLink)[]
  index: number
  /** Length of the block with these links, which they keep in memory. */
  readonly bytes: number
  /** File offset of the child at `index`; means nothing where links have no sizes. */
  offset: number
}

interface Pending extends WalkStep {
  /** File offset of the block's first byte. */
  readonly offset: number
  /** File bytes below this block as its parent says; unknown for the root and below what is no file. */
  readonly size: number | undefined
}

export class ObjectWalk {
  readonly #root: CID
  readonly #unit: RangeUnit
  #range: ByteRange
  #kind: 'file' | 'dag' | undefined
  #size: number | undefined
  /** Bytes of all blocks so far. */
  #bytes = 0
  #position: number
  #inRange = true
  #levels: Level[] = []
  #heldBytes = 0
  #pending: Pending | undefined

  constructor(root: CID, range: ByteRange = wholeObject, unit: RangeUnit = 'bytes') {
    this.#root = root
    this.#range = range
    this.#unit = unit
    this.#position = unit === 'blocks' ? 0 : range.from
    this.#pending = pendingOf(root, 0, undefined)
  }

  /** What the root is; known once it was accepted. */
  get kind(): 'file' | 'dag' | undefined {
    return this.#kind
  }

  /** File bytes of a file, known once its root was accepted; of a DAG, bytes of the blocks so far. */
  get size(): number | undefined {
    return this.#kind === 'dag' ? this.#bytes : this.#size
  }

  /** How far the walk has come, in what the range counts. An inner block of a file does not move it. */
  get position(): number {
    return this.#position
  }

  /** Whether the block accepted last is in the range; one of a DAG before it was read for its links alone. */
  get inRange(): boolean {
    return this.#inRange
  }

  /** The block to give to `accept` next; absent when the range is complete. */
  get next(): WalkStep | undefined {
    return this.#pending
  }

  /** The rest of this walk over a DAG, up to `to`, as a walk of its own. */
  fork(to: number): ObjectWalk {
    const forked = new ObjectWalk(this.#root, { from: this.#position, to }, 'blocks')
    forked.#position = this.#position
    forked.#kind = this.#kind
    forked.#size = this.#size
    forked.#bytes = this.#bytes
    forked.#levels = this.#levels.map((level) => ({ ...level }))
    forked.#heldBytes = this.#heldBytes
    forked.#pending = this.#position < to ? this.#pending : undefined
    return forked
  }

  /**
   * Takes the verified bytes of the block `next`; returns its file bytes in range, if it has any and the object is
   * a file.
   * @throws MalformedRecordError when the block is no part of a well-formed object.
   */
  accept(bytes: Uint8Array): FilePiece | undefined {
    const pending = this.#pending
    if (pending === undefined) throw new Error('the walk is complete')
    const node = readObjectNode(pending.cid, bytes)
    if (this.#kind === undefined) this.#begin(node)
    if (pending.size !== undefined && (node.kind === 'dag' || node.size !== pending.size)) {
      const said = node.kind === 'dag' ? 'is no part of a file' : `has ${node.size} file bytes`
      throw malformed(`block ${pending.cid} ${said}, its parent says ${pending.size}`)
    }
    this.#bytes += bytes.length
    if (node.kind !== 'leaf' && node.links.length > 0) this.#descend(node.links, bytes.length, pending.offset)
    const piece =
      this.#kind === 'file' && node.kind === 'leaf' ? this.#pieceOf(pending.offset, node.data) : undefined
    if (piece !== undefined) this.#position = piece.offset + piece.bytes.length
    if (this.#kind === 'dag') {
      this.#inRange = this.#position >= this.#range.from
      this.#position += 1
    }
    this.#pending = this.#following()
    return piece
  }

  /**
   * Passes over the block `next` and all below it; returns what of the range was not looked at. Of a DAG that is
   * one block when it is raw, else everything from there.
   */
  skip(): ByteRange {
    const pending = this.#pending
    if (pending === undefined) throw new Error('the walk is complete')
    const { offset, size, cid } = pending
    if (this.#kind === 'file' || this.#kind === undefined) {
      this.#pending = this.#following()
      return size === undefined ? wholeObject : { from: offset, to: offset + size }
    }
    const from = this.#position
    if (cid.code !== rawCode) {
      this.#pending = undefined
      return { from, to: wholeObject.to }
    }
    this.#position += 1
    this.#pending = this.#following()
    return { from, to: from + 1 }
  }

  #begin(root: ObjectNode): void {
    if (root.kind !== 'dag') {
      if (this.#unit === 'blocks') throw malformed('a file is not asked for by counting its blocks')
      this.#kind = 'file'
      this.#size = root.size
      return
    }
    this.#kind = 'dag'
    if (this.#unit === 'bytes' && this.#range.from > 0) {
      this.#range = rootOnly
      this.#position = 0
    }
  }

  #descend(links: Level['links'], bytes: number, offset: number): void {
    const levelsMax = this.#kind === 'file' ? defaults.walkLevelsMax : defaults.dagLevelsMax
    if (this.#levels.length >= levelsMax) throw malformed(`more than ${levelsMax} levels of links`)
    this.#heldBytes += bytes
    if (this.#heldBytes > defaults.walkHeldBytesMax)
      throw malformed(`more than ${defaults.walkHeldBytesMax} bytes of blocks on the way to one`)
    this.#levels.push({ links, index: 0, bytes, offset })
  }

  #following(): Pending | undefined {
    for (;;) {
      const level = this.#levels.at(-1)
      if (level === undefined || (this.#kind === 'dag' && this.#position >= this.#range.to)) return undefined
      const link = level.links[level.index]
      const offset = level.offset
      const isOver = this.#kind === 'file' && offset >= this.#range.to
      if (link === undefined || isOver) {
        this.#heldBytes -= level.bytes
        this.#levels.pop()
        continue
      }
      level.index += 1
      const size = 'size' in link ? link.size : undefined
      level.offset += size ?? 0
      if (this.#kind === 'file') {
        if (level.offset > this.#range.from) return pendingOf(link.cid, offset, size)
      } else if (isBlock(link.cid)) {
        const isRead = this.#position >= this.#range.from || link.cid.code !== rawCode
        if (isRead) return pendingOf(link.cid, offset, size)
        this.#position += 1
      }
    }
  }

  #pieceOf(offset: number, data: Uint8Array): FilePiece | undefined {
    const from = Math.max(this.#range.from, offset)
    const to = Math.min(this.#range.to, offset + data.length)
    if (from >= to) return undefined
    return { offset: from, bytes: data.subarray(from - offset, to - offset) }
  }
}

function pendingOf(cid: CID, offset: number, size: number | undefined): Pending {
  if (cid.multihash.code !== sha256Code) throw malformed(`block ${cid} is not named by sha2-256`)
  // A raw leaf is exactly its file bytes, so a lie about its length is known before it is received.
  const bytesMax = cid.code === rawCode && size !== undefined ? size : limits.blockBytesMax
  if (bytesMax > limits.blockBytesMax) throw malformed(`block ${cid} is said to have ${bytesMax} bytes`)
  return { cid, bytesMax, offset, size, isEntity: size === undefined }
}

function malformed(reason: string): MalformedRecordError {
  return new MalformedRecordError('object', reason)
}
