// Which pieces are worth their memory: the S3-FIFO policy (Yang et al., "FIFO queues are all you need for cache
// eviction", SOSP 2023). Newcomers wait in a small queue, and only what is asked for again moves to the main one, so
// that a crawler that reads everything once drives out nothing that is read often. Sizes are bytes.

interface Entry<V> {
  readonly value: V
  readonly bytes: number
  /** Hits since it was last judged, at most `hitsMax`. */
  hits: number
}

/** Share of the bytes for those on probation, from the paper; larger lets scans in, smaller forgets too soon. */
const smallShare = 0.1
/** More hits than this say nothing more about the future. */
const hitsMax = 3
/** Keys remembered of what was put out on probation. One takes about 150 bytes. */
const ghostsMax = 16_384

export class S3Fifo<V> {
  readonly #bytesMax: number
  // Maps keep the order of insertion, which is all a FIFO queue needs.
  readonly #small = new Map<string, Entry<V>>()
  readonly #main = new Map<string, Entry<V>>()
  /** Keys put out of the small queue: who comes back soon was put out too early. */
  readonly #ghosts = new Map<string, number>()
  #smallBytes = 0
  #mainBytes = 0
  #ghostBytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#smallBytes + this.#mainBytes
  }

  get size(): number {
    return this.#small.size + this.#main.size
  }

  /** Counts as a hit. */
  get(key: string): V | undefined {
    const entry = this.#small.get(key) ?? this.#main.get(key)
    if (entry === undefined) return undefined
    if (entry.hits < hitsMax) entry.hits++
    return entry.value
  }

  /** The caller has made room with `evict`. */
  set(key: string, value: V, bytes: number): void {
    this.delete(key)
    const entry = { value, bytes, hits: 0 }
    if (this.#forgetGhost(key)) {
      this.#main.set(key, entry)
      this.#mainBytes += bytes
    } else {
      this.#small.set(key, entry)
      this.#smallBytes += bytes
    }
  }

  delete(key: string): boolean {
    const small = this.#small.get(key)
    if (small !== undefined) this.#smallBytes -= small.bytes
    const main = this.#main.get(key)
    if (main !== undefined) this.#mainBytes -= main.bytes
    return this.#small.delete(key) || this.#main.delete(key)
  }

  clear(): void {
    this.#small.clear()
    this.#main.clear()
    this.#ghosts.clear()
    this.#smallBytes = this.#mainBytes = this.#ghostBytes = 0
  }

  *entries(): IterableIterator<[key: string, value: V]> {
    for (const queue of [this.#small, this.#main]) for (const [key, { value }] of queue) yield [key, value]
  }

  /** Puts out the one that is worth least; `false` when there is nothing left. */
  evict(): boolean {
    // Until the main queue has filled its share, newcomers may use all there is.
    if (this.#smallBytes > this.#bytesMax * smallShare || this.#main.size === 0) return this.#evictSmall()
    return this.#evictMain()
  }

  #evictSmall(): boolean {
    for (const [key, entry] of this.#small) {
      this.#small.delete(key)
      this.#smallBytes -= entry.bytes
      if (entry.hits === 0) {
        this.#remember(key, entry.bytes)
        return true
      }
      this.#main.set(key, { ...entry, hits: 0 })
      this.#mainBytes += entry.bytes
    }
    return this.#main.size > 0 && this.#evictMain()
  }

  #evictMain(): boolean {
    // Ends: every round takes a hit away from the one it spares.
    for (const [key, entry] of this.#main) {
      this.#main.delete(key)
      if (entry.hits === 0) {
        this.#mainBytes -= entry.bytes
        return true
      }
      entry.hits--
      this.#main.set(key, entry)
    }
    return false
  }

  #remember(key: string, bytes: number): void {
    this.#ghosts.set(key, bytes)
    this.#ghostBytes += bytes
    const bytesMax = this.#bytesMax * (1 - smallShare)
    for (const [oldest] of this.#ghosts) {
      if (this.#ghosts.size <= ghostsMax && this.#ghostBytes <= bytesMax) return
      this.#forgetGhost(oldest)
    }
  }

  #forgetGhost(key: string): boolean {
    const bytes = this.#ghosts.get(key)
    if (bytes === undefined) return false
    this.#ghostBytes -= bytes
    return this.#ghosts.delete(key)
  }
}
