// Who holds what, proved when: the memory behind every plan. Station: after the journals, before plan.
// Owns claims, proofs and suspicions in the index; never asks anybody anything and decides nothing.
// All ages run on own time from our own receipt of the event.

import { type NodeId, toHex } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { CensusTables } from './census-tables.ts'
import type { PinningTables } from './database.ts'
import { sameBytes } from './fields.ts'
import type { KeepingParts } from './keeping-parts.ts'
import type { Presence } from './presence.ts'
import { groupOf, rootKey, rootOfKey } from './root-key.ts'
import type { Copy, CopyState } from './tally.ts'

/** A right answer somebody else got, as its signed receipt says. */
export interface ProofWord {
  readonly challenger: NodeId
  readonly keeper: NodeId
  readonly storeEpoch: Uint8Array
  readonly seq: number
  readonly expiresWallMs: number
}

interface Suspicion {
  rightLeft: number
  readonly sinceMs: number
}

export class Census {
  readonly #parts: KeepingParts
  readonly #presence: Presence
  /** Hex of the store epoch each keeper last told. */
  readonly #epochs = new Map<NodeId, string>()
  readonly #firstSeen = new Map<NodeId, number>()
  /** By `keeper group`. Few at any time, so kept in memory beside the index. */
  readonly #suspects = new Map<string, Suspicion>()
  readonly #listeners: ((roots: readonly CID[] | undefined) => void)[] = []

  constructor(parts: KeepingParts, presence: Presence) {
    this.#parts = parts
    this.#presence = presence
  }

