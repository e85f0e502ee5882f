// The memory that clients can hold: bytes handed to sockets and not yet taken. Responses beyond the bound wait;
// while any waits, whoever has not taken its last piece for too long is cut off, so that a handful of stalled
// clients cannot keep the others out.

interface Holder {
  readonly cut: () => void
  bytes: number
  sinceMs: number
}

export interface OutboxPlace {
  /** Takes room for bytes about to be written; undefined at once, or a promise when it has to wait. */
  take(bytes: number): Promise<void> | undefined
  /** The client has taken what was written. */
  taken(): void
  /** The response is over, in whatever way. */
  close(): void
}

export class Outbox {
  readonly #bytesMax: number
  readonly #stallMsMax: number
  readonly #nowMs: () => number
  readonly #holders = new Set<Holder>()
  readonly #waiting: (() => boolean)[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(bytesMax: number, stallMsMax: number, nowMs: () => number) {
    this.#bytesMax = bytesMax
    this.#stallMsMax = stallMsMax
    this.#nowMs = nowMs
  }

  get heldBytes(): number {
    return this.#bytes
  }

  /** @param cut destroys the connection of this response. */
  enter(cut: () => void): OutboxPlace {
    const holder: Holder = { cut, bytes: 0, sinceMs: 0 }
    let closed = false
    const give = (): void => {
      if (holder.bytes === 0) return
      this.#bytes -= holder.bytes
      holder.bytes = 0
      this.#holders.delete(holder)
      this.#wake()
    }
    const hold = (bytes: number): void => {
      holder.bytes += bytes
      holder.sinceMs = this.#nowMs()
      this.#bytes += bytes
      this.#holders.add(holder)
    }
    return {
      take: (bytes) => {
        if (this.#fits(bytes) && this.#waiting.length === 0) {
          hold(bytes)
          return undefined
        }
        return new Promise((resolve) => {
          this.#waiting.push(() => {
            if (!closed && !this.#fits(bytes)) return false
            if (!closed) hold(bytes)
            resolve()
            return true
          })
          this.#watch()
        })
      },
      taken: give,
      close: () => {
        closed = true
        give()
        this.#wake()
      }
    }
  }

  /** One piece always fits an empty outbox, whatever the bound. */
  #fits(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + bytes <= this.#bytesMax
  }

  #wake(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]?.() === true) this.#waiting.shift()
    if (this.#waiting.length === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #watch(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.cutStalled()
      if (this.#waiting.length > 0) this.#watch()
    }, this.#stallMsMax)
  }

  /** Cuts every holder without progress for `pressureStallMsMax`, if anybody waits. */
  cutStalled(): void {
    if (this.#waiting.length === 0) return
    const nowMs = this.#nowMs()
    for (const holder of [...this.#holders]) {
      if (nowMs - holder.sinceMs >= this.#stallMsMax) holder.cut()
    }
  }
}
