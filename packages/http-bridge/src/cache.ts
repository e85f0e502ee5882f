// The bounded memory of the pass-through: pieces of objects this node fetched and does not keep. Bounded in bytes
// and in age. Space is reserved when a piece begins to arrive, so that stored + reserved never exceeds the cap,
// however many fetches run. It is never counted as a copy.

import type { Clock } from '@commonhold/core'
import { S3Fifo } from './s3-fifo.ts'

interface Piece {
  readonly bytes: Uint8Array
  readonly atMs: number
}

export interface Reservation {
  /** Stores the piece. `bytes` has exactly the reserved length. */
  keep(bytes: Uint8Array): void
  /** Gives the space back; nothing happens after `keep`. */
  drop(): void
}

export class PieceCache implements Disposable {
  readonly #clock: Clock
  readonly #bytesMax: number
  readonly #ageMsMax: number
  readonly #pieces: S3Fifo<Piece> | undefined
  #reserved = 0
  #timer: NodeJS.Timeout | undefined

  constructor(clock: Clock, bytesMax: number, ageMsMax: number) {
    this.#clock = clock
    this.#bytesMax = bytesMax
    this.#ageMsMax = ageMsMax
    if (bytesMax > 0) this.#pieces = new S3Fifo(bytesMax)
  }

  get storedBytes(): number {
    return this.#pieces?.bytes ?? 0
  }

  get reservedBytes(): number {
    return this.#reserved
  }

  /** @param part position of a piece, or the name of something made of the object */
  get(root: string, part: number | string): Uint8Array | undefined {
    const piece = this.#pieces?.get(keyOf(root, part))
    if (piece === undefined) return undefined
    if (this.#isOld(piece)) {
      this.#pieces?.delete(keyOf(root, part))
      return undefined
    }
    return piece.bytes
  }

  /** Makes room by evicting; undefined when even an empty cache has none beside what is reserved. */
  reserve(root: string, part: number | string, length: number): Reservation | undefined {
    const pieces = this.#pieces
    if (pieces === undefined || length === 0 || this.#reserved + length > this.#bytesMax) return undefined
    while (pieces.bytes + this.#reserved + length > this.#bytesMax) pieces.evict()
    this.#reserved += length
    let open = true
    const close = (): boolean => {
      if (!open) return false
      open = false
      this.#reserved -= length
      return true
    }
    return {
      keep: (bytes) => {
        if (bytes.length !== length)
          throw new Error(`A piece of ${length} bytes was reserved, not ${bytes.length}.`)
        if (!close()) return
        pieces.set(keyOf(root, part), { bytes: own(bytes), atMs: this.#clock.monotonicMs() }, length)
        this.#arm()
      },
      drop: () => {
        close()
      }
    }
  }

  /** Everything of one object, at once: it was denied. */
  forget(root: string): void {
    if (this.#pieces === undefined || this.#pieces.size === 0) return
    for (const [key] of this.#pieces.entries()) if (key.startsWith(`${root}/`)) this.#pieces.delete(key)
  }

  /** Drops what is older than the cap. Runs by itself; called directly where time is virtual. */
  sweep(): void {
    if (this.#pieces === undefined) return
    for (const [key, piece] of this.#pieces.entries()) if (this.#isOld(piece)) this.#pieces.delete(key)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#pieces?.clear()
  }

  #isOld(piece: Piece): boolean {
    return this.#clock.monotonicMs() - piece.atMs >= this.#ageMsMax
  }

  /** One timer while anything is stored, and none that keeps a process alive. */
  #arm(): void {
    if (this.#timer !== undefined) return
    const periodMs = Math.max(1000, Math.min(this.#ageMsMax / 4, 60_000))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.sweep()
      if (this.storedBytes > 0) this.#arm()
    }, periodMs).unref()
  }
}

function keyOf(root: string, part: number | string): string {
  return `${root}/${part}`
}

/** A view into a larger network buffer would keep all of that buffer alive beyond what was counted. */
function own(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.length + 4096 ? new Uint8Array(bytes) : bytes
}
