// The weather on the links of a soak: delay, narrow lines, resets, silence in one direction, doors that lead nowhere,
// ends that come late; a few at a time, each on one link for seconds. Bad weather is no blow: everybody is up,
// and what was promised is owed.

import type { Random } from '@commonhold/core'
import { pause } from './blows.ts'
import type { Ground } from './ground.ts'
import type { Link, LinkProxy, Way } from './link-proxy.ts'

const kinds = ['delay', 'narrow', 'reset', 'silence', 'half-open', 'slow end'] as const
export type WeatherKind = (typeof kinds)[number]

const gapMs = 1500
const atOnceMax = 6
const lastsMsMin = 2000
const lastsMsSpan = 14_000

type Line = { readonly link: Link; readonly proxy: LinkProxy }

export class Weather {
  readonly counts: Record<WeatherKind, number> = {
    delay: 0,
    narrow: 0,
    reset: 0,
    silence: 0,
    'half-open': 0,
    'slow end': 0
  }
  readonly #ground: Ground
  readonly #names: readonly string[]
  readonly #random: Random
  readonly #under = new Set<string>()

  constructor(ground: Ground, names: readonly string[], random: Random) {
    this.#ground = ground
    this.#names = names
    this.#random = random
  }

  /** Until the signal; then the sky is clear. */
  async run(signal: AbortSignal): Promise<void> {
    const passing: Promise<void>[] = []
    while (!signal.aborted) {
      await pause(this.#random.unit() * 2 * gapMs, signal)
      if (!signal.aborted && this.#under.size < atOnceMax) passing.push(this.#strike(signal))
    }
    await Promise.all(passing)
  }

  async #strike(signal: AbortSignal): Promise<void> {
    const random = this.#random
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random.unit() * from.length)] as T
    const [a, kind] = [pick(this.#names), pick(kinds)]
    const b = pick(this.#names.filter((name) => name !== a))
    const lastsMs = lastsMsMin + random.unit() * lastsMsSpan
    const [strength, backwards] = [random.unit(), random.unit() < 0.5]
    const pair = [a, b].sort().join(' ')
    if (this.#under.has(pair)) return
    this.#under.add(pair)
    this.counts[kind]++
    const lines = this.#ground.links(a, b)
    // One direction between the two, whoever of them dialled.
    const ways = lines.map(({ link }, i) => ((i === 0) === backwards ? link.from : link.to))
    const end = begin(kind, lines, ways, strength)
    await pause(lastsMs, signal)
    end()
    this.#under.delete(pair)
  }
}

/** Returns how to end it, and changes nothing but its own: a wall may stand on the same link. */
function begin(
  kind: WeatherKind,
  lines: readonly Line[],
  ways: readonly Way[],
  strength: number
): () => void {
  const reset = (): void => {
    for (const { link, proxy } of lines) proxy.reset(link)
  }
  const set = (change: Partial<Way>): void => {
    for (const way of ways) Object.assign(way, change)
  }
  switch (kind) {
    case 'delay':
      set({ delayMs: 50 + strength * 450, jitterMs: strength * 300 })
      return () => set({ delayMs: 0, jitterMs: 0 })
    case 'narrow':
      set({ bytesPerSecond: 2 ** (15 + strength * 4) })
      return () => set({ bytesPerSecond: 0 })
    case 'silence':
      set({ silent: true })
      return () => set({ silent: false })
    case 'slow end':
      set({ endDelayMs: 1000 + strength * 9000 })
      return () => set({ endDelayMs: 0 })
    case 'reset':
      reset()
      return () => {}
    case 'half-open':
      for (const { link } of lines) link.halfOpen = true
      reset()
      return () => {
        for (const { link } of lines) link.halfOpen = false
        // Who waits at a door that leads nowhere would wait for its own patience.
        reset()
      }
  }
}
