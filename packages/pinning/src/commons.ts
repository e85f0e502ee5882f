// What all members of a pool share: who is in it and what they want. Puts roster, journals, dialogue, own
// journal and sync together for one pool; how one is founded, joined and opened again. Keeps no copies.

import {
  type AbortOptions,
  InvalidInputError,
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  type SigningKey,
  UnauthorizedError
} from '@commonhold/core'
import type { PinningComponents } from './components.ts'
import { choosePool, currentPool } from './current-pool.ts'
import { askPool, Dialogue } from './dialogue.ts'
import { Journals } from './journal/journals.ts'
import { OwnJournal } from './journal/own-journal.ts'
import { Sync } from './journal/sync.ts'
import { genesisRequest } from './journal/sync-requests.ts'
import type { Wanted } from './journal/wanted.ts'
import { defaults, type SyncOptions } from './options.ts'
import { type FoundOptions, foundPool, openGenesis } from './roster/genesis.ts'
import type { KeeperClass } from './roster/member.ts'
import { consentTo } from './roster/roster-entries.ts'
import { exchangeRosters } from './roster/roster-exchange.ts'
import { type OwnAct, StoredRoster } from './roster/stored-roster.ts'

/** What this node brings. Zero capacity: a member that keeps nothing. */
export interface KeeperTerms {
  readonly class: KeeperClass
  readonly capacityBytes: number
  readonly zone?: string
}

export interface JoinOptions extends AbortOptions {
  readonly domain?: string
  /** Refuses any other pool than this. */
  readonly poolId?: Uint8Array
  readonly sync?: Partial<SyncOptions>
}

export class Commons implements AsyncDisposable {
  readonly roster: StoredRoster
  readonly journals: Journals
  readonly wanted: Wanted
  readonly dialogue: Dialogue
  readonly own: OwnJournal
  readonly sync: Sync
  readonly #components: PinningComponents
  readonly #options: SyncOptions

  private constructor(
    components: PinningComponents,
    roster: StoredRoster,
    journals: Journals,
    options: Partial<SyncOptions>
  ) {
    const { keys, network, clock, random, log } = components
    this.#components = components
    this.#options = { ...defaults, ...options }
    this.roster = roster
    this.journals = journals
    this.wanted = journals.wanted
    this.dialogue = new Dialogue({
      network,
      pool: roster.poolId,
      isMember: (node) => roster.member(node) !== undefined,
      log
    })
    this.sync = new Sync(
      {
        nodeId: keys.nodeId,
        network,
        dialogue: this.dialogue,
        roster,
        journals,
        clock,
        random,
        log,
        onTurn: () => this.renew()
      },
      options
    )
    this.own = new OwnJournal(
      {
        journals,
        roster,
        node: keys.node,
        nodeId: keys.nodeId,
        random,
        clock,
        log,
        survey: (o) => this.sync.surveyOwn(o)
      },
      options
    )
  }

  /** Founds a pool with this node's operator as its one administrator and member. */
  static async found(
    components: PinningComponents,
    found: FoundOptions,
    terms: KeeperTerms,
    options: Partial<SyncOptions> = {}
  ): Promise<{ commons: Commons; recoverySeed: Uint8Array }> {
    const operator = operatorKey(components)
    const { genesis, recoverySeed } = foundPool(operator, components.random, found)
    const roster = await StoredRoster.create(components, genesis)
    const commons = await released(roster, async () => {
      await enter(components, roster, terms, undefined, options)
      await choosePool(components.logs, roster.poolId)
      return Commons.#over(components, roster, options)
    })
    return { commons, recoverySeed }
  }

  /**
   * Joins the pool of a node whose addresses the network knows. When it resolves that node has our entries.
   * @throws UnreachableError; MalformedRecordError; InvalidInputError for another pool than the one asked for
   */
  static async join(
    components: PinningComponents,
    peer: NodeId,
    terms: KeeperTerms,
    options: JoinOptions = {}
  ): Promise<Commons> {
    const { network, logs } = components
    const { genesis: bytes } = await askPool(network, null, peer, genesisRequest, {}, options)
    const genesis = openGenesis(bytes)
    if (options.poolId !== undefined && Buffer.compare(options.poolId, genesis.hash) !== 0) {
      throw new InvalidInputError('That node is in another pool than the one you want to join.')
    }
    const roster = await StoredRoster.create(components, genesis)
    const own = operatorIdOf(operatorKey(components).publicKey)
    return released(roster, async () => {
      // Their roster first: it may hold newer entries of ours, from before this node lost its disk.
      await exchangeRosters(network, roster, peer, own, options)
      await enter(components, roster, terms, options.domain, options.sync ?? {})
      await exchangeRosters(network, roster, peer, own, options)
      // Last: a node that dies before here is in the pool it was in before.
      await choosePool(logs, roster.poolId)
      return Commons.#over(components, roster, options.sync ?? {})
    })
  }

