// Whose turn it is: which objects are looked at next. What somebody told us about comes first, then what is
// marked in the index (objects of a keeper that came or went, fewest live copies first; plans that age alone
// may have changed), then the round over everything wanted, which never ends and has a pace of its own.
// Memory is bounded whatever the number of objects: what does not fit is marked on disk or found by the round.

import type { NodeId } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Standings } from '../census/standings.ts'
import { rootKey, rootOfKey } from '../root-key.ts'
import type { KeepingParts } from './keeping-parts.ts'
import { Pace } from './pace.ts'

/** Rows marked in one statement: some tens of ms during which this thread does nothing else. */
const rowsPerMark = 8192

interface Marking {
  /** First group not yet marked. */
  group: number
  readonly reachable: boolean
}

export class Turns {
  readonly #parts: KeepingParts
  readonly #standings: Standings
  readonly #pace: Pace
  /** Keys, one character per byte. */
  readonly #awake = new Set<string>()
  /** Keepers whose objects are being marked. */
  readonly #keepers = new Map<NodeId, Marking>()
  /** Whether a keeper could be reached when its objects were last looked at. */
  readonly #believed = new Map<NodeId, boolean>()
  #round: { after: CID | undefined } | undefined = { after: undefined }
  #roundDueMs = 0
  /** Asked for while one was under way: it follows, instead of starting over and never ending. */
  #roundAgain = false
  /** Told when there is something to do sooner than thought. */
  onTurn: () => void = () => {}

  constructor(parts: KeepingParts, standings: Standings) {
    this.#parts = parts
    this.#standings = standings
    const { roundObjectsPerSecondMax } = parts.options
    this.#pace = new Pace(parts.components.clock, roundObjectsPerSecondMax, roundObjectsPerSecondMax)
  }

  async open(): Promise<void> {
    const rows = await this.#parts.components.database
      .selectFrom('keeper')
      .select(['node', 'reached'])
      .execute()
    for (const { node, reached } of rows) if (reached !== null) this.#believed.set(node, reached === 1)
  }

  /** Whether something waits that should not wait for the next tick. */
  get isPressing(): boolean {
    return this.#awake.size > 0 || this.#keepers.size > 0
  }

  get isRoundUnderWay(): boolean {
    return this.#round !== undefined
  }

  wake(root: CID): void {
    // Too many to remember: the round finds them.
    if (this.#awake.size >= this.#parts.options.wakesMax) this.#wantRound()
    else this.#awake.add(nameOf(root))
    this.onTurn()
  }

  /** @param roots absent when too much changed to name */
  wakeAll(roots: readonly CID[] | undefined): void {
    if (roots !== undefined) for (const root of roots) this.wake(root)
    else {
      this.#wantRound()
      this.onTurn()
    }
  }

  /** A keeper came or went. After a start most are found as they were left, and nothing has to be looked at. */
  wakeKeeper(node: NodeId, reachable: boolean): void {
    if (this.#believed.get(node) === reachable && !this.#keepers.has(node)) return
    this.#keepers.set(node, { group: 0, reachable })
    // A member that holds nothing may still be who should: the round asks that.
    this.#wantRound()
    this.onTurn()
  }

  /** Objects to look at now, at most `limit`. */
  async take(limit: number): Promise<CID[]> {
    const roots = [...this.#awake].slice(0, limit)
    for (const name of roots) this.#awake.delete(name)
    const taken = roots.map((name) => rootOfKey(Buffer.from(name, 'latin1')))
    if (taken.length === limit) return taken
    await this.#markOfKeepers()
    const left = limit - taken.length
    // Half each at most when there are both: many marked ones must not hold up a last copy that is due.
    const due = await this.#standings.due(Math.ceil(left / 2))
    // In order of need only when all that is to be marked is marked.
    const marked = this.#keepers.size > 0 ? [] : await this.#standings.marked(left - due.length)
    return [...taken, ...due, ...marked]
  }

  /** The next objects of the round, as many as its pace permits. */
  async takeOfRound(limit: number): Promise<CID[]> {
    const { components, options, wanted } = this.#parts
    const nowMs = components.clock.monotonicMs()
    if (this.#round === undefined && nowMs >= this.#roundDueMs) this.#round = { after: undefined }
    if (this.#round === undefined || limit <= 0 || !this.#pace.take(0)) return []
    const page = await wanted.list(this.#round.after, limit)
    this.#pace.take(page.length)
    const last = page.at(-1)
    if (last === undefined || page.length < limit) {
      this.#round = this.#roundAgain ? { after: undefined } : undefined
      this.#roundAgain = false
      this.#roundDueMs = nowMs + options.roundIntervalMs
    } else this.#round = { after: last.root }
    return page.map((object) => object.root)
  }

  /** A slice of what one keeper holds, so that no event touches all objects at once. */
  async #markOfKeepers(): Promise<void> {
    const next = this.#keepers.entries().next().value
    if (next === undefined) return
    const [node, marking] = next
    const groups = 2 ** this.#parts.roster.k
    const perGroup = (await this.#parts.wanted.count()) / groups
    const to = Math.min(groups, marking.group + Math.max(1, Math.floor(rowsPerMark / Math.max(1, perGroup))))
    await this.#standings.markOfKeeper(node, marking.group, to)
    if (to < groups) {
      marking.group = to
      return
    }
    // Only when all is marked: a crash before has it marked again.
    await this.#parts.components.database
      .updateTable('keeper')
      .set({ reached: marking.reachable ? 1 : 0 })
      .where('node', '=', node)
      .execute()
    this.#believed.set(node, marking.reachable)
    // Unless it came or went once more meanwhile.
    if (this.#keepers.get(node) === marking) this.#keepers.delete(node)
  }

  #wantRound(): void {
    if (this.#round === undefined) this.#round = { after: undefined }
    else this.#roundAgain = true
  }
}

function nameOf(root: CID): string {
  return Buffer.from(rootKey(root)).toString('latin1')
}
