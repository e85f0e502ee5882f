// Who confirmed lately that our heads are not behind: what collection asks before it believes that nobody
// wants an object. Ages are measured on our own clock from when we asked; nothing survives a restart.

import type { OperatorId } from '@commonhold/core'
import type { Roster } from '../roster/roster.ts'
import type { JournalGraph } from './journal-graph.ts'
import type { JournalId } from './wanted.ts'

/** Newest confirmations kept per journal: two are needed, two more for operators that are removed meanwhile. */
const keptPerJournal = 4

export interface HeadsConfirmed {
  readonly confirmed: boolean
  /** Why not, one sentence each, at most ten. */
  readonly missing: readonly string[]
}

export class Confirmations {
  readonly #roster: Roster
  readonly #graph: JournalGraph
  readonly #byJournal = new Map<JournalId, Map<OperatorId, number>>()
  readonly #exchanges = new Map<OperatorId, number>()

  constructor(roster: Roster, graph: JournalGraph) {
    this.#roster = roster
    this.#graph = graph
  }

  /** This operator told all its heads at `atMs`, these journals among them, and none of its batches is missing here. */
  add(operator: OperatorId, journals: Iterable<JournalId>, atMs: number): void {
    this.#exchanges.set(operator, atMs)
    for (const journal of journals) {
      const before = this.#byJournal.get(journal) ?? new Map<OperatorId, number>()
      before.set(operator, atMs)
      const newest = [...before].sort(([, a], [, b]) => b - a).slice(0, keptPerJournal)
      this.#byJournal.set(journal, new Map(newest))
    }
  }

  /**
   * Whether the heads of every author in the roster were confirmed by `operatorsMin` other operators, none
   * longer ago than `ageMsMax`. A pool of two has one other, a pool of one none.
   * @param self this node's operator: its own word confirms nothing
   */
  within(ageMsMax: number, operatorsMin: number, self: OperatorId, nowMs: number): HeadsConfirmed {
    const others = new Set(this.#roster.members().map((member) => member.operator))
    others.delete(self)
    const needed = Math.min(operatorsMin, others.size)
    const fresh = (told: ReadonlyMap<OperatorId, number> | undefined): number =>
      [...(told ?? [])].filter(([operator, atMs]) => others.has(operator) && nowMs - atMs <= ageMsMax).length
    const missing: string[] = []
    if (fresh(this.#exchanges) < needed) {
      missing.push(`Fewer than ${needed} other operators told their heads lately.`)
    }
    for (const { id } of this.#graph.ends()) {
      const author = this.#graph.get(id)?.operator
      if (author === undefined || this.#roster.operator(author) === undefined) continue
      const told = fresh(this.#byJournal.get(id))
      if (told < needed && missing.length < 10) {
        missing.push(`Journal ${id} was confirmed by ${told} of ${needed} other operators.`)
      }
    }
    return { confirmed: missing.length === 0, missing }
  }
}
