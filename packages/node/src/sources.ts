// Whom to ask next for one object: the hinted in their order, then whom discovery finds, then once
// more those who might do better a second time. Whoever says no is not asked again.

import type { NodeId } from '@commonhold/core'
import { defaults } from './options.ts'

export interface Source {
  readonly node: NodeId
  /** Attempts without a byte of the file. */
  fruitless: number
}

/** Asking the same peer again would bring the same answer. */
const finalAnswers: ReadonlySet<string> = new Set([
  'NotFoundError',
  'DeniedError',
  'ConflictError',
  'CorruptBlockError'
])

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
    return (await this.fresh()) ?? this.#again.shift()
  }

  /** Somebody who was not asked yet. */
  async fresh(): Promise<Source | undefined> {
    return this.#waiting.shift() ?? (await this.#discover())
  }

  failed(source: Source, error: unknown, progressed: boolean): void {
    source.fruitless = progressed ? 0 : source.fruitless + 1
    this.failures.push(error)
    const isFinal = error instanceof Error && finalAnswers.has(error.name)
    if (!isFinal && source.fruitless < defaults.retrieveRounds) this.#again.push(source)
  }

  /** Asked in vain only because another was there first: as good as before. */
  unused(source: Source): void {
    this.#waiting.unshift(source)
  }

  /** Overtaken by another, with nothing said against it: for when the others fail. */
  overtaken(source: Source): void {
    this.#again.push(source)
  }

  /** Ends a search that is still under way; what it would find is of no use to anybody else. */
  async close(): Promise<void> {
    const discovered = this.#discovered
    this.#discovered = undefined
    await discovered?.return?.()
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
