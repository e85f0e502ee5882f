// The objects of a soak: their bytes, made again from seed and number whenever they are compared, and what was
// promised for them. Keeps no bytes.

import { createHash } from 'node:crypto'
import type { Random } from '@commonhold/core'

const sizeMax = 8 * 1024 * 1024

export interface Draft {
  readonly number: number
  readonly size: number
  readonly sha256: string
}

export interface Acknowledged extends Draft {
  readonly cid: string
  readonly author: string
  readonly how: string
  /** Copies acknowledged; more when more have been proven since. It never sinks. */
  promised: number
}

export class Objects {
  /** By hash: among the smallest objects some are drawn twice. */
  readonly acknowledged: Map<string, Acknowledged> = new Map()
  /** Uploads with no answer: they may be there or not. */
  readonly unanswered: Draft[] = []
  /** How many answers were for how many copies. */
  readonly answers: Map<number, number> = new Map()
  readonly #seed: number
  #count = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  draft(random: Random): { draft: Draft; bytes: Buffer } {
    const number = ++this.#count
    // As many between 1 and 2 bytes as between 4 and 8 MiB.
    const size = Math.min(sizeMax, Math.floor(2 ** (random.unit() * Math.log2(sizeMax + 1))))
    const bytes = this.bytes({ number, size })
    return { draft: { number, size, sha256: createHash('sha256').update(bytes).digest('hex') }, bytes }
  }

  bytes({ number, size }: Pick<Draft, 'number' | 'size'>): Buffer {
    return createHash('shake256', { outputLength: size }).update(`soak ${this.#seed}/${number}`).digest()
  }

  acknowledge(object: Acknowledged): void {
    this.answers.set(object.promised, (this.answers.get(object.promised) ?? 0) + 1)
    const known = this.acknowledged.get(object.sha256)
    if (known === undefined) this.acknowledged.set(object.sha256, object)
    else known.promised = Math.max(known.promised, object.promised)
  }
}
