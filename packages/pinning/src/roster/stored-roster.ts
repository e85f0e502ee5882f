// The roster of one pool: its signed entries in a durable log, and what they mean now. Takes entries from
// anybody, for each proves itself; signs this operator's own. Knows nothing of how entries travel (sync.ts).

import {
  type AbortOptions,
  BusyError,
  type Clock,
  MalformedRecordError,
  type NodeId,
  type OperatorId,
  operatorIdOf,
  type Signed,
  type SigningKey,
  toHex
} from '@commonhold/core'
import type { RecordLog, RecordLogs } from '../components.ts'
import type { Name, NameSet } from '../name-set.ts'
import { defaults } from '../options.ts'
import { Serial } from '../serial.ts'
import { type Charter, type Genesis, openGenesis } from './genesis.ts'
import type { Member, Operator } from './member.ts'
import type { Roster } from './roster.ts'
import {
  isAdministratorAct,
  openRosterEntry,
  type RosterAct,
  type RosterEntry,
  signRosterEntry
} from './roster-entries.ts'
import { RosterLedger } from './roster-ledger.ts'
import { authorOf, type DelegationState, type RosterState } from './roster-state.ts'

export interface RosterParts {
  readonly logs: RecordLogs
  readonly clock: Clock
}

export interface AddOptions extends AbortOptions {
  /** Whether we asked for these entries. */
  readonly fetched?: boolean
}

/** An administrator's act before it is chained to the one before. */
export type OwnAct = RosterAct extends infer A
  ? A extends { is: 'admit' | 'remove' | 'revoke' }
    ? Omit<A, 'prev'>
    : A
  : never

interface View {
  readonly members: readonly Member[]
  readonly byNode: ReadonlyMap<NodeId, Member>
  /** Wall time at which the next delegation expires and this view is outdated. */
  readonly untilMs: number
}

export class StoredRoster implements Roster, AsyncDisposable {
  readonly #genesis: Signed<Genesis>
  readonly #clock: Clock
  readonly #log: RecordLog
  readonly #listeners = new Set<(fetched: boolean) => void>()
  readonly #serial = new Serial()
  readonly #ledger: RosterLedger
  #view: View | undefined

  private constructor(
    genesis: Signed<Genesis>,
    clock: Clock,
    log: RecordLog,
    entries: readonly Signed<RosterEntry>[]
  ) {
    this.#genesis = genesis
    this.#clock = clock
    this.#log = log
    this.#ledger = new RosterLedger(genesis, entries)
  }

  /** Makes the genesis durable here: the first record of the roster's log. Idempotent. */
  static async create(parts: RosterParts, genesis: Signed<Genesis>): Promise<StoredRoster> {
    const log = await parts.logs.open(logName(genesis.hash))
    for await (const _ of log.records()) {
      await log[Symbol.asyncDispose]()
      return StoredRoster.open(parts, genesis.hash)
    }
    await log.append([genesis.bytes])
    return new StoredRoster(genesis, parts.clock, log, [])
  }

  /** @throws MalformedRecordError when the log does not begin with the genesis of this pool. */
  static async open(parts: RosterParts, poolId: Uint8Array): Promise<StoredRoster> {
    const log = await parts.logs.open(logName(poolId))
    try {
      let genesis: Signed<Genesis> | undefined
      const entries: Signed<RosterEntry>[] = []
      for await (const bytes of log.records()) {
        if (genesis === undefined) genesis = openGenesis(bytes)
        else entries.push(openRosterEntry(poolId, bytes))
      }
      if (genesis === undefined || Buffer.compare(genesis.hash, poolId) !== 0) {
        throw new MalformedRecordError('roster log', 'it does not begin with the genesis record of this pool')
      }
      return new StoredRoster(genesis, parts.clock, log, entries)
    } catch (err) {
      await log[Symbol.asyncDispose]()
      throw err
    }
  }

  get genesis(): Genesis {
    return this.#genesis.body
  }

  get genesisBytes(): Uint8Array {
    return this.#genesis.bytes
  }

  get poolId(): Uint8Array {
    return this.#genesis.hash
  }

  get k(): number {
    return this.#genesis.body.k
  }

  /** All that the entries say, expired delegations included. */
  get state(): RosterState {
    return this.#ledger.state()
  }

  charter(): Charter {
    return this.state.charter
  }

  members(): readonly Member[] {
    return this.#current().members
  }

  member(node: NodeId): Member | undefined {
    return this.#current().byNode.get(node)
  }

  operators(): readonly Operator[] {
    return [...this.state.operators.values()].filter((operator) => !operator.left)
  }

  operator(id: OperatorId): Operator | undefined {
    return this.state.operators.get(id)
  }