  /** The pool this node is in; absent when there is none. */
  static async open(
    components: PinningComponents,
    options: Partial<SyncOptions> = {}
  ): Promise<Commons | undefined> {
    const poolId = await currentPool(components.logs)
    if (poolId === undefined) return undefined
    const roster = await StoredRoster.open(components, poolId)
    return released(roster, () => Commons.#over(components, roster, options))
  }

  static async #over(
    components: PinningComponents,
    roster: StoredRoster,
    options: Partial<SyncOptions>
  ): Promise<Commons> {
    const { logs, database, log } = components
    const journals = await Journals.open({ logs, database, roster, log })
    return new Commons(components, roster, journals, options)
  }

  get nodeId(): NodeId {
    return this.#components.keys.nodeId
  }

  /** Absent while the roster holds no delegation for this node. */
  get operator(): OperatorId | undefined {
    return this.roster.operatorOf(this.nodeId)
  }

  async start(): Promise<void> {
    await this.sync.start()
  }

  async stop(): Promise<void> {
    // First the sync: an append that waits for answers of members then goes on without them.
    await this.sync.stop()
    await this.own.idle()
  }

  /** Signs an act of this node's operator; members learn of it by announcement and exchange. */
  async act(act: OwnAct, options?: AbortOptions): Promise<void> {
    await this.roster.sign(act, operatorKey(this.#components), options)
  }

  /** Changes what this node brings. @returns whether the roster said otherwise */
  async pledge(terms: KeeperTerms): Promise<boolean> {
    const known = this.roster.member(this.nodeId)
    const same = known?.class === terms.class && known.capacityBytes === terms.capacityBytes
    if (same && known.zone === terms.zone) return false
    await delegate(this.#components, this.roster, terms, expiryOf(this.#components, this.#options))
    return true
  }

  /** Ends this node's own membership; other nodes of its operator stay. */
  async withdraw(): Promise<void> {
    const { class: kind, zone } = this.roster.member(this.nodeId) ?? { class: 'home' }
    const terms = { class: kind, capacityBytes: 0, ...(zone === undefined ? {} : { zone }) }
    await delegate(this.#components, this.roster, terms, withdrawnAt)
  }

  /** Signs this node's delegation anew when less than half of its life is left. */
  async renew(): Promise<void> {
    const { keys, clock } = this.#components
    const current = this.roster.state.delegations.get(keys.nodeId)
    if (current === undefined || keys.operator === undefined) return
    if (operatorIdOf(keys.operator.publicKey) !== current.operator) return
    if (current.expiresAt === withdrawnAt) return
    if (current.expiresAt - clock.wallMs() > this.#options.delegationLifeMs / 2) return
    const { capacityBytes, zone } = current
    const terms = { class: current.class, capacityBytes, ...(zone === null ? {} : { zone }) }
    await delegate(this.#components, this.roster, terms, expiryOf(this.#components, this.#options))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.journals[Symbol.asyncDispose]()
    await this.roster[Symbol.asyncDispose]()
  }
}

/** Closes the roster's log when the rest fails, so that it can be tried again. */
async function released<T>(roster: StoredRoster, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (err) {
    await roster[Symbol.asyncDispose]()
    throw err
  }
}

/** Join and delegation of this node, made only when the roster does not say so already. */
async function enter(
  components: PinningComponents,
  roster: StoredRoster,
  terms: KeeperTerms,
  domain: string | undefined,
  options: Partial<SyncOptions>
): Promise<void> {
  const operator = operatorKey(components)
  const known = roster.operator(operatorIdOf(operator.publicKey))
  if (!roster.hasJoined(operator.publicKey) || known?.domain !== domain) {
    await roster.sign({ is: 'join', domain: domain ?? null }, operator)
  }
  await delegate(components, roster, terms, expiryOf(components, { ...defaults, ...options }))
}

/** A delegation that never was in force ends the one before it, and is not renewed. */
const withdrawnAt = 0

function expiryOf({ clock }: PinningComponents, options: SyncOptions): number {
  return Math.round(clock.wallMs() + options.delegationLifeMs)
}

async function delegate(
  components: PinningComponents,
  roster: StoredRoster,
  terms: KeeperTerms,
  expiresAt: number
): Promise<void> {
  const { keys } = components
  const operator = operatorKey(components)
  if (nodeIdOf(keys.node.publicKey) !== keys.nodeId) throw new Error('node key and node id do not match')
  await roster.sign(
    {
      is: 'delegate',
      node: keys.node.publicKey,
      class: terms.class,
      capacityBytes: terms.capacityBytes,
      zone: terms.zone ?? null,
      expiresAt,
      consent: consentTo(roster.poolId, operator.publicKey, keys.node)
    },
    operator
  )
}

function operatorKey(components: PinningComponents): SigningKey {
  const { operator } = components.keys
  if (operator === undefined) {
    throw new UnauthorizedError('This node has no operator key; run this where the operator key is kept.')
  }
  return operator
}
