// Who holds what, proved when: the memory behind every plan. Station: after the journals, before plan.
// Owns claims, proofs and suspicions in the index; never asks anybody anything and decides nothing: what
// rows and news mean is `copy-state.ts`.
// All ages run on own time from our own receipt of the event.

import { type NodeId, toHex } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { PinningTables } from '../database.ts'
import { sameBytes } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import type { Copy } from '../plan/tally.ts'
import { groupOf, keysOf, rootKey, rootOfKey } from '../root-key.ts'
import type { CensusTables } from './census-tables.ts'
import {
  type CopyRow,
  type CopyView,
  claimed,
  copyOf,
  eased,
  news,
  outlivesReport,
  raised,
  type Suspicion,
  suspectsKeeper
} from './copy-state.ts'
import type { Presence } from './presence.ts'

/** A right answer somebody else got, as its signed receipt says. */
export interface ProofWord {
  readonly challenger: NodeId
  readonly keeper: NodeId
  readonly storeEpoch: Uint8Array
  readonly seq: number
  readonly expiresWallMs: number
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

  /** Told when a keeper came with another store. */
  onStoreChange: (keeper: NodeId) => Promise<void> = async () => {}

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
    return (await this.copiesOfAll([root]))[0] ?? []
  }

  /** The same of many, in their order: one look into each table, whatever their number. */
  async copiesOfAll(roots: readonly CID[]): Promise<Copy[][]> {
    const { components, roster } = this.#parts
    const { database, objects, keys } = components
    const names = roots.map(rootKey)
    const listed = keysOf(roots)
    const rows = await database.selectFrom('copy').selectAll().where('root', 'in', listed).execute()
    const words =
      rows.length === 0
        ? []
        : await database.selectFrom('proof_word').selectAll().where('root', 'in', listed).execute()
    const rowsOf = Map.groupBy(rows, (row) => nameOf(row.root))
    const wordsOf = Map.groupBy(words, (row) => nameOf(row.root))
    const here = new Set((await objects.heldOf(roots)).map((root) => nameOf(rootKey(root))))
    const self = roster.member(keys.nodeId)
    const view = this.#view()
    return names.map((key) => {
      const name = nameOf(key)
      const copies: Copy[] = []
      if (self !== undefined && here.has(name)) {
        const { node, operator, counted, zone } = self
        const place = { class: self.class, ...(zone === undefined ? {} : { zone }) }
        copies.push({ node, operator, counted, ...place, awayMs: 0, state: { kind: 'own' } })
      }
      for (const row of rowsOf.get(name) ?? []) {
        if (row.keeper === keys.nodeId) continue
        const copy = copyOf(row, wordsOf.get(name) ?? [], view)
        if (copy !== undefined) copies.push(copy)
      }
      return copies
    })
  }

  #view(): CopyView {
    const { components, options, roster, time } = this.#parts
    const presence = this.#presence
    return {
      nowMs: time.nowMs(),
      wallMs: components.clock.wallMs(),
      proofAgeMsMax: options.proofAgeMsMax,
      countedOperators: roster.operators().filter((operator) => operator.counted).length,
      member: (node) => roster.member(node),
      isCounted: (operator) => roster.operator(operator)?.counted === true,
      awayMs: (node) => presence.awayMs(node),
      reachableSinceMs: (node) => presence.reachableSinceMs(node),
      storeEpochOf: (keeper) => this.#epochs.get(keeper),
      suspicionOf: (keeper, group) => this.#suspects.get(suspectKey(keeper, group))
    }
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
        .values({ node, store_epoch: storeEpoch, first_seen_ms: firstSeenMs, reached: null })
        .onConflict((c) => c.column('node').doUpdateSet({ store_epoch: storeEpoch }))
        .execute()
      if (before === undefined) return
      await trx.deleteFrom('copy').where('keeper', '=', node).execute()
    })
    if (before !== undefined) {
      await this.onStoreChange(node)
      components.log.warn('a keeper came back with another store; its copies count as gone', { node })
      this.#tell(undefined)
    }
  }

  /** It answers about others and never about this one: what it proved once no longer counts. */
  async noteSilence(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set(news.silent())
    this.#tell([root])
  }

  /** Groups of this keeper under suspicion, and the right answers still to come. */
  suspicionsOf(keeper: NodeId): { suspectGroups: number; suspectProofsLeft: number } {
    const suspicions = [...this.#suspects].filter(([key]) => key.startsWith(`${keeper} `))
    const suspectProofsLeft = suspicions.reduce((sum, [, { rightLeft }]) => sum + rightLeft, 0)
    return { suspectGroups: suspicions.length, suspectProofsLeft }
  }

  memberForMs(node: NodeId): number {
    const sinceMs = this.#firstSeen.get(node)
    return sinceMs === undefined ? 0 : this.#parts.time.nowMs() - sinceMs
  }

  /** A receipt or an answer of the keeper itself says it holds the object. */
  async noteClaim(root: CID, keeper: NodeId): Promise<void> {
    await this.#parts.components.database
      .insertInto('copy')
      .values(this.#newRow(rootKey(root), keeper))
      .onConflict((c) => c.columns(['root', 'keeper']).doUpdateSet(news.claimedAgain()))
      .execute()
    this.#tell([root])
  }

  /** The keeper's report: exactly these objects of the group are there. */
  async noteGroup(keeper: NodeId, group: number, keys: readonly Uint8Array[]): Promise<void> {
    const { database } = this.#parts.components
    const said = new Map(keys.map((key) => [toHex(key), key]))
    const changed: CID[] = []
    const refused: Uint8Array[] = []
    await database.transaction().execute(async (trx) => {
      const rows = await trx
        .selectFrom('copy')
        .select(['root', 'declined_ms', 'corrupt_ms'])
        .where('keeper', '=', keeper)
        .where('hash_group', '=', group)
        .execute()
      for (const row of rows) {
        if (said.delete(toHex(row.root))) {
          if (row.declined_ms !== null) refused.push(row.root)
          continue
        }
        if (outlivesReport(row)) continue
        await this.#forgetCopy(trx, row.root, keeper)
        changed.push(rootOfKey(row.root))
      }
      for (const key of refused) {
        await trx
          .updateTable('copy')
          .set(news.claimedAgain())
          .where('keeper', '=', keeper)
          .where('root', '=', key)
          .execute()
        changed.push(rootOfKey(key))
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

  /**
   * It said so itself: no copy there (any more).
   * @param askedAgoMs when it was asked: what it was said to have since is another copy than the one it spoke of
   */
  async noteAbsent(root: CID, keeper: NodeId, askedAgoMs: number): Promise<void> {
    const { components, time } = this.#parts
    const key = rootKey(root)
    await components.database.transaction().execute(async (trx) => {
      const row = await trx
        .selectFrom('copy')
        .select('claimed_ms')
        .where('keeper', '=', keeper)
        .where('root', '=', key)
        .executeTakeFirst()
      if (row !== undefined && row.claimed_ms > time.nowMs() - askedAgoMs) return
      await this.#forgetCopy(trx, key, keeper)
    })
    this.#tell([root])
  }

  /** What was proven about a copy that went says nothing about one that comes in its place. */
  async #forgetCopy(trx: Kysely<PinningTables>, key: Uint8Array, keeper: NodeId): Promise<void> {
    await trx.deleteFrom('copy').where('keeper', '=', keeper).where('root', '=', key).execute()
    await trx.deleteFrom('proof_word').where('keeper', '=', keeper).where('root', '=', key).execute()
  }

  async noteDeclined(root: CID, keeper: NodeId): Promise<void> {
    await this.noteClaim(root, keeper)
    await this.#copyRow(root, keeper).set(news.declined(this.#parts.time.nowMs()))
    this.#tell([root])
  }

  /** Before the question goes out, so that silence too is remembered. */
  async noteAsked(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set(news.asked(this.#parts.time.nowMs()))
  }

  /** Nothing is known that was not before, but when it is to be asked again. */
  noteUnanswered(root: CID): void {
    this.#tell([root])
  }

  async noteProven(root: CID, keeper: NodeId): Promise<void> {
    await this.noteClaim(root, keeper)
    await this.#copyRow(root, keeper).set(news.proven(this.#parts.time.nowMs()))
    await this.#easeSuspicion(keeper, groupOf(root, this.#parts.roster.k))
    this.#tell([root])
  }

  /** A right answer that came too late to be a proof. */
  async noteLate(root: CID, keeper: NodeId): Promise<void> {
    await this.noteClaim(root, keeper)
    const { late_ms } = await this.#parts.components.database
      .selectFrom('copy')
      .select('late_ms')
      .where('root', '=', rootKey(root))
      .where('keeper', '=', keeper)
      .executeTakeFirstOrThrow()
    await this.#copyRow(root, keeper).set(news.late({ late_ms }, this.#parts.time.nowMs()))
    this.#tell([root])
  }

  /** One wrong answer: this copy is corrupt, and every other of its group there must prove itself anew. */
  async noteWrong(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set(news.wrong(this.#parts.time.nowMs()))
    const group = groupOf(root, this.#parts.roster.k)
    const before = [...this.#suspects.keys()]
      .map((key) => key.split(' '))
      .filter(([node]) => node === keeper)
      .map(([, suspected]) => Number(suspected))
    await this.#suspect(keeper, group)
    if (suspectsKeeper(before, group)) await this.#suspectAll(keeper)
    this.#tell(undefined)
  }

  async noteDoubt(root: CID, keeper: NodeId): Promise<void> {
    await this.#copyRow(root, keeper).set(news.doubted())
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
          // The same receipt read again is no younger, and an older one no news.
          .onConflict((c) =>
            c
              .columns(['root', 'keeper', 'challenger'])
              .doUpdateSet(row)
              .where('proof_word.seq', '<', word.seq)
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
    const suspicion = raised(Number(held.n), options.suspectProofs, time.nowMs())
    if (suspicion === undefined) return
    this.#suspects.set(suspectKey(keeper, group), suspicion)
    const row = { keeper, hash_group: group, right_left: suspicion.rightLeft }
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
    const before = this.#suspects.get(key)
    if (before === undefined) return
    const { database } = this.#parts.components
    const after = eased(before)
    if (after !== undefined) {
      this.#suspects.set(key, after)
      await database
        .updateTable('suspect')
        .set({ right_left: after.rightLeft })
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

  #newRow(key: Uint8Array, keeper: NodeId): CopyRow {
    return claimed(key, keeper, groupOf(rootOfKey(key), this.#parts.roster.k), this.#parts.time.nowMs())
  }

  #copyRow(root: CID, keeper: NodeId): { set(change: Partial<CopyRow>): Promise<void> } {
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

/** A key as the key of a map. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

function suspectKey(keeper: NodeId, group: number): string {
  return `${keeper} ${group}`
}
