// The pool as the rest of a node sees it: wishes in, status out, and in between the loop that keeps
// copies. Station: the front of this package. Owns the life of its parts and decides nothing itself.

import {
  type AbortOptions,
  DeniedError,
  fromHex,
  type NodeId,
  NotFoundError,
  type OperatorId,
  PoolTooSmallError,
  publicKeyOfOperator,
  toHex,
  UnauthorizedError
} from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { Answers } from './answer.ts'
import { Census } from './census.ts'
import { Collector, type Sweep } from './collect.ts'
import { Commons, type KeeperTerms } from './commons.ts'
import type { PinningComponents } from './components.ts'
import { slept } from './deadline.ts'
import { Holds } from './holds.ts'
import type { Change } from './journal/journal-records.ts'
import type { WantedObject, Wish } from './journal/wish.ts'
import { Keeping } from './keep.ts'
import { type KeepingOptions, keepingDefaults } from './keeping-options.ts'
import type { KeepingParts } from './keeping-parts.ts'
import { Observer } from './observe.ts'
import { Offers, type WrittenWish } from './offer.ts'
import type { SyncOptions } from './options.ts'
import { OwnTime } from './own-time.ts'
import { isPlacedHere, keepersFor, type Plan, planObject, type Reason, type Situation } from './plan.ts'
import { Presence, type Standing } from './presence.ts'
import { ProofReceipts } from './proof-receipts.ts'
import { Prover } from './prove.ts'
import { type ReleaseOutcome, Releases } from './release.ts'
import { Repairs } from './repair.ts'
import { Reports } from './report.ts'
import { RootLocks } from './root-locks.ts'
import type { FoundOptions, PoolPolicy } from './roster/genesis.ts'
import type { Member, Operator } from './roster/member.ts'
import type { Holder, MemberStatus, PoolSummary, ProofOutcome, ReplicationStatus } from './status.ts'
import { poolHealth } from './summary.ts'
import type { Copy, Health } from './tally.ts'

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

export interface WantResult {
  /** Copies promised by receipts at distinct operators when this was answered, our own included. */
  readonly copiesPromised: number
  /** Whether this operator wanted it before. */
  readonly existed: boolean
}

export class Pool implements AsyncDisposable {
  readonly #components: PinningComponents
  readonly #commons: Commons
  readonly #options: KeepingOptions
  readonly #time: OwnTime
  readonly #locks: RootLocks
  readonly #presence: Presence
  readonly #census: Census
  readonly #reports: Reports
  readonly #holds: Holds
  readonly #answers: Answers
  readonly #receipts: ProofReceipts
  readonly #prover: Prover
  readonly #repairs: Repairs
  readonly #offers: Offers
  readonly #releases: Releases
  readonly #observer: Observer
  readonly #keeping: Keeping
  readonly #collector: Collector
  readonly #stop = new AbortController()
  #announcing: Promise<unknown> | undefined
  #state: 'constructed' | 'running' | 'stopped' = 'constructed'

