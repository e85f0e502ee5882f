// The walk through a file's blocks, depth first, as a state machine without I/O: it names the next
// block, is given its bytes, and says which file bytes they hold. The server walks to know what to
// send and the client walks to know what to expect, so the two can never disagree about the order.
// It trusts nothing but the root CID: the caller has checked that bytes match the CID asked for, and
// every size, link and level is checked here, because a hash proves origin and not good sense.

import { limits, MalformedRecordError, sha256Code } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { type ByteRange, type ObjectLink, readObjectNode } from './object-dag.ts'
import { defaults } from './options.ts'

export const wholeFile: ByteRange = Object.freeze({ from: 0, to: Number.MAX_SAFE_INTEGER })
/** Reaches no byte, so a walk over it visits the root alone: what is needed to know the size. */
export const rootOnly: ByteRange = Object.freeze({ from: 0, to: 0 })

/** The block to come, and the most bytes it may have. */
export interface WalkStep {
  readonly cid: CID
  readonly bytesMax: number
}

/** File bytes inside the range, as a view into the block they came in. */
export interface FilePiece {
  readonly offset: number
  readonly bytes: Uint8Array
}

interface Level {
  readonly links: readonly ObjectLink[]
  index: number
  /** File offset of the child at `index`. */
  offset: number
}

interface Pending extends WalkStep {
  /** File offset of the block's first byte. */
  readonly offset: number
  /** File bytes below this block as its parent says; unknown for the root. */
  readonly size: number | undefined
}

export class FileWalk {
  readonly #range: ByteRange
  #size: number | undefined
  #levels: Level[] = []
  #pending: Pending | undefined

  constructor(root: CID, range: ByteRange = wholeFile) {
    this.#range = range
    this.#pending = pendingOf(root, 0, undefined)
  }

  /** File bytes of the object; known once the root was accepted. */
  get size(): number | undefined {
    return this.#size
  }

  /** The block to give to `accept` next; absent when the range is complete. */
  get next(): WalkStep | undefined {
    return this.#pending
  }

  /**
   * Takes the verified bytes of the block `next`; returns its file bytes in range, if it has any.
   * @throws MalformedRecordError when the block is no part of a well-formed file.
   */
  accept(bytes: Uint8Array): FilePiece | undefined {
    const pending = this.#pending
    if (pending === undefined) throw new Error('the walk is complete')
    const node = readObjectNode(pending.cid, bytes)
    if (pending.size === undefined) this.#size = node.size
    else if (node.size !== pending.size) {
      throw malformed(`block ${pending.cid} has ${node.size} file bytes, its parent says ${pending.size}`)
    }
    if (node.kind === 'inner') {
      if (this.#levels.length >= defaults.walkLevelsMax) {
        throw malformed(`more than ${defaults.walkLevelsMax} levels of links`)
      }
      this.#levels.push({ links: node.links, index: 0, offset: pending.offset })
    }
    this.#pending = this.#following()
    return node.kind === 'leaf' ? this.#pieceOf(pending.offset, node.data) : undefined
  }

  /** Passes over the block `next` and all below it; returns the file bytes that were not looked at. */
  skip(): ByteRange {
    const pending = this.#pending
    if (pending === undefined) throw new Error('the walk is complete')
    this.#pending = this.#following()
    const { offset, size } = pending
    return size === undefined ? wholeFile : { from: offset, to: offset + size }
  }

  #following(): Pending | undefined {
    for (;;) {
      const level = this.#levels.at(-1)
      if (level === undefined) return undefined
      const link = level.links[level.index]
      if (link === undefined || level.offset >= this.#range.to) {
        this.#levels.pop()
        continue
      }
      const offset = level.offset
      level.index += 1
      level.offset += link.size
      if (level.offset > this.#range.from) return pendingOf(link.cid, offset, link.size)
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
  return { cid, bytesMax, offset, size }
}

function malformed(reason: string): MalformedRecordError {
  return new MalformedRecordError('object', reason)
}
