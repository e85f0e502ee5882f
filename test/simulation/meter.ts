// Judgement by the ground truth: which bytes are really at machines that are really up. No policy under test
// can read or write it but through the copies it makes and drops.

export interface Sample {
  readonly atMs: number
  readonly liveMean: number
  /** Of the object that is off worst. */
  readonly liveMin: number
  readonly lost: number
}

export interface Figures {
  /** Copies made after the first ones. */
  readonly copiesMade: number
  readonly bytesMoved: number
  readonly lost: number
  readonly objectYears: number
  /** Share of object-time with fewer live copies than promised; with none, and not lost. */
  readonly belowMin: number
  readonly unavailable: number
  /** Copies on disk, up or not, averaged over object-time. */
  readonly stored: number
  readonly samples: readonly Sample[]
}

export class Meter {
  readonly #objects: number
  readonly #copiesMin: number
  readonly #live: Uint8Array
  readonly #stored: Uint16Array
  readonly #sinceMs: Float64Array
  readonly #lost: Uint8Array
  #storedNow = 0
  #liveNow = 0
  #storedSinceMs = 0
  #storedTimeMs = 0
  #belowMs = 0
  #unavailableMs = 0
  #lostCount = 0
  readonly #samples: Sample[] = []
  readonly lostAt: { object: number; atMs: number }[] = []
  copiesMade = 0
  bytesMoved = 0

  constructor(objects: number, copiesMin: number) {
    this.#objects = objects
    this.#copiesMin = copiesMin
    this.#live = new Uint8Array(objects)
    this.#stored = new Uint16Array(objects)
    this.#sinceMs = new Float64Array(objects)
    this.#lost = new Uint8Array(objects)
  }

  live(object: number): number {
    return this.#live[object] ?? 0
  }

  isLost(object: number): boolean {
    return this.#lost[object] === 1
  }

  /** A copy became reachable (+1) or unreachable (−1). */
  reach(object: number, change: 1 | -1, nowMs: number): void {
    this.#settle(object, nowMs)
    this.#live[object] = this.live(object) + change
    this.#liveNow += change
  }

  /** Sound bytes were written somewhere (+1) or are no more (−1). */
  store(object: number, change: 1 | -1, nowMs: number): void {
    this.#storedTimeMs += this.#storedNow * (nowMs - this.#storedSinceMs)
    this.#storedSinceMs = nowMs
    this.#storedNow += change
    const left = (this.#stored[object] ?? 0) + change
    this.#stored[object] = left
    if (left === 0 && change === -1 && !this.isLost(object)) {
      this.#lost[object] = 1
      this.#lostCount++
      this.lostAt.push({ object, atMs: nowMs })
    }
  }

  sample(nowMs: number): void {
    let liveMin = Number.POSITIVE_INFINITY
    for (let i = 0; i < this.#objects; i++) liveMin = Math.min(liveMin, this.live(i))
    this.#samples.push({
      atMs: nowMs,
      liveMean: this.#liveNow / this.#objects,
      liveMin,
      lost: this.#lostCount
    })
  }

  figures(nowMs: number, yearMs: number): Figures {
    for (let object = 0; object < this.#objects; object++) this.#settle(object, nowMs)
    const storedTimeMs = this.#storedTimeMs + this.#storedNow * (nowMs - this.#storedSinceMs)
    const objectTimeMs = this.#objects * nowMs
    return {
      copiesMade: this.copiesMade,
      bytesMoved: this.bytesMoved,
      lost: this.#lostCount,
      objectYears: objectTimeMs / yearMs,
      belowMin: this.#belowMs / objectTimeMs,
      unavailable: this.#unavailableMs / objectTimeMs,
      stored: storedTimeMs / objectTimeMs,
      samples: this.#samples
    }
  }

  #settle(object: number, nowMs: number): void {
    const passedMs = nowMs - (this.#sinceMs[object] ?? 0)
    const live = this.live(object)
    if (live < this.#copiesMin) this.#belowMs += passedMs
    if (live === 0 && !this.isLost(object)) this.#unavailableMs += passedMs
    this.#sinceMs[object] = nowMs
  }
}