  private constructor(
    components: PinningComponents,
    commons: Commons,
    time: OwnTime,
    options: KeepingOptions
  ) {
    this.#components = components
    this.#commons = commons
    this.#options = options
    this.#time = time
    this.#locks = new RootLocks()
    const { roster, wanted, dialogue } = commons
    const parts: KeepingParts = { components, roster, wanted, dialogue, options, time, locks: this.#locks }
    this.#presence = new Presence(parts, () => this.#standing())
    this.#census = new Census(parts, this.#presence)
    this.#reports = new Reports(parts, this.#census)
    this.#holds = new Holds(parts)
    this.#answers = new Answers(parts, this.#holds)
    this.#receipts = new ProofReceipts(parts, this.#census)
    this.#prover = new Prover(parts, this.#census, this.#presence, this.#receipts)
    this.#repairs = new Repairs(parts, this.#census, this.#presence, this.#reports)
    const known = {
      census: this.#census,
      presence: this.#presence,
      reports: this.#reports,
      holds: this.#holds
    }
    this.#observer = new Observer(parts, known)
    this.#offers = new Offers(
      parts,
      { ...known, repairs: this.#repairs },
      {
        accept: (delivery, abort) => commons.journals.accept(delivery, abort),
        isFull: () => this.#observer.isFull()
      }
    )
    this.#releases = new Releases(parts, this.#holds, this.#prover, this.#reports)
    this.#keeping = new Keeping(parts, {
      observer: this.#observer,
      census: this.#census,
      presence: this.#presence,
      reports: this.#reports,
      repairs: this.#repairs,
      prover: this.#prover,
      releases: this.#releases
    })
    this.#collector = new Collector(parts, this.#holds, this.#reports, {
      unconfirmed: async (ageMsMax) => commons.sync.headsConfirmed(ageMsMax).missing
    })
    this.#hearNews()
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
    const time = await OwnTime.open(components.clock, components.database)
    return new Pool(components, commons, time, { ...keepingDefaults, ...options?.keeping })
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
    // Wishes before plans: a keeper that was away syncs before it decides anything.
    await this.#commons.start()
    await this.#presence.start()
    await this.#repairs.start()
    await this.#keeping.start()
    await this.#collector.start()
  }

  /** Ends what is under way, in the reverse order of its beginning. Idempotent. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    const ran = this.#state === 'running'
    this.#state = 'stopped'
    this.#stop.abort(new Error('stopped'))
    await this.#collector.stop()
    await this.#keeping.stop()
    await this.#offers.stop()
    await this.#repairs.stop()
    await this.#presence.stop()
    await this.#announcing
    if (ran) await this.#time.save()
    await this.#commons[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /**
   * Makes the wish durable and offers the object, which must be complete in the object store, to its keepers.
   * @throws DeniedError by own policy; PoolTooSmallError when `ackWhenShort` is `refuse` and the receipts
   * did not come: the wish was taken back then
   */
  async want(wish: Wish, options?: AbortOptions): Promise<WantResult> {
    const components = this.#components
    const operator = this.#operator()
    const subject = wish.digest === undefined ? { root: wish.root } : { root: wish.root, digest: wish.digest }
    const decision = await components.policy.decide(subject)
    if (decision.verdict === 'deny') throw new DeniedError(wish.root.toString(), decision.reasons)
    const existed = await this.#wants(operator, wish.root)
    const here = await this.#locks.run(wish.root, async () => {
      const has = await components.objects.has(wish.root)
      if (has && (await this.#reports.noted(wish.root)) === undefined)
        await this.#reports.noteHeld(wish.root, 'upload')
      return has
    })
    const written = await this.#append({ kind: 'pin', wish }, options)
    const situation = await this.#observer.situation(wish)
    const { copies, keepers } = keepersFor(situation, this.#options)
    const holding = new Set(
      situation.copies.filter((copy) => copy.state.kind === 'proven').map((copy) => copy.node)
    )
    const enough = this.#options.ackCopies - (here ? 1 : 0)
    const promised = await this.#offers.offer(
      wish,
      written,
      {
        copies: Math.max(0, copies - holding.size),
        keepers: keepers.filter((keeper) => !holding.has(keeper)),
        enough: enough - holding.size
      },
      options
    )
    const copiesPromised = promised.size + holding.size + (here ? 1 : 0)
    if (copiesPromised < this.#options.ackCopies && this.#options.ackWhenShort === 'refuse') {
      await this.#append({ kind: 'unpin', root: wish.root }, options)
      throw new PoolTooSmallError(copiesPromised, this.#options.ackCopies)
    }
    this.#keeping.wake(wish.root)
    return { copiesPromised, existed }
  }

  /** Takes back this operator's wish. `false` when it had none. */
  async unwant(root: CID, options?: AbortOptions): Promise<boolean> {
    if (!(await this.#wants(this.#operator(), root))) return false
    await this.#append({ kind: 'unpin', root }, options)
    return true
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
  async status(root: CID): Promise<ReplicationStatus | undefined> {
    const wish = await this.#commons.wanted.get(root)
    if (wish === undefined) return undefined
    const situation = await this.#observer.situation(wish)
    return statusOf(wish, situation, planObject(situation, this.#options))
  }

  async summary(): Promise<PoolSummary> {
    const { database, objects } = this.#components
    const { wanted, roster } = this.#commons
    const rows = await database
      .selectFrom('standing')
      .innerJoin('wanted', 'wanted.root', 'standing.root')
      .select((eb) => [
        'standing.health',
        'standing.copies_live',
        'standing.reasons',
        eb.fn.countAll<number>().as('n')
      ])
      .groupBy(['standing.health', 'standing.copies_live', 'standing.reasons'])
      .execute()
    const byHealth: Record<Health, number> = {
      healthy: 0,
      degraded: 0,
      'at risk': 0,
      unreachable: 0,
      lost: 0
    }
    const copies: Record<number, number> = {}
    const byReason = new Map<Reason, number>()
    let seen = 0
    for (const row of rows) {
      const n = Number(row.n)
      seen += n
      byHealth[row.health] += n
      copies[row.copies_live] = (copies[row.copies_live] ?? 0) + n
      for (const reason of row.reasons.split(' ').filter((code) => code !== '') as Reason[]) {
        byReason.set(reason, (byReason.get(reason) ?? 0) + n)
      }
    }
    const total = await wanted.count()
    const { bytes } = await database
      .selectFrom('wanted')
      .select((eb) => eb.fn.sum<number>('size').as('bytes'))
      .executeTakeFirstOrThrow()
    const space = await objects.space()
    const members = this.members()
    const overdue = await this.#proofsOverdue()
    const health = poolHealth({
      copiesMin: this.copiesMinDefault,
      operators: roster.operators().filter((operator) => operator.counted).length,
      byHealth,
      byReason,
      members,
      proofsOverdue: overdue
    })
    return {
      poolId: this.poolId,
      name: this.name,
      health,
      objects: { total, byHealth, unseen: Math.max(0, total - seen) },
      copies,
      bytes: {
        wanted: Number(bytes ?? 0),
        used: space.usedBytes,
        free: space.freeBytes,
        capacity: space.capacityBytes
      },
      repairs: { running: this.#repairs.running, queued: this.#repairs.queued, ...this.#repairs.counts },
      proofs: { ...this.#prover.counts, answered: this.#answers.given, overdue },
      releases: { ...this.#releases.counts },
      members,
      cut: Object.fromEntries(await wanted.cut())
    }
  }

  async #proofsOverdue(): Promise<number> {
    const { proofSettleMs, proofPatienceMs } = this.#options
    const beforeMs = this.#time.nowMs() - proofSettleMs - proofPatienceMs
    const row = await this.#components.database
      .selectFrom('copy')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('claimed_ms', '<', beforeMs)
      .where('proven_ms', 'is', null)
      .where('declined_ms', 'is', null)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('proof_word')
              .select('proof_word.root')
              .whereRef('proof_word.root', '=', 'copy.root')
              .whereRef('proof_word.keeper', '=', 'copy.keeper')
          )
        )
      )
      .executeTakeFirstOrThrow()
    return Number(row.n)
  }

  members(): readonly MemberStatus[] {
    const { roster } = this.#commons
    const forked = this.#forked()
    return roster.members().map((member) => {
      const self = member.node === this.#components.keys.nodeId
      const standing = this.#presence.standing(member.node)
      const domain = roster.operator(member.operator)?.domain
      const lastSeenMs = self ? 0 : this.#presence.lastSeenMs(member.node)
      return {
        node: member.node,
        operator: member.operator,
        ...(domain === undefined ? {} : { domain }),
        class: member.class,
        self,
        capacityBytes: member.capacityBytes,
        ...(standing === undefined ? {} : { usedBytes: standing.usedBytes }),
        reachable: this.#presence.isReachable(member.node),
        ...(lastSeenMs === undefined ? {} : { lastSeenMs }),
        full: standing?.full === true,
        counted: member.counted,
        ...(forked.has(member.node) ? { forked: true } : {})
      }
    })
  }

  operators(): readonly Operator[] {
    return this.#commons.roster.operators()
  }

  member(node: NodeId): Member | undefined {
    return this.#commons.roster.member(node)
  }

  /** Challenges every holder now. */
  async prove(root: CID, options?: AbortOptions): Promise<readonly ProofOutcome[]> {
    const copies = await this.#census.copiesOf(root)
    return await Promise.all(copies.map((copy) => this.#proveOne(root, copy, options)))
  }

  async #proveOne(root: CID, copy: Copy, options?: AbortOptions): Promise<ProofOutcome> {
    const { node, operator } = copy
    if (copy.state.kind === 'own') return { node, operator, outcome: 'own', by: 'none', tookMs: 0 }
    const beganMs = this.#components.clock.monotonicMs()
    const [verdict] = await this.#prover.challenge(node, [root], options)
    const tookMs = this.#components.clock.monotonicMs() - beganMs
    // Left out: a challenge of the loop about this very copy is under way.
    if (verdict === undefined) return { node, operator, outcome: 'busy', by: 'none', tookMs }
    return { node, operator, outcome: verdict.outcome, by: verdict.by, tookMs }
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
  async waitUntilHealthy(root: CID, options?: AbortOptions): Promise<ReplicationStatus> {
    for (;;) {
      options?.signal?.throwIfAborted()
      const wish = await this.#commons.wanted.get(root)
      if (wish === undefined) throw new NotFoundError(`Nobody in this pool wants ${root.toString()}.`)
      const { operators } = this.#observer.pool()
      if (operators < wish.copiesMin) throw new PoolTooSmallError(operators, wish.copiesMin)
      const changed = this.#nextChange(root, options)
      await this.#keeping.look(root)
      await this.#proveClaims(root, options)
      const situation = await this.#observer.situation(wish)
      const plan = planObject(situation, this.#options)
      // An upload goes only when `copiesMin` other operators have proven theirs; where there are not as many
      // others (two nodes of one operator, one of them placed), waiting for that would never end.
      const stays = operators - 1 < wish.copiesMin
      const placed = stays || situation.self.copy !== 'upload' || isPlacedHere(situation, this.#options)
      if (plan.health === 'healthy' && placed) return statusOf(wish, situation, plan)
      await changed
    }
  }

  async #proveClaims(root: CID, options?: AbortOptions): Promise<void> {
    const copies = await this.#census.copiesOf(root)
    const unproven = copies.filter((copy) => copy.awayMs === 0 && copy.state.kind === 'claimed')
    await Promise.all(unproven.map((copy) => this.#proveOne(root, copy, options)))
  }

  /** The next plan made for this object, or a tick. */
  #nextChange(root: CID, options?: AbortOptions): Promise<unknown> {
    const done = new AbortController()
    const signals = [
      done.signal,
      this.#stop.signal,
      ...(options?.signal === undefined ? [] : [options.signal])
    ]
    return slept(this.#components.clock, this.#options.tickMs / 5, AbortSignal.any(signals)).then(() => root)
  }

  /** The policy changed its mind about these objects: denied ones are dropped here, allowed ones kept again. */
  async reconsider(roots: readonly CID[], options?: AbortOptions): Promise<void> {
    for (const root of roots) {
      options?.signal?.throwIfAborted()
      await this.#keeping.look(root)
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

  #operator(): OperatorId {
    const { operator } = this.#commons
    if (operator === undefined)
      throw new UnauthorizedError('This node is no member of the pool any more; join it again.')
    return operator
  }

  async #wants(operator: OperatorId, root: CID): Promise<boolean> {
    return (await this.#commons.journals.wishOf(operator, root)) !== undefined
  }

  /** Durable and signed when it resolves; what keepers are shown of it. */
  async #append(change: Change, options?: AbortOptions): Promise<WrittenWish> {
    const { opening, batches, journal, seq } = await this.#commons.own.append([change], options)
    const batch = batches.at(-1)
    if (batch === undefined) throw new Error('an append without a batch')
    return { opening, batch, journal: fromHex(journal), seq }
  }

  /** Nodes whose journal went two ways. */
  #forked(): ReadonlySet<NodeId> {
    const { journals } = this.#commons
    return new Set(journals.forked().flatMap((id) => journals.graph.get(id)?.node ?? []))
  }

  async #standing(): Promise<Standing> {
    const { usedBytes, freeBytes, capacityBytes } = await this.#components.objects.space()
    return {
      storeEpoch: this.#components.objects.storeEpoch,
      run: this.#reports.run,
      reportSeq: this.#reports.seq,
      receiptSeq: this.#receipts.seq,
      full: await this.#observer.isFull(),
      usedBytes,
      freeBytes: Math.max(0, freeBytes),
      capacityBytes
    }
  }

  /** News travel by greeting: ours are announced by one, others' are read after one. */
  #hearNews(): void {
    this.#reports.onNews = () => this.#announceSoon()
    this.#receipts.onNews = () => this.#announceSoon()
    this.#answers.onDamage = (root) => void this.#damaged(root)
    this.#prover.onDamage = (root) => void this.#damaged(root)
    this.#presence.listen({ onStanding: (node, standing) => void this.#readNews(node, standing) })
    this.#commons.wanted.onChange(() => this.#readWaiting())
  }

  #announceSoon(): void {
    if (this.#state !== 'running' || this.#announcing !== undefined) return
    this.#announcing = slept(this.#components.clock, this.#options.reportDelayMs, this.#stop.signal).then(
      (on) => {
        this.#announcing = undefined
        if (on) this.#presence.greetAll()
      }
    )
  }

  async #damaged(root: CID): Promise<void> {
    await this.#reports.noteGone(root)
    this.#keeping.wake(root)
  }

  async #readNews(node: NodeId, standing: Standing): Promise<void> {
    if (this.#state !== 'running') return
    try {
      await this.#census.noteKeeper(node, standing.storeEpoch)
      await this.#reports.read(node, standing.run, standing.reportSeq)
      await this.#receipts.read(node, standing.receiptSeq)
    } catch (err) {
      // It greets again within the presence interval, and we ask again.
      this.#components.log.debug('news of a member could not be read', { node, err })
    }
  }

  /** Reports that spoke of wishes we had not read yet may be readable now. */
  #readWaiting(): void {
    for (const member of this.#commons.roster.members()) {
      const standing = this.#presence.standing(member.node)
      if (standing !== undefined && this.#reports.isBehind(member.node, standing)) {
        void this.#readNews(member.node, standing)
      }
    }
  }
}

function statusOf(wish: WantedObject, situation: Situation, plan: Plan): ReplicationStatus {
  return {
    root: wish.root,
    ...(wish.digest === undefined ? {} : { digest: wish.digest }),
    size: wish.size,
    health: plan.health,
    copiesMin: wish.copiesMin,
    copiesTarget: plan.copiesTarget,
    copiesLive: plan.copiesLive,
    copiesClaimed: plan.copiesClaimed,
    reasons: plan.reasons,
    holders: situation.copies.map(holderOf)
  }
}

function holderOf(copy: Copy): Holder {
  const { node, operator, state } = copy
  switch (state.kind) {
    case 'own':
      return { node, operator, state: 'live' }
    case 'proven':
      return {
        node,
        operator,
        state: copy.awayMs === 0 ? 'live' : 'unreachable',
        lastProofAgeMs: state.ageMs
      }
    case 'claimed':
      return { node, operator, state: copy.awayMs === 0 ? 'claimed' : 'unreachable' }
    case 'corrupt':
    case 'declined':
      return { node, operator, state: state.kind }
  }
}
