// Keeps roster and journals of the members alike: heads are compared on connect, every interval with a few
// at random, and when one is announced; what is missing is fetched. Level-triggered: a lost message costs time,
// never a wish. Owns no decision about objects.

import {
  type AbortOptions,
  type Clock,
  decodeRecord,
  encodeRecord,
  fromHex,
  type Log,
  type NodeId,
  nodeIdOf,
  OperatingError,
  type OperatorId,
  publicKeyOfNode,
  type Random,
  toHex
} from '@commonhold/core'
import type { PoolNetwork } from '../components.ts'
import type { Dialogue } from '../dialogue.ts'
import { answerRanges, compareNames } from '../name-set.ts'
import { defaults, type SyncOptions } from '../options.ts'
import { answerRoster, exchangeRosters } from '../roster/roster-exchange.ts'
import type { StoredRoster } from '../roster/stored-roster.ts'
import { Confirmations, type HeadsConfirmed } from './confirmations.ts'
import type { KnownHead } from './journal-index.ts'
import type { Journals } from './journals.ts'
import type { OwnHeadsSurvey } from './own-journal.ts'
import {
  announcementRecord,
  batchesRequest,
  endsRequest,
  headsRequest,
  headsTopic,
  ownHeadsRequest,
  toWire,
  type WireHead
} from './sync-requests.ts'
import type { JournalId } from './wanted.ts'

export interface SyncParts {
  readonly nodeId: NodeId
  readonly network: PoolNetwork
  readonly dialogue: Dialogue
  readonly roster: StoredRoster
  readonly journals: Journals
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Called once per interval: what else is due now and then. */
  readonly onTurn?: () => Promise<void>
}

export class Sync {
  readonly #parts: SyncParts
  readonly #options: SyncOptions
  readonly #confirmations: Confirmations
  /** One exchange per peer at a time; a wish for another while it runs makes it run once more. */
  readonly #exchanges = new Map<NodeId, { again: boolean; done: Promise<void> }>()
  readonly #following = new Set<NodeId>()
  readonly #background = new Set<Promise<void>>()
  readonly #undo: (() => void)[] = []
  #lifetime = new AbortController()
  #announced = new Set<string>()
  #running = false

