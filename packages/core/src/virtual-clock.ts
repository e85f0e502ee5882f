// A clock that moves only when told: a week of repair runs in a second, and a failing run is repeated
// exactly. Sleepers wake in order of their time, then of their arrival.

import type { AbortOptions } from './abort.ts'
import type { Clock } from './clock.ts'

interface Sleeper {
  readonly atMs: number
  readonly order: number
  readonly wake: () => void
}

export class VirtualClock implements Clock {
  #nowMs = 0
  #order = 0
  #sleepers: Sleeper[] = []
  readonly #wallStartMs: number

  /** @param wallStartMs what the wall clock says at monotonic 0. */
  constructor(wallStartMs = 1_700_000_000_000) {
    this.#wallStartMs = wallStartMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs
  }

  sleep(ms: number, options?: AbortOptions): Promise<void> {
    const signal = options?.signal
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((resolve, reject) => {
      const sleeper: Sleeper = {
        atMs: this.#nowMs + Math.max(0, ms),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        }
      }
      const onAbort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** How many are asleep: zero means nothing will ever happen by itself. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  /** Moves time forward by `ms`, waking every sleeper at its own instant and letting it run. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms
    await settle()
    for (;;) {
      const next = this.#earliest()
      if (next === undefined || next.atMs > endMs) break
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      next.wake()
      await settle()
    }
    this.#nowMs = endMs
  }

  #earliest(): Sleeper | undefined {
    let best: Sleeper | undefined
    for (const s of this.#sleepers) {
      if (best === undefined || s.atMs < best.atMs || (s.atMs === best.atMs && s.order < best.order)) best = s
    }
    return best
  }
}

/** Lets everything that is ready run, including chains of promises and in-memory I/O. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => setImmediate(resolve))
}
