// The weathers a pool is put through. Figures and their sources: docs/durability.md, "The model".

import type { KeeperClass } from '../../packages/pinning/src/roster/member.ts'

export const minuteMs = 60_000
export const hourMs: number = 60 * minuteMs
export const dayMs: number = 24 * hourMs
export const yearMs: number = 365 * dayMs

/** How one kind of member lives. */
export interface Life {
  readonly class: KeeperClass
  /** Mean of a Weibull session. */
  readonly upMeanMs: number
  /** Median of a log-normal absence of sigma 2: its mean is 7.4 times as long. */
  readonly downMedianMs: number
  /** Mean time until it leaves for good, exponential. */
  readonly leavesAfterMs: number
  /** Median of what its line carries one way; log-normal with sigma 0.7. */
  readonly linkBitsPerSecond: number
}

const instance: Life = {
  class: 'server',
  upMeanMs: 20 * dayMs,
  downMedianMs: hourMs,
  leavesAfterMs: 2.88 * yearMs,
  linkBitsPerSecond: 200e6
}

const home: Life = {
  class: 'home',
  upMeanMs: 3 * dayMs,
  downMedianMs: 2 * hourMs,
  leavesAfterMs: yearMs,
  linkBitsPerSecond: 20e6
}

export interface Profile {
  readonly lives: readonly { readonly share: number; readonly life: Life }[]
  /** Members whose machines stand at one provider, as a share of all; the rest is at smaller ones. */
  readonly providerShare: number
  /** Whether members say in the roster where they stand. */
  readonly zonesKnown: boolean
  /** When the provider goes, with everything there, as a share of the simulated time. */
  readonly providerGoesAt?: number
  /** Mean time between partitions; each cuts off a third of the members for a log-normal hour. */
  readonly partitionsEveryMs?: number
  /** Chance that a copy loses a block on its disk, per year. */
  readonly rotPerYear: number
  /** Members that drop the bytes once two challengers were shown them. */
  readonly liarShare: number
}

const calm = { providerShare: 0, zonesKnown: true, rotPerYear: 0, liarShare: 0 }

export const profiles: Readonly<Record<string, Profile>> = {
  instances: { ...calm, lives: [{ share: 1, life: instance }] },
  homes: { ...calm, lives: [{ share: 1, life: home }] },
  mixed: {
    ...calm,
    lives: [
      { share: 0.4, life: instance },
      { share: 0.6, life: home }
    ]
  },
  provider: { ...calm, lives: [{ share: 1, life: instance }], providerShare: 0.35, providerGoesAt: 0.5 },
  'provider-unknown': {
    ...calm,
    lives: [{ share: 1, life: instance }],
    providerShare: 0.35,
    zonesKnown: false,
    providerGoesAt: 0.5
  },
  rough: {
    ...calm,
    lives: [
      { share: 0.5, life: instance },
      { share: 0.5, life: { ...home, linkBitsPerSecond: 8e6 } }
    ],
    partitionsEveryMs: 60 * dayMs,
    rotPerYear: 0.02,
    liarShare: 0.03
  }
}