  operatorOf(node: NodeId): OperatorId | undefined {
    return this.state.delegations.get(node)?.operator
  }

  /** Whether the newest word of this operator about itself is that it joined. */
  hasJoined(operator: Uint8Array): boolean {
    return this.#ledger.by(toHex(operator)).some(({ body }) => body.act.is === 'join')
  }

  mayAuthor(node: NodeId, operator: OperatorId): boolean {
    return this.state.authors.has(authorOf(operator, node))
  }

  /** `fetched`: we asked for what changed it, so it is no news to others. */
  onChange(listener: (fetched: boolean) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Hashes of all entries held. */
  get names(): NameSet {
    return this.#ledger.names
  }

  /** These entries, those that this operator signed first. */
  ownFirst(names: readonly Name[], own: OperatorId | undefined): Uint8Array[] {
    const held = names.flatMap((name) => this.#ledger.get(name) ?? [])
    const isOwn = (entry: Signed<RosterEntry>): boolean => operatorIdOf(entry.signer) === own
    return [...held.filter(isOwn), ...held.filter((entry) => !isOwn(entry))].map((entry) => entry.hash)
  }

  /** Signed entries by hash; unknown ones are left out. */
  entries(hashes: readonly Uint8Array[]): Uint8Array[] {
    return hashes.flatMap((hash) => this.#ledger.get(toHex(hash))?.bytes ?? [])
  }

  /**
   * Takes what is new and matters; resolves when it is durable. One bad entry refuses all of them, for
   * its sender is broken or hostile.
   * @returns how many were taken
   * @throws MalformedRecordError; BusyError when the roster has no room for more operators
   */
  add(entries: readonly Uint8Array[], options?: AddOptions): Promise<number> {
    const opened = entries.map((bytes) => openRosterEntry(this.poolId, bytes))
    return this.#serial.run(() => this.#take(opened, options?.fetched === true), options)
  }

  /**
   * Signs an act of this operator and makes it durable here.
   * @returns the entry, to be told to others
   */
  sign(act: OwnAct, key: SigningKey, options?: AbortOptions): Promise<Signed<RosterEntry>> {
    return this.#serial.run(async () => {
      const said = this.#ledger.by(toHex(key.publicKey))
      const own = [...said].sort((a, b) => b.body.seq - a.body.seq)
      const seq = (own[0]?.body.seq ?? 0) + 1
      const prev = own.find((entry) => isAdministratorAct(entry.body.act))?.hash ?? null
      const chained = act.is === 'admit' || act.is === 'remove' || act.is === 'revoke'
      const full = chained ? ({ ...act, prev } as RosterAct) : (act as RosterAct)
      const entry = signRosterEntry({ pool: this.poolId, seq, act: full }, key)
      // Through the same door as everybody's, so that we never tell what others would refuse.
      await this.#take([openRosterEntry(this.poolId, entry.bytes)], false)
      return entry
    }, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serial.idle()
    await this.#log[Symbol.asyncDispose]()
  }

  async #take(opened: readonly Signed<RosterEntry>[], fetched: boolean): Promise<number> {
    const change = this.#ledger.change(opened)
    if (change.signers > defaults.operatorsMax) {
      throw new BusyError(`The roster has no room for more than ${defaults.operatorsMax} operators.`)
    }
    const { taken } = change
    if (taken.length === 0) return 0
    // Durable before anybody acts on it: a member we removed must stay removed after a crash.
    await this.#log.append(taken.map((entry) => entry.bytes))
    this.#ledger.apply(change)
    this.#view = undefined
    for (const listener of this.#listeners) listener(fetched)
    return taken.length
  }

  #current(): View {
    const nowMs = this.#clock.wallMs()
    if (this.#view !== undefined && nowMs < this.#view.untilMs) return this.#view
    let untilMs = Number.POSITIVE_INFINITY
    const members: Member[] = []
    for (const delegation of this.state.delegations.values()) {
      const operator = this.state.operators.get(delegation.operator)
      if (delegation.expiresAt <= nowMs || operator === undefined || operator.left) continue
      untilMs = Math.min(untilMs, delegation.expiresAt)
      members.push(memberOf(delegation, operator.counted))
    }
    this.#view = { members, byNode: new Map(members.map((m) => [m.node, m])), untilMs }
    return this.#view
  }
}

function memberOf(delegation: DelegationState, counted: boolean): Member {
  const { node, operator, capacityBytes, zone } = delegation
  return {
    node,
    operator,
    class: delegation.class,
    capacityBytes,
    ...(zone === null ? {} : { zone }),
    counted
  }
}

function logName(poolId: Uint8Array): string {
  return `roster-${toHex(poolId)}`
}