  constructor(parts: SyncParts, options: Partial<SyncOptions> = {}) {
    this.#parts = parts
    this.#options = { ...defaults, ...options }
    this.#confirmations = new Confirmations(parts.roster, parts.journals.graph)
    answerRoster(parts.dialogue, parts.roster)
    this.#answerHeads()
    parts.network.onPeer((peer, connected) => {
      if (connected && this.#running && parts.roster.member(peer) !== undefined) this.#exchangeSoon(peer)
    })
  }

  async start(): Promise<void> {
    this.#lifetime = new AbortController()
    this.#running = true
    const { network, journals, roster } = this.#parts
    const topic = headsTopic(roster.poolId)
    network.subscribe(topic, (from, message) => this.#onAnnouncement(from, message))
    this.#undo.push(
      () => network.unsubscribe(topic),
      journals.onHeads(() => this.#announceOwn()),
      // What we fetched somebody has announced already; saying it again would make one change a storm.
      roster.onChange((fetched) => {
        if (!fetched) this.#inBackground(this.#announce([]))
      })
    )
    this.#announced = new Set(this.#ownEnds().map((head) => toHex(head.batch)))
    this.#inBackground(this.#forEver())
  }

  async stop(): Promise<void> {
    this.#running = false
    for (const undo of this.#undo.splice(0)) undo()
    this.#lifetime.abort(new Error('sync was stopped'))
    await Promise.allSettled([...this.#background])
  }

  /**
   * Exchanges rosters and heads with this member and fetches what is missing here.
   * @throws UnreachableError and what the member refuses with
   */
  async syncWith(peer: NodeId, options?: AbortOptions): Promise<void> {
    const { roster, network, dialogue, clock, journals } = this.#parts
    await exchangeRosters(network, roster, peer, this.#operator(), options)
    const askedMs = clock.monotonicMs()
    const { theirs, complete } = await compareNames(
      journals.graph.names,
      async (ranges) => (await dialogue.ask(peer, headsRequest, { ranges }, options)).ranges
    )
    const told = new Set<JournalId>()
    const unknown: Uint8Array[] = []
    for (const name of theirs) {
      // An end of ours, or one we have gone on from.
      const batch = fromHex(name)
      const journal = journals.graph.end(name)?.id ?? (await journals.index.journalReached(batch))
      if (journal === undefined) unknown.push(batch)
      else told.add(journal)
    }
    const heads = await this.#headsOf(peer, unknown, options)
    const short = new Set<JournalId>()
    for (const [journal, , batch] of heads) {
      const id = toHex(journal)
      if (!(await journals.index.reaches(batch))) await this.pull(peer, id, options)
      if (await journals.index.reaches(batch)) told.add(id)
      else short.add(id)
    }
    // A head whose batches it does not give is no confirmation of ours.
    for (const id of short) told.delete(id)
    const operator = roster.operatorOf(peer)
    if (operator === undefined || !complete || heads.length < unknown.length) return
    this.#confirmations.add(operator, told, askedMs)
  }

  async #headsOf(
    peer: NodeId,
    ends: readonly Uint8Array[],
    options: AbortOptions | undefined
  ): Promise<WireHead[]> {
    const heads: WireHead[] = []
    for (let i = 0; i < ends.length; i += defaults.headsPerMessageMax) {
      const batches = ends.slice(i, i + defaults.headsPerMessageMax)
      const page = await this.#parts.dialogue.ask(peer, endsRequest, { batches }, options)
      heads.push(...page.heads)
    }
    return heads
  }

  /** Fetches what this member has of a journal and we have not. */
  async pull(peer: NodeId, journal: JournalId, options?: AbortOptions): Promise<void> {
    const { dialogue, journals } = this.#parts
    let before: string | undefined
    for (;;) {
      const have = await journals.index.locator(journal)
      // A peer that sends the same again would otherwise keep us busy for ever.
      const now = have.map(toHex).join()
      if (now === before) return
      before = now
      const question = { journal: fromHex(journal), have }
      const { opening, batches, more } = await dialogue.ask(peer, batchesRequest, question, options)
      if (opening === null) return
      await this.#accept(peer, { openings: [opening], batches }, options)
      if (!more) return
    }
  }

  /** Whether collection may believe that what is not in the pin set is wanted by nobody. */
  headsConfirmed(ageMsMax: number, operatorsMin = 2): HeadsConfirmed {
    const operator = this.#operator()
    if (operator === undefined)
      return { confirmed: false, missing: ['This node has no operator in the roster.'] }
    return this.#confirmations.within(ageMsMax, operatorsMin, operator, this.#parts.clock.monotonicMs())
  }

  /** Asks all members which ends of our own journals they know, for at most `ownHeadWaitMs`, and fetches them back. */
  async surveyOwn(options?: AbortOptions): Promise<OwnHeadsSurvey> {
    const { roster, clock, nodeId } = this.#parts
    const self = this.#operator()
    const others = roster.members().filter((member) => member.node !== nodeId)
    const answered = new Set<OperatorId>()
    const ahead = new Set<JournalId>()
    const state = { behind: false }
    const patience = new AbortController()
    const signal = AbortSignal.any([
      patience.signal,
      this.#lifetime.signal,
      ...(options?.signal === undefined ? [] : [options.signal])
    ])
    const asks = others.map(async ({ node, operator }) => {
      try {
        await this.#surveyOne(node, state, ahead, { signal })
        if (operator !== self) answered.add(operator)
      } catch (err) {
        this.#parts.log.debug('a member did not tell our own heads', { peer: node, err })
      }
    })
    const waited = clock.sleep(this.#options.ownHeadWaitMs, { signal }).catch(() => undefined)
    await Promise.race([Promise.all(asks), waited])
    // Late answers no longer count, and a sleeper must not outlive its purpose.
    patience.abort(new Error('the survey is over'))
    const operatorsAsked = new Set(others.map((member) => member.operator).filter((id) => id !== self)).size
    return { operatorsAsked, operatorsAnswered: answered.size, ahead: [...ahead], behind: state.behind }
  }

  async #surveyOne(
    peer: NodeId,
    state: { behind: boolean },
    ahead: Set<JournalId>,
    options: AbortOptions
  ): Promise<void> {
    const { dialogue, journals, nodeId } = this.#parts
    const { heads } = await dialogue.ask(peer, ownHeadsRequest, { node: publicKeyOfNode(nodeId) }, options)
    for (const [journal, , batch] of heads) {
      if (await journals.index.reaches(batch)) continue
      state.behind = true
      ahead.add(toHex(journal))
      await this.pull(peer, toHex(journal), options)
      if (await journals.index.reaches(batch)) ahead.delete(toHex(journal))
    }
  }

  #answerHeads(): void {
    const { dialogue, journals } = this.#parts
    dialogue.on(headsRequest, async (_from, { ranges }) => ({
      ranges: answerRanges(journals.graph.names, ranges)
    }))
    dialogue.on(endsRequest, async (_from, { batches }) => ({
      heads: (await journals.index.headsOf(batches)).map(toWire)
    }))
    dialogue.on(ownHeadsRequest, async (_from, { node }) => {
      const heads = journals.headsBy(nodeIdOf(node))
      return { heads: heads.slice(-defaults.headsPerMessageMax).map(toWire) }
    })
    dialogue.on(batchesRequest, async (_from, { journal, have }) => {
      const missing = await journals.missing(toHex(journal), have)
      if (missing === undefined) return { opening: null, batches: [], more: false }
      return { opening: missing.opening, batches: [...missing.batches], more: missing.more }
    })
  }

  async #accept(
    peer: NodeId,
    delivery: { openings: Uint8Array[]; batches: Uint8Array[] },
    options?: AbortOptions
  ): Promise<void> {
    try {
      await this.#parts.journals.accept(delivery, options)
    } catch (err) {
      if (!(err instanceof OperatingError) || err.name !== 'UnauthorizedError') throw err
      // The author may have joined since we last compared rosters.
      await exchangeRosters(this.#parts.network, this.#parts.roster, peer, this.#operator(), options)
      await this.#parts.journals.accept(delivery, options)
    }
  }

  #operator(): OperatorId | undefined {
    return this.#parts.roster.operatorOf(this.#parts.nodeId)
  }

  async #forEver(): Promise<void> {
    const { clock, random, roster, nodeId } = this.#parts
    const { signal } = this.#lifetime
    while (!signal.aborted) {
      if (this.#parts.onTurn !== undefined) this.#inBackground(this.#parts.onTurn())
      const others = roster
        .members()
        .map((member) => member.node)
        .filter((node) => node !== nodeId)
      for (let i = 0; i < this.#options.syncPeers && others.length > 0; i++) {
        const [peer] = others.splice(Math.floor(random.unit() * others.length), 1)
        if (peer !== undefined) this.#exchangeSoon(peer)
      }
      // ± a quarter, so that nodes started together do not stay in step.
      const jittered = this.#options.syncIntervalMs * (0.75 + random.unit() / 2)
      try {
        await clock.sleep(jittered, { signal })
      } catch {
        // Stopped while asleep.
        return
      }
    }
  }

  #exchangeSoon(peer: NodeId): void {
    const running = this.#exchanges.get(peer)
    if (running !== undefined) {
      running.again = true
      return
    }
    const exchange = { again: false, done: Promise.resolve() }
    this.#exchanges.set(peer, exchange)
    this.#inBackground(
      (async () => {
        try {
          do {
            exchange.again = false
            await this.syncWith(peer, { signal: this.#lifetime.signal })
          } while (exchange.again)
        } finally {
          this.#exchanges.delete(peer)
        }
      })()
    )
  }

  #onAnnouncement(from: NodeId, message: Uint8Array): void {
    if (from === this.#parts.nodeId || this.#parts.roster.member(from) === undefined) return
    this.#inBackground(this.#followUp(from, message))
  }

  async #followUp(from: NodeId, message: Uint8Array): Promise<void> {
    const { heads, roster } = decodeRecord(announcementRecord, message)
    const { journals } = this.#parts
    const sameRoster = toHex(roster) === toHex(this.#parts.roster.names.digest())
    // One pull per announcer at a time: a flood of announcements becomes one exchange after it.
    if (!sameRoster || this.#following.has(from)) {
      this.#exchangeSoon(from)
      return
    }
    this.#following.add(from)
    try {
      for (const [journal, , batch] of heads) {
        if (await journals.index.reaches(batch)) continue
        await this.pull(from, toHex(journal), { signal: this.#lifetime.signal })
      }
    } finally {
      this.#following.delete(from)
    }
  }

  #ownEnds(): readonly KnownHead[] {
    const { journals, nodeId } = this.#parts
    return journals.headsBy(nodeId)
  }

  /** Only what this node wrote: everybody announcing everything would be a flood. */
  #announceOwn(): void {
    const fresh = this.#ownEnds().filter((head) => !this.#announced.has(toHex(head.batch)))
    if (fresh.length === 0) return
    this.#announced = new Set(this.#ownEnds().map((head) => toHex(head.batch)))
    this.#inBackground(this.#announce(fresh.slice(-16)))
  }

  async #announce(heads: readonly KnownHead[]): Promise<void> {
    const { network, roster } = this.#parts
    const message = encodeRecord({ heads: heads.map(toWire), roster: roster.names.digest() })
    await network.announce(headsTopic(roster.poolId), message)
  }

  /** Failures here are the network's everyday: they are logged, and the next turn tries again. */
  #inBackground(work: Promise<void>): void {
    const watched = work.catch((err: unknown) => {
      if (!this.#lifetime.signal.aborted) this.#parts.log.debug('an exchange failed', { err })
    })
    this.#background.add(watched)
    void watched.finally(() => this.#background.delete(watched))
  }
}
