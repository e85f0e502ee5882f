// The pool as the rest of a node sees it: wishes in, status out, and in between the loop that keeps
// copies. Station: the front of this package. Owns the life of its parts and decides nothing itself.

import {
  type AbortOptions,
  BusyError,
  type NodeId,
  NoSpaceError,
  type OperatorId,
  publicKeyOfOperator,
  toHex,
  UnauthorizedError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { Census } from './census/census.ts'
import { News } from './census/news.ts'
import { Observer } from './census/observe.ts'
import { Overview } from './census/overview.ts'
import { Presence } from './census/presence.ts'
import { Reports } from './census/report.ts'
import { Standings } from './census/standings.ts'
import { Commons, type KeeperTerms } from './commons.ts'
import type { PinningComponents } from './components.ts'
import type { WantedObject, Wish } from './journal/wish.ts'
import { Keeping } from './keep/keep.ts'
import { type KeepingOptions, keepingDefaults } from './keep/keeping-options.ts'
import type { KeepingParts } from './keep/keeping-parts.ts'
import { OnDemand } from './keep/on-demand.ts'
import { OwnTime } from './keep/own-time.ts'
import { type WantResult, Wishes } from './keep/wishes.ts'
import type { SyncOptions } from './options.ts'
import { keepersFor } from './plan/placement.ts'
import { type Plan } from './plan/plan.ts'
import type { Copy, Health } from './plan/tally.ts'
import { Answers } from './proof/answer.ts'
import { type KeeperRecord, KeeperRecords } from './proof/keeper-records.ts'
import { ProofReceipts } from './proof/proof-receipts.ts'
import { Prover } from './proof/prove.ts'
import { Readings } from './proof/readings.ts'
import { Collector, type Sweep } from './release/collect.ts'
import { Holds } from './release/holds.ts'
import { type LeaveProgress, Leaving } from './release/leave.ts'
import { LeavingMark } from './release/leaving-mark.ts'
import { type ReleaseOutcome, Releases } from './release/release.ts'
import { type SealedSummary, Takedowns } from './release/takedown.ts'
import { Offers } from './repair/offer.ts'
import { Repairs } from './repair/repair.ts'
import { RootLocks } from './root-locks.ts'
import type { FoundOptions, PoolPolicy } from './roster/genesis.ts'
import type { Member, Operator } from './roster/member.ts'
import { Passage, type PassageInit, roomFor } from './segments/passage.ts'
import { Segments } from './segments/segments.ts'
import type {
  Explanation,
  MemberStatus,
  NeedyObject,
  PoolSummary,
  ProofOutcome,
  ReplicationStatus
} from './status.ts'

/** A new pool, and what its first node brings. */
export interface PoolFounding extends FoundOptions, KeeperTerms {}

export interface PoolOptions extends AbortOptions {
  /** Delays and limits that differ from `keepingDefaults`. */
  readonly keeping?: Partial<KeepingOptions>
  /** The same of `defaults`. */
  readonly sync?: Partial<SyncOptions>
}

export interface PoolJoining extends PoolOptions {
  /** Claimed domain of the operator. */
  readonly domain?: string
  /** Refuses any other pool than this one. */
  readonly poolId?: Uint8Array
}

export class Pool implements AsyncDisposable {
  readonly #components: PinningComponents
  readonly #commons: Commons
  readonly #options: KeepingOptions
  readonly #time: OwnTime
  readonly #presence: Presence
  readonly #census: Census
  readonly #reports: Reports
  readonly #holds: Holds
  readonly #receipts: ProofReceipts
  readonly #repairs: Repairs
  readonly #segments: Segments
  readonly #offers: Offers
  readonly #releases: Releases
  readonly #takedowns: Takedowns
  readonly #observer: Observer
  readonly #news: News
  readonly #keeping: Keeping
  readonly #collector: Collector
  readonly #leaving: Leaving
  readonly #wishes: Wishes
  readonly #passage: (init: PassageInit) => Passage
  /** Passages under way. */
  #passages = 0
  readonly #onDemand: OnDemand
  readonly #overview: Overview
  readonly #records: KeeperRecords
  readonly #prover: Prover
  #state: 'constructed' | 'running' | 'stopped' = 'constructed'

  private constructor(
    components: PinningComponents,
    commons: Commons,
    time: OwnTime,
    leaving: LeavingMark,
    options: KeepingOptions
  ) {
    this.#components = components
    this.#commons = commons
    this.#options = options
    this.#time = time
    const { roster, wanted, dialogue } = commons
    const parts: KeepingParts = {
      components,
      roster,
      wanted,
      dialogue,
      options,
      time,
      locks: new RootLocks(),
      readings: new Readings(components.objects),
      leaving
    }
    const presence = new Presence(
      parts,
      () => this.#news.standing(),
      () => this.#observer.near()
    )
    const census = new Census(parts, presence)
    const reports = new Reports(parts, census, (member, options) => commons.sync.syncWith(member, options))
    const holds = new Holds(parts)
    const answers = new Answers(parts, holds)
    const receipts = new ProofReceipts(parts, census)
    const records = new KeeperRecords(parts)
    records.onStruck = (root, keeper) => census.noteSilence(root, keeper)
    census.onStoreChange = (keeper) => records.noteStoreChange(keeper)
    const prover = new Prover(parts, census, presence, receipts, records)
    this.#records = records
    this.#prover = prover
    const repairs = new Repairs(parts, census, presence, reports)
    const observer = new Observer(parts, { census, presence, reports, holds })
    const segments = new Segments(parts, { isFull: () => observer.isFull() })
    const offers = new Offers(
      parts,
      { census, presence, holds, repairs, segments },
      {
        accept: (delivery, abort) => commons.journals.accept(delivery, abort),
        isFull: () => observer.isFull()
      }
    )
    const releases = new Releases(parts, holds, prover, reports)
    const standings = new Standings(parts)
    const takedowns = new Takedowns(parts, reports)
    const keeping = new Keeping(parts, {
      takedowns,
      observer,
      census,
      presence,
      reports,
      repairs,
      prover,
      releases,
      standings
    })
    this.#presence = presence
    this.#census = census
    this.#reports = reports
    this.#holds = holds
    this.#receipts = receipts
    this.#repairs = repairs
    this.#observer = observer
    this.#segments = segments
    this.#offers = offers
    this.#releases = releases
    this.#takedowns = takedowns
    this.#keeping = keeping
    this.#news = new News(parts, { observer, census, presence, reports, receipts })
    this.#collector = new Collector(
      parts,
      { holds, reports, takedowns },
      {
        unconfirmed: async (ageMsMax) => commons.sync.headsConfirmed(ageMsMax).missing
      }
    )
    this.#leaving = new Leaving(parts, commons, presence)
    this.#wishes = new Wishes(parts, commons, { observer, offers, reports, keeping })
    this.#passage = (init) => new Passage(parts, { presence, wishes: this.#wishes }, init)
    this.#onDemand = new OnDemand(parts, { observer, census, prover, keeping })
    this.#overview = new Overview(parts, commons, {
      observer,
      presence,
      prover,
      answers,
      repairs,
      releases,
      standings
    })
    answers.onDamage = (root) => void this.noteDamage([root])
    prover.onDamage = (root) => void this.noteDamage([root])
  }

  /** Founds a pool; the recovery seed is returned once and kept nowhere. */
  static async create(
    components: PinningComponents,
    founding: PoolFounding,
    options?: PoolOptions
  ): Promise<{ pool: Pool; recoverySeed: Uint8Array }> {
    const { commons, recoverySeed } = await Commons.found(components, founding, founding, options?.sync)
    return { pool: await Pool.#assemble(components, commons, options), recoverySeed }
  }

  /**
   * Joins the pool of a node we can reach (its addresses were given to the network before).
   * @throws UnreachableError; InvalidInputError for another pool than the one asked for
   */
  static async join(
    components: PinningComponents,
    peer: NodeId,
    terms: KeeperTerms,
    options?: PoolJoining
  ): Promise<Pool> {
    return await Pool.#assemble(components, await Commons.join(components, peer, terms, options), options)
  }

  /** The pool this node is in, or absent. */
  static async open(components: PinningComponents, options?: PoolOptions): Promise<Pool | undefined> {
    const commons = await Commons.open(components, options?.sync)
    return commons === undefined ? undefined : await Pool.#assemble(components, commons, options)
  }

  static async #assemble(
    components: PinningComponents,
    commons: Commons,
    options?: PoolOptions
  ): Promise<Pool> {
    const keeping = { ...keepingDefaults, ...options?.keeping }
    // Who did not run for so long was silent for long enough to be away in the eyes of others; the loop looks at
    // the time once a tick.
    const breakMs = keeping.presenceAnswerMs * keeping.presenceMissesMax + keeping.tickMs
    const time = await OwnTime.open(components.clock, components.database, breakMs)
    const leaving = await LeavingMark.open(components.logs)
    return new Pool(components, commons, time, leaving, keeping)
  }

  get poolId(): string {
    return toHex(this.#commons.roster.poolId)
  }

  get name(): string {
    return this.#commons.roster.genesis.name
  }

  /** Rules all members apply alike, as amended. */
  get policy(): PoolPolicy {
    return this.#commons.roster.charter().policy
  }

  /** There are 2^k groups, for ever. */
  get k(): number {
    return this.#commons.roster.genesis.k
  }

  /** Copies an object gets when its pin does not say otherwise. */
  get copiesMinDefault(): number {
    return this.#commons.roster.charter().policy.copiesMin
  }

  async start(): Promise<void> {
    if (this.#state !== 'constructed') throw new Error(`a pool that is ${this.#state} cannot be started`)
    this.#state = 'running'
    const { keys, objects } = this.#components
    await this.#census.open()
    await this.#census.noteKeeper(keys.nodeId, objects.storeEpoch)
    await this.#receipts.open()
    const { objects: held } = await this.#reports.open()
    if (held === 0) this.#holds.noteEmptyStart()
    await this.#releases.open()
    // An undo, or the end of a hold, that the last run did not come to.
    await this.#takedowns.review()
    // Wishes before plans: a keeper that was away syncs before it decides anything.
    await this.#commons.start()
    this.#news.start()
    await this.#presence.start()
    await this.#repairs.start()
    await this.#keeping.start()
    await this.#collector.start()
    await this.#leaving.start()
  }

  /** Ends what is under way, in the reverse order of its beginning. Idempotent. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    const ran = this.#state === 'running'
    this.#state = 'stopped'
    this.#onDemand.stop()
    await this.#leaving.stop()
    await this.#collector.stop()
    await this.#keeping.stop()
    await this.#offers.stop()
    await this.#segments.stop()
    await this.#repairs.stop()
    await this.#news.stop()
    await this.#presence.stop()
    if (ran) await this.#saveTime()
    await this.#commons[Symbol.asyncDispose]()
  }

  /** On a full disk it cannot be written, and the rest must end all the same: the wall clock bridges it as after a crash. */
  async #saveTime(): Promise<void> {
    try {
      await this.#time.save()
    } catch (err) {
      this.#components.log.warn('own time could not be written at the end', { err })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Makes the wish durable and offers the object, which must be complete in the object store, to its keepers.
   * @throws DeniedError by own policy; PoolTooSmallError when `ackWhenShort` is `refuse` and the receipts
   * did not come: the wish was taken back then
   */
  want(wish: Wish, options?: AbortOptions): Promise<WantResult> {
    return this.#wishes.want(wish, options)
  }

  /**
   * Begins to pass a file that this node has no room for to the keepers that placement names.
   * @param size file bytes
   * @throws NoSpaceError when fewer keepers than `copiesMin` have room for it; BusyError while as many are under
   * way as a keeper takes of one author: more would take one another's keepers and none would pass
   */
  openPassage(size: number, copiesMin: number): Passage {
    if (this.#passages >= this.#options.segmentedUploadsPerMemberMax) {
      throw new BusyError(
        `${this.#passages} files larger than the room here are on their way to keepers. Try again when one has passed.`
      )
    }
    const keepers = this.#observer.keepersWithRoom(roomFor(size))
    if (keepers.length < copiesMin) {
      throw new NoSpaceError(
        `${size} bytes are more than this node has room for, and of the ${copiesMin} keepers needed ` +
          `${keepers.length} have room for them. See who has with: commonhold pool members`
      )
    }
    this.#passages++
    return this.#passage({ size, copiesMin, keepers, onEnd: () => this.#passages-- })
  }

  /** Takes back this operator's wish. `false` when it had none. */
  unwant(root: CID, options?: AbortOptions): Promise<boolean> {
    return this.#wishes.unwant(root, options)
  }

  wanted(root: CID): Promise<WantedObject | undefined> {
    return this.#commons.wanted.get(root)
  }

  wantedByDigest(digest: Uint8Array): Promise<WantedObject | undefined> {
    return this.#commons.wanted.byDigest(digest)
  }

  /** Page of all wanted objects in order of roots. */
  list(after?: CID, limit?: number): Promise<readonly WantedObject[]> {
    return this.#commons.wanted.list(after, limit)
  }

  count(): Promise<number> {
    return this.#commons.wanted.count()
  }

  /** Absent when nobody wants it. */
  status(root: CID): Promise<ReplicationStatus | undefined> {
    return this.#overview.status(root)
  }

  /** Why it stands as it does, and what this node does about it. Absent when nobody wants it. */
  why(root: CID): Promise<Explanation | undefined> {
    return this.#overview.why(root)
  }

  /** Objects in these states of health, fewest live copies first; `after` is the last of the page before. */
  needy(
    worst: readonly Health[],
    after: Pick<NeedyObject, 'copiesLive' | 'root'> | undefined,
    limit: number
  ): Promise<readonly NeedyObject[]> {
    return this.#overview.needy(worst, after, limit)
  }

  summary(): Promise<PoolSummary> {
    return this.#overview.summary()
  }

  members(): readonly MemberStatus[] {
    return this.#overview.members()
  }

  /** What that keeper made of this node's challenges. */
  keeperRecord(node: NodeId): Promise<KeeperRecord> {
    return this.#records.of(node, this.#census.suspicionsOf(node))
  }

  /** Whether it owes us an answer about this object: meanwhile we do not give it the bytes. */
  isChallenging(node: NodeId, root: CID): boolean {
    return this.#prover.isPending(node, root)
  }

  operators(): readonly Operator[] {
    return this.#commons.roster.operators()
  }

  member(node: NodeId): Member | undefined {
    return this.#commons.roster.member(node)
  }

  /** Challenges every holder now. */
  prove(root: CID, options?: AbortOptions): Promise<readonly ProofOutcome[]> {
    return this.#onDemand.prove(root, options)
  }

  /** Who can be asked for the bytes, best first, without any lookup; never this node. */
  async holdersOf(root: CID): Promise<readonly NodeId[]> {
    const copies = await this.#census.copiesOf(root)
    const worth: Record<Copy['state']['kind'], number> = {
      own: 9,
      proven: 0,
      claimed: 1,
      corrupt: 9,
      declined: 9
    }
    const known = copies
      .filter((copy) => worth[copy.state.kind] < 9)
      .sort((a, b) => Math.sign(a.awayMs) - Math.sign(b.awayMs) || worth[a.state.kind] - worth[b.state.kind])
      .map((copy) => copy.node)
    // Nobody said anything yet: placement says who should have it.
    const wish = known.length > 0 ? undefined : await this.#commons.wanted.get(root)
    if (wish === undefined) return known
    return keepersFor(await this.#observer.situation(wish), this.#options).keepers
  }

  /**
   * Proves new copies right away and resolves when the object is healthy and, if this node is not
   * placed for it, its upload was released.
   * @throws PoolTooSmallError at once when there are fewer counted operators than `copiesMin`; NotFoundError
   * when nobody wants it
   */
  waitUntilHealthy(root: CID, options?: AbortOptions): Promise<ReplicationStatus> {
    return this.#onDemand.waitUntilHealthy(root, options)
  }

  /** The policy changed its mind about these objects: denied ones are sealed here, allowed ones kept again. */
  async reconsider(roots: readonly CID[], options?: AbortOptions): Promise<void> {
    for (const root of roots) {
      options?.signal?.throwIfAborted()
      await this.#takedowns.carryOut(root)
      await this.#keeping.look(root)
    }
  }

  /** How much is sealed here and when the last of it is erased. */
  sealed(): Promise<SealedSummary> {
    return this.#takedowns.summary()
  }

  /** Until the sealed bytes of this object are erased, in ms; absent when none of it is sealed here. */
  erasedInMs(root: CID): Promise<number | undefined> {
    return this.#takedowns.erasedInMs(root)
  }

  /** Copies of ours turned out to be damaged, whoever found it: not claimed any more, and planned for at once. */
  async noteDamage(roots: readonly CID[]): Promise<void> {
    for (const root of roots) {
      await this.#reports.noteGone(root)
      this.#keeping.wake(root)
    }
  }

  /** Looks for unwanted objects now, as it happens by itself every `collectIntervalMs`. */
  sweep(options?: AbortOptions): Promise<Sweep> {
    return this.#collector.sweep(options)
  }

  /**
   * Lets our copy go if these keepers prove theirs and hold it; what the plan does by itself when it
   * finds a copy superfluous. Never brings the proven copies elsewhere below `copiesMin`.
   */
  releaseNow(root: CID, askHolds: readonly NodeId[], options?: AbortOptions): Promise<ReleaseOutcome> {
    return this.#releases.release(root, askHolds, options)
  }

  /** Called with every plan this node makes. Returns how to stop listening. */
  onPlan(listener: (root: CID, plan: Plan) => void): () => void {
    return this.#keeping.onPlan(listener)
  }

  /**
   * Leaves the pool: takes nothing any more, serves until enough others have proven each copy, then goes. It
   * goes on by itself, after a restart too. `now`: at once, whatever is lost by it.
   */
  leave(options: { readonly now: boolean } & AbortOptions): Promise<LeaveProgress> {
    return this.#leaving.begin(options)
  }

  /** Takes `leave` back, while it has not come to its end. */
  stay(terms: KeeperTerms): Promise<LeaveProgress> {
    return this.#leaving.stay(terms)
  }

  /** What this node brings from now on, told to the roster when that says otherwise; nothing while it leaves. */
  pledge(terms: KeeperTerms): Promise<boolean> {
    return this.#leaving.pledge(terms)
  }

  leaveProgress(): Promise<LeaveProgress> {
    return this.#leaving.progress()
  }

  /**
   * As an administrator: assents to this change of the pool's rules. In force when a majority of the
   * administrators assented to the same one.
   * @returns whether it is
   * @throws UnauthorizedError
   */
  async amend(change: Partial<PoolPolicy>, options?: AbortOptions): Promise<boolean> {
    const { roster, operator } = this.#commons
    if (operator === undefined || roster.operator(operator)?.administrator !== true) {
      throw new UnauthorizedError('Only an administrator of the pool can change its rules.')
    }
    const { charter, charterId: prev } = roster.state
    const policy = { ...charter.policy, ...change }
    await this.#commons.act({ is: 'amend', prev, charter: { ...charter, policy }, leaving: [] }, options)
    const now = roster.charter().policy
    return Object.entries(policy).every(([rule, value]) => now[rule as keyof PoolPolicy] === value)
  }

  /** As an administrator: this operator's copies and wishes count. */
  async admit(operator: OperatorId, options?: AbortOptions): Promise<void> {
    const act = { is: 'admit', operator: publicKeyOfOperator(operator), pinBytesMax: null } as const
    await this.#commons.act(act, options)
  }

  async vouch(operator: OperatorId, options?: AbortOptions): Promise<void> {
    const act = { is: 'vouch', operator: publicKeyOfOperator(operator), stands: true } as const
    await this.#commons.act(act, options)
  }

  async removeOperator(operator: OperatorId, reason: string, options?: AbortOptions): Promise<void> {
    const act = { is: 'remove', operator: publicKeyOfOperator(operator), reason } as const
    await this.#commons.act(act, options)
  }
}
