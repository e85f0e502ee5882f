// Whom to ask next for one object: the hinted in their order, then whom discovery finds, then once
// more those who might do better a second time. Whoever says no is not asked again.

import { ConflictError, CorruptBlockError, DeniedError, type NodeId, NotFoundError } from '@commonhold/core'
import { defaults } from './options.ts'

export interface Source {
  readonly node: NodeId
  /** Attempts without a byte of the file. */
  fruitless: number
}

export class Sources {
  readonly #waiting: Source[]
  readonly #known: Set<NodeId>
  readonly #again: Source[] = []
  #discovered: AsyncIterator<NodeId> | undefined
  readonly failures: unknown[] = []

  constructor(hints: readonly NodeId[], discovered: AsyncIterator<NodeId> | undefined) {
    this.#known = new Set(hints)
    this.#waiting = [...this.#known].map((node) => ({ node, fruitless: 0 }))
    this.#discovered = discovered
  }

  async next(): Promise<Source | undefined> {
    return this.#waiting.shift() ?? (await this.#discover()) ?? this.#again.shift()
  }

  failed(source: Source, error: unknown, progressed: boolean): void {
    source.fruitless = progressed ? 0 : source.fruitless + 1
    this.failures.push(error)
    const final = [NotFoundError, DeniedError, ConflictError, CorruptBlockError].some(
      (kind) => error instanceof kind
    )
    if (!final && source.fruitless < defaults.retrieveRounds) this.#again.push(source)
  }

  async #discover(): Promise<Source | undefined> {
    while (this.#discovered !== undefined) {
      try {
        const result = await this.#discovered.next()
        if (result.done === true) this.#discovered = undefined
        else if (!this.#known.has(result.value)) {
          this.#known.add(result.value)
          return { node: result.value, fruitless: 0 }
        }
      } catch (err) {
        this.#discovered = undefined
        this.failures.push(err)
      }
    }
    return undefined
  }
}
