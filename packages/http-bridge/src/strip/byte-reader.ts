// A stream of bytes read as a structure: small parts looked at, large parts passed on, in bounded memory. What the
// strippers stand on.

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Uint8Array = new Uint8Array(0)
  #ended = false
  #position = 0

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Bytes taken so far: where the next one stood in the input. */
  get position(): number {
    return this.#position
  }

  /** The next `length` bytes without taking them; fewer only when the input ends before. */
  async peek(length: number): Promise<Uint8Array> {
    if (this.#held.length < length) await this.#gather(length)
    return this.#held.subarray(0, length)
  }

  /** Takes `length` bytes; fewer only at the end. The caller bounds `length`. */
  async read(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length)
    this.#take(bytes.length)
    return bytes
  }

  /** Passes `length` bytes on as they come; fewer only at the end. */
  async *pass(length: number): AsyncGenerator<Uint8Array> {
    let left = length
    while (left > 0 && (await this.#fill())) {
      const bytes = this.#held.subarray(0, left)
      this.#take(bytes.length)
      left -= bytes.length
      yield bytes
    }
  }

  /** Everything that is left. */
  rest(): AsyncGenerator<Uint8Array> {
    return this.pass(Number.POSITIVE_INFINITY)
  }

  /** Takes `length` bytes and forgets them. Returns how many there were. */
  async skip(length: number): Promise<number> {
    let skipped = 0
    for await (const bytes of this.pass(length)) skipped += bytes.length
    return skipped
  }

  /**
   * What is in memory now, at least two bytes unless the input ends; for scanning without a known length. The
   * caller takes what it has understood with `read`.
   */
  async available(): Promise<Uint8Array> {
    if (this.#held.length < 2) await this.#gather(2)
    return this.#held
  }

  #take(length: number): void {
    this.#held = this.#held.subarray(length)
    this.#position += length
  }

  async #fill(): Promise<boolean> {
    while (this.#held.length === 0 && !this.#ended) {
      const next = await this.#source.next()
      if (next.done === true) this.#ended = true
      else this.#held = next.value
    }
    return this.#held.length > 0
  }

  async #gather(length: number): Promise<void> {
    const parts = [this.#held]
    let total = this.#held.length
    while (total < length && !this.#ended) {
      const next = await this.#source.next()
      if (next.done === true) this.#ended = true
      else {
        parts.push(next.value)
        total += next.value.length
      }
    }
    this.#held = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }
}