  async open(): Promise<void> {
    const { database } = this.#parts.components
    for (const row of await database.selectFrom('keeper').selectAll().execute()) {
      this.#firstSeen.set(row.node, row.first_seen_ms)
      if (row.store_epoch !== null) this.#epochs.set(row.node, toHex(row.store_epoch))
    }
    for (const row of await database.selectFrom('suspect').selectAll().execute()) {
      this.#suspects.set(suspectKey(row.keeper, row.hash_group), {
        rightLeft: row.right_left,
        sinceMs: this.#parts.time.nowMs()
      })
    }
  }

  /** `undefined` when too much changed to name. */
  onChange(listener: (roots: readonly CID[] | undefined) => void): void {
    this.#listeners.push(listener)
  }

  /** Every copy known of this object, our own included when it is here. */
  async copiesOf(root: CID): Promise<Copy[]> {
    const { components, roster } = this.#parts
    const key = rootKey(root)
    const rows = await components.database.selectFrom('copy').selectAll().where('root', '=', key).execute()
    const words =
      rows.length === 0
        ? []
        : await components.database.selectFrom('proof_word').selectAll().where('root', '=', key).execute()
    const copies: Copy[] = []
    const self = roster.member(components.keys.nodeId)
    if (self !== undefined && (await components.objects.has(root))) {
      const { node, operator, counted } = self
      copies.push({ node, operator, counted, awayMs: 0, state: { kind: 'own' } })
    }
    for (const row of rows) {
      const copy = this.#copy(row, words)
      if (copy !== undefined) copies.push(copy)
    }
    return copies
  }

  #copy(row: CensusTables['copy'], words: readonly CensusTables['proof_word'][]): Copy | undefined {
    const member = this.#parts.roster.member(row.keeper)
    if (member === undefined || row.keeper === this.#parts.components.keys.nodeId) return undefined
    const nowMs = this.#parts.time.nowMs()
    return {
      node: member.node,
      operator: member.operator,
      counted: member.counted,
      awayMs: this.#presence.awayMs(member.node),
      state: this.#stateOf(row, words, nowMs),
      ...(row.proven_ms === null ? {} : { ownProofAgeMs: nowMs - row.proven_ms }),
      ...(row.asked_ms === null ? {} : { askedAgeMs: nowMs - row.asked_ms }),
      ...(row.doubted === 1 ? { doubted: true } : {})
    }
  }

  #stateOf(
    row: CensusTables['copy'],
    words: readonly CensusTables['proof_word'][],
    nowMs: number
  ): CopyState {
    if (row.declined_ms !== null) return { kind: 'declined' }
    if (row.corrupt_ms !== null) return { kind: 'corrupt', forMs: nowMs - row.corrupt_ms }
    const { proofAgeMsMax } = this.#parts.options
    // Under suspicion nothing at that keeper's group counts until enough of it was proven anew.
    const suspicion = this.#suspects.get(suspectKey(row.keeper, row.hash_group))
    const provenMs = suspicion === undefined ? this.#provenMs(row, words) : undefined
    if (provenMs !== undefined && nowMs - provenMs < proofAgeMsMax) {
      return { kind: 'proven', ageMs: nowMs - provenMs }
    }
    // A claim ripens only while its keeper can be asked; a lapsed proof is a fresh claim.
    const lapsedMs = provenMs === undefined ? 0 : provenMs + proofAgeMsMax
    const sinceMs = Math.max(
      row.claimed_ms,
      lapsedMs,
      suspicion?.sinceMs ?? 0,
      this.#presence.reachableSinceMs(row.keeper)
    )
    return { kind: 'claimed', forMs: Math.max(0, nowMs - sinceMs) }
  }

  /**
   * When the copy was proven: by ourselves, or as soon as challengers at enough distinct operators,
   * none of them the keeper's, said so.
   */
  #provenMs(row: CensusTables['copy'], words: readonly CensusTables['proof_word'][]): number | undefined {
    const { roster, components } = this.#parts
    if (row.proven_ms !== null) return row.proven_ms
    const epoch = this.#epochs.get(row.keeper)
    const wallMs = components.clock.wallMs()
    const byOperator = new Map<string, number>()
    for (const word of words) {
      if (word.keeper !== row.keeper || word.expires_wall_ms <= wallMs) continue
      if (epoch !== undefined && toHex(word.store_epoch) !== epoch) continue
      const challenger = roster.operatorOf(word.challenger)
      if (challenger === undefined || challenger === roster.operatorOf(row.keeper)) continue
      if (roster.operator(challenger)?.counted !== true) continue
      byOperator.set(challenger, Math.max(byOperator.get(challenger) ?? 0, word.received_ms))
    }
    const needed = roster.operators().filter((operator) => operator.counted).length <= 3 ? 1 : 2
    return [...byOperator.values()].sort((a, b) => b - a)[needed - 1]
  }

  /** The keeper told its store epoch: another one than before is another disk, and proves nothing. */
  async noteKeeper(node: NodeId, storeEpoch: Uint8Array): Promise<void> {
    const epoch = toHex(storeEpoch)
    const before = this.#epochs.get(node)
    if (before === epoch) return
    const { components, time } = this.#parts
    this.#epochs.set(node, epoch)
    const firstSeenMs = this.#firstSeen.get(node) ?? time.nowMs()
    this.#firstSeen.set(node, firstSeenMs)
    // One transaction: a new epoch beside old proofs must not survive a crash.
    await components.database.transaction().execute(async (trx) => {
      await trx
        .insertInto('keeper')
        .values({ node, store_epoch: storeEpoch, first_seen_ms: firstSeenMs })
        .onConflict((c) => c.column('node').doUpdateSet({ store_epoch: storeEpoch }))
        .execute()
      if (before === undefined) return
      await trx.deleteFrom('copy').where('keeper', '=', node).execute()
    })
    if (before !== undefined) {
      components.log.warn('a keeper came back with another store; its copies count as gone', { node })
      this.#tell(undefined)
    }
  }

  memberForMs(node: NodeId): number {
    const sinceMs = this.#firstSeen.get(node)
    return sinceMs === undefined ? 0 : this.#parts.time.nowMs() - sinceMs
  }

  /** A receipt or an answer of the keeper itself says it holds the object. */
  async noteClaim(root: CID, keeper: NodeId): Promise<void> {
    const row = this.#newRow(rootKey(root), keeper)
    await this.#parts.components.database
      .insertInto('copy')
      .values(row)
      // Saying it again makes an old claim no younger, but takes back a refusal.
      .onConflict((c) => c.columns(['root', 'keeper']).doUpdateSet({ declined_ms: null }))
      .execute()
    this.#tell([root])
  }

  /** The keeper's report: exactly these objects of the group are there. */
  async noteGroup(keeper: NodeId, group: number, keys: readonly Uint8Array[]): Promise<void> {
    const { database } = this.#parts.components
    const said = new Map(keys.map((key) => [toHex(key), key]))
    const changed: CID[] = []
    await database.transaction().execute(async (trx) => {
      const rows = await trx
        .selectFrom('copy')
        .select(['root', 'declined_ms', 'corrupt_ms'])
        .where('keeper', '=', keeper)
        .where('hash_group', '=', group)
        .execute()
      for (const row of rows) {
        if (said.delete(toHex(row.root))) continue
        // It declined: that it reports no copy is the same said twice. And a copy found corrupt is not
        // washed clean by being withdrawn and claimed again; a right answer does that.
        if (row.declined_ms !== null || row.corrupt_ms !== null) continue
        await this.#forgetCopy(trx, row.root, keeper)
        changed.push(rootOfKey(row.root))
      }
      for (const key of said.values()) {
        await trx.insertInto('copy').values(this.#newRow(key, keeper)).execute()
        changed.push(rootOfKey(key))
      }
    })
    if (changed.length > 0) this.#tell(changed)
  }

  /** Everything it holds lies in these groups. */
  async noteOnlyGroups(keeper: NodeId, groups: ReadonlySet<number>): Promise<void> {
    const rows = await this.#parts.components.database
      .selectFrom('copy')
      .select('hash_group')
      .distinct()
      .where('keeper', '=', keeper)
      .execute()
    for (const { hash_group } of rows)
      if (!groups.has(hash_group)) await this.noteGroup(keeper, hash_group, [])
  }

  /** It said so itself: no copy there (any more). */
  async noteAbsent(root: CID, keeper: NodeId): Promise<void> {
    await this.#parts.components.database
      .transaction()
      .execute((trx) => this.#forgetCopy(trx, rootKey(root), keeper))
    this.#tell([root])
  }

  /** What was proven about a copy that went says nothing about one that comes in its place. */
  async #forgetCopy(trx: Kysely<PinningTables>, key: Uint8Array, keeper: NodeId): Promise<void> {
    await trx.deleteFrom('copy').where('keeper', '=', keeper).where('root', '=', key).execute()
    await trx.deleteFrom('proof_word').where('keeper', '=', keeper).where('root', '=', key).execute()
  }

  async noteDeclined(root: CID, keeper: NodeId): Promise<void> {
    await this.noteClaim(root, keeper)
    await this.#copyRow(root, keeper).set({ declined_ms: this.#parts.time.nowMs() })
    this.#tell([root])
  }

  /** Before the question goes out, so that silence too is remembered. */
  async noteAsked(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set({ asked_ms: this.#parts.time.nowMs() })
  }

  async noteProven(root: CID, keeper: NodeId): Promise<void> {
    await this.noteClaim(root, keeper)
    const proven = { proven_ms: this.#parts.time.nowMs(), corrupt_ms: null, doubted: 0, declined_ms: null }
    await this.#copyRow(root, keeper).set(proven)
    await this.#easeSuspicion(keeper, groupOf(root, this.#parts.roster.k))
    this.#tell([root])
  }

  /** One wrong answer: this copy is corrupt, and every other of its group there must prove itself anew. */
  async noteWrong(root: CID, keeper: NodeId): Promise<void> {
    const wrong = { proven_ms: null, corrupt_ms: this.#parts.time.nowMs(), doubted: 0 }
    await this.#copyRow(root, keeper).set(wrong)
    const group = groupOf(root, this.#parts.roster.k)
    const groups = [...this.#suspects.keys()].filter((key) => key.startsWith(`${keeper} `))
    await this.#suspect(keeper, group)
    // A second group going bad is the disk, or the keeper: everything there is under suspicion.
    if (groups.some((key) => key !== suspectKey(keeper, group))) await this.#suspectAll(keeper)
    this.#tell(undefined)
  }

  async noteDoubt(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set({ doubted: 1 })
    this.#tell([root])
  }

  /** Returns the roots this word is news about. */
  async noteWord(roots: readonly CID[], word: ProofWord): Promise<void> {
    const { components, time } = this.#parts
    await components.database.transaction().execute(async (trx) => {
      for (const root of roots) {
        const row: CensusTables['proof_word'] = {
          root: rootKey(root),
          keeper: word.keeper,
          challenger: word.challenger,
          store_epoch: word.storeEpoch,
          seq: word.seq,
          received_ms: time.nowMs(),
          expires_wall_ms: word.expiresWallMs
        }
        await trx
          .insertInto('proof_word')
          .values(row)
          // The same receipt read again is no younger.
          .onConflict((c) =>
            c
              .columns(['root', 'keeper', 'challenger'])
              .doUpdateSet(row)
              .where('proof_word.seq', '!=', word.seq)
          )
          .execute()
      }
    })
    this.#tell(roots)
  }

  /** Rows that can never count again. */
  async forgetExpired(): Promise<void> {
    const { database, clock } = this.#parts.components
    await database.deleteFrom('proof_word').where('expires_wall_ms', '<=', clock.wallMs()).execute()
    await database.deleteFrom('proof_receipt').where('expires_wall_ms', '<=', clock.wallMs()).execute()
  }

  storeEpochOf(keeper: NodeId): string | undefined {
    return this.#epochs.get(keeper)
  }

  isStoreEpoch(keeper: NodeId, storeEpoch: Uint8Array): boolean {
    const known = this.#parts.roster.member(keeper) === undefined ? undefined : this.#epochs.get(keeper)
    return known === undefined || sameBytes(Buffer.from(known, 'hex'), storeEpoch)
  }

  /** Objects of a group under suspicion there, to be challenged at random. */
  async suspectedRoots(limit: number): Promise<{ keeper: NodeId; root: CID }[]> {
    const found: { keeper: NodeId; root: CID }[] = []
    const beforeMs = this.#parts.time.nowMs() - this.#parts.options.proofRetryMs
    for (const key of this.#suspects.keys()) {
      const [keeper = '', group = '0'] = key.split(' ')
      const rows = await this.#parts.components.database
        .selectFrom('copy')
        .select('root')
        .where('keeper', '=', keeper)
        .where('hash_group', '=', Number(group))
        .where('corrupt_ms', 'is', null)
        .where((eb) => eb.or([eb('asked_ms', 'is', null), eb('asked_ms', '<=', beforeMs)]))
        .execute()
      // Drawn by our own dice: a keeper must not know which objects clear it.
      const drawn = rows
        .map((row) => ({ row, dice: this.#parts.components.random.unit() }))
        .sort((a, b) => a.dice - b.dice)
        .slice(0, limit - found.length)
      found.push(...drawn.map(({ row }) => ({ keeper, root: rootOfKey(row.root) })))
      if (found.length >= limit) break
    }
    return found
  }

  async #suspect(keeper: NodeId, group: number): Promise<void> {
    const { components, options, time } = this.#parts
    const held = await components.database
      .selectFrom('copy')
      .select((eb) => eb.fn.countAll<number>().as('n'))
      .where('keeper', '=', keeper)
      .where('hash_group', '=', group)
      .where('corrupt_ms', 'is', null)
      .executeTakeFirstOrThrow()
    // A group with fewer objects clears when each of them was proven.
    const left = Math.min(options.suspectProofs, Number(held.n))
    if (left === 0) return
    this.#suspects.set(suspectKey(keeper, group), { rightLeft: left, sinceMs: time.nowMs() })
    const row = { keeper, hash_group: group, right_left: left }
    await components.database
      .insertInto('suspect')
      .values(row)
      .onConflict((c) => c.columns(['keeper', 'hash_group']).doUpdateSet(row))
      .execute()
  }

  async #suspectAll(keeper: NodeId): Promise<void> {
    const rows = await this.#parts.components.database
      .selectFrom('copy')
      .select('hash_group')
      .distinct()
      .where('keeper', '=', keeper)
      .execute()
    for (const row of rows) {
      if (!this.#suspects.has(suspectKey(keeper, row.hash_group))) await this.#suspect(keeper, row.hash_group)
    }
  }

  async #easeSuspicion(keeper: NodeId, group: number): Promise<void> {
    const key = suspectKey(keeper, group)
    const suspicion = this.#suspects.get(key)
    if (suspicion === undefined) return
    const { database } = this.#parts.components
    if (suspicion.rightLeft > 1) {
      suspicion.rightLeft--
      const row = { right_left: suspicion.rightLeft }
      await database
        .updateTable('suspect')
        .set(row)
        .where('keeper', '=', keeper)
        .where('hash_group', '=', group)
        .execute()
      return
    }
    this.#suspects.delete(key)
    await database
      .deleteFrom('suspect')
      .where('keeper', '=', keeper)
      .where('hash_group', '=', group)
      .execute()
    this.#tell(undefined)
  }

  #newRow(key: Uint8Array, keeper: NodeId): CensusTables['copy'] {
    return {
      root: key,
      keeper,
      hash_group: groupOf(rootOfKey(key), this.#parts.roster.k),
      claimed_ms: this.#parts.time.nowMs(),
      proven_ms: null,
      asked_ms: null,
      corrupt_ms: null,
      declined_ms: null,
      doubted: 0
    }
  }

  #copyRow(root: CID, keeper: NodeId): { set(change: Partial<CensusTables['copy']>): Promise<void> } {
    const { database } = this.#parts.components
    const key = rootKey(root)
    return {
      set: async (change) => {
        await database
          .updateTable('copy')
          .set(change)
          .where('root', '=', key)
          .where('keeper', '=', keeper)
          .execute()
      }
    }
  }

  #tell(roots: readonly CID[] | undefined): void {
    for (const listener of this.#listeners) listener(roots)
  }
}

function suspectKey(keeper: NodeId, group: number): string {
  return `${keeper} ${group}`
}
