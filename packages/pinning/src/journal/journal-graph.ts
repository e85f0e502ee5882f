// Which journals there are and which imports which: what decides whose word about an object stands. In
// memory, small (tens of bytes per journal), loaded from the index. No I/O.

import { type NodeId, nodeIdOf, type OperatorId, operatorIdOf, type Signed, toHex } from '@commonhold/core'
import { type Name, NameSet } from '../name-set.ts'
import type { Opening } from './journal-records.ts'
import type { Cut, JournalId } from './wanted.ts'

export interface JournalFacts {
  readonly id: JournalId
  readonly operator: OperatorId
  readonly node: NodeId
  readonly imports: readonly JournalId[]
  /** Signed opening record. */
  readonly opening: Uint8Array
}

export function factsOf(opening: Signed<Opening>): JournalFacts {
  const { operator, node, imports } = opening.body
  return {
    id: toHex(opening.hash),
    operator: operatorIdOf(operator),
    node: nodeIdOf(node),
    imports: imports.map(toHex),
    opening: opening.bytes
  }
}

export interface Tip {
  readonly hash: Uint8Array
  readonly seq: number
}

export interface End {
  readonly id: JournalId
  readonly tip: Tip
}

interface Known extends JournalFacts {
  /** Ends of chained branches by hash in hex; more than one is a fork. */
  readonly tips: Map<string, Tip>
}

export class JournalGraph {
  /** Hashes of the ends of all journals. */
  readonly names: NameSet = new NameSet()
  readonly #ends = new Map<Name, End>()
  readonly #journals = new Map<JournalId, Known>()
  readonly #ofOperator = new Map<OperatorId, JournalId[]>()
  readonly #importers = new Map<JournalId, JournalId[]>()
  /** Memo: without it a hostile web of imports makes the recursion exponential. */
  readonly #generations = new Map<JournalId, number>()

  add(facts: JournalFacts): void {
    if (this.#journals.has(facts.id)) return
    this.#journals.set(facts.id, { ...facts, tips: new Map() })
    this.#generations.clear()
    push(this.#ofOperator, facts.operator, facts.id)
    for (const imported of facts.imports) push(this.#importers, imported, facts.id)
  }

  clear(): void {
    this.#journals.clear()
    this.#ofOperator.clear()
    this.#importers.clear()
    this.#generations.clear()
    this.names.clear()
    this.#ends.clear()
  }

  get(id: JournalId): (JournalFacts & { readonly tips: readonly Tip[] }) | undefined {
    const known = this.#journals.get(id)
    return known === undefined ? undefined : { ...known, tips: [...known.tips.values()] }
  }

  of(operator: OperatorId): readonly JournalId[] {
    return this.#ofOperator.get(operator) ?? []
  }

  /** A batch was chained: it replaces its predecessor as an end, unless that one has gone another way before. */
  advance(id: JournalId, hash: string, tip: Tip, prev: string | undefined): void {
    const tips = this.#journals.get(id)?.tips
    if (tips === undefined) return
    if (prev !== undefined && tips.delete(prev)) {
      this.names.delete(prev)
      this.#ends.delete(prev)
    }
    tips.set(hash, tip)
    this.names.add(hash)
    this.#ends.set(hash, { id, tip })
  }

  /** Ends of all journals. */
  ends(): End[] {
    return [...this.#ends.values()]
  }

  /** The end of a journal that this batch is, if it is one. */
  end(batch: Name): End | undefined {
    return this.#ends.get(batch)
  }

  branches(id: JournalId): number {
    return this.#journals.get(id)?.tips.size ?? 0
  }

  forked(): readonly JournalId[] {
    return [...this.#journals.values()].filter(({ tips }) => tips.size > 1).map(({ id }) => id)
  }

  seq(id: JournalId): number {
    let seq = 0
    for (const tip of this.#journals.get(id)?.tips.values() ?? []) seq = Math.max(seq, tip.seq)
    return seq
  }

  cut(): Cut {
    return new Map([...this.#journals.keys()].map((id) => [id, this.seq(id)]))
  }

  /** 1 for a journal that imports nothing known; else one more than the highest it imports. */
  generation(id: JournalId): number {
    const known = this.#journals.get(id)
    if (known === undefined) return 0
    const memo = this.#generations.get(id)
    if (memo !== undefined) return memo
    const generation = 1 + Math.max(0, ...this.#honoured(known).map((imported) => this.generation(imported)))
    this.#generations.set(id, generation)
    return generation
  }

  /** Journals of this node's that no other journal of the same operator imports: where it last wrote. */
  leavesOf(node: NodeId, operator: OperatorId): readonly JournalId[] {
    return this.of(operator).filter((id) => this.#journals.get(id)?.node === node && this.#isLeaf(id))
  }

  /** Whether some known journal of the same operator imports it. */
  isImported(id: JournalId): boolean {
    return !this.#isLeaf(id)
  }

  unknownImports(): readonly JournalId[] {
    return [...this.#importers.keys()].filter((id) => !this.#journals.has(id)).sort()
  }

  /**
   * Of what an operator's journals say about one object, the pins that stand, oldest first. A journal's own
   * word goes before what it imports; between journals that do not import one another, any pin stands.
   */
  standing<T extends { readonly pinned: number; readonly seq: number }>(
    operator: OperatorId,
    said: ReadonlyMap<JournalId, T>
  ): T[] {
    if (said.size === 0) return []
    const pins = new Map<JournalId, T>()
    const seen = new Set<JournalId>()
    const visit = (id: JournalId): void => {
      if (seen.has(id)) return
      seen.add(id)
      const own = said.get(id)
      if (own !== undefined) {
        if (own.pinned === 1) pins.set(id, own)
        return
      }
      const known = this.#journals.get(id)
      if (known !== undefined) for (const imported of this.#honoured(known)) visit(imported)
    }
    for (const id of this.of(operator)) if (this.#isLeaf(id)) visit(id)
    return [...pins]
      .sort(([a, x], [b, y]) => this.generation(a) - this.generation(b) || x.seq - y.seq || (a < b ? -1 : 1))
      .map(([, row]) => row)
  }

  #isLeaf(id: JournalId): boolean {
    const operator = this.#journals.get(id)?.operator
    return !(this.#importers.get(id) ?? []).some((other) => this.#journals.get(other)?.operator === operator)
  }

  /** Imports count only within one operator: nobody can supersede another's wishes. */
  #honoured(known: Known): readonly JournalId[] {
    return known.imports.filter((id) => this.#journals.get(id)?.operator === known.operator)
  }
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else values.push(value)
}
