// The laws by which simulated members come, go and rot, drawn from a seeded generator.
// Sessions of volunteers' machines are not exponential: many short ones and a long tail (Stutzbach & Rejaie
// 2006, the TU Delft P2P trace archive), hence Weibull with shape 0.6 and log-normal absences.

import { type Random, seededRandom } from '@commonhold/core'

/** Γ(1 + 1/0.6): the mean of a Weibull of shape 0.6 and scale 1. */
const weibullMean = 1.504575488251556
const weibullShape = 0.6

export class Chance {
  readonly #random: Random

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  unit(): number {
    return this.#random.unit()
  }

  bytes(length: number): Uint8Array {
    return this.#random.bytes(length)
  }

  below(limit: number): number {
    return Math.floor(this.unit() * limit)
  }

  exponential(mean: number): number {
    return -Math.log(1 - this.unit()) * mean
  }

  weibull(mean: number): number {
    return (mean / weibullMean) * (-Math.log(1 - this.unit())) ** (1 / weibullShape)
  }

  logNormal(median: number, sigma: number): number {
    // Box and Muller; 1 − unit() is never 0.
    const normal = Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit())
    return median * Math.exp(sigma * normal)
  }
}
