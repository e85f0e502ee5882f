// Reports: what a keeper says it holds, told relative to the pin set ("everything wanted with at least
// so many copies, less these, plus those"), so that a full keeper of a million objects says it in a few
// bytes per group; a hash over all that is held shows whether both mean the same pin set. A report is a claim and makes no live copy.
// Told by pull: a greeting says that there is news, the reader asks for it. Normative: docs/protocol/reports.md.

import { createHash } from 'node:crypto'
import { type AbortOptions, type NodeId, OperatingError, type RecordType, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import type { HeldObject } from '../components.ts'
import { within } from '../deadline.ts'
import type { RequestType } from '../dialogue.ts'
import { bytesField, hashField, sameBytes, seqField } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { groupOf, keysOf, rootKey, rootKeyBytes } from '../root-key.ts'
import type { Census } from './census.ts'

/** "I hold every object of this group wanted with at least `copiesMinFrom`, less `except`, plus `plus`." */
export interface GroupReport {
  group: number
  /** `nothingWanted` and above name no object: then `plus` is the whole list. */
  copiesMinFrom: number
  /** Keys of roots (digest, then codec), sorted. */
  except: Uint8Array[]
  plus: Uint8Array[]
  /** sha2-256 over the sorted keys of all that is held: what the reader must arrive at. */
  setHash: Uint8Array
}

/** More than any pin can ask for. */
export const nothingWanted = 33

export interface Report {
  storeEpoch: Uint8Array
  run: Uint8Array
  /** Everything up to this change is told; `more` when there is more to ask for. */
  seq: number
  more: boolean
  groups: GroupReport[]
}

export interface ReportQuestion {
  run: Uint8Array
  /** Tell changes after this one; from the beginning when `run` is not the keeper's. */
  after: number
  /** Instead: these groups, as full lists, because the short form did not add up. */
  explicit: number[]
}

const keyField: z.ZodType<Uint8Array> = bytesField(rootKeyBytes).refine(
  (b) => b.length === rootKeyBytes,
  'not a key'
)
const runField: z.ZodType<Uint8Array> = bytesField(32)
const countField: z.ZodType<number> = seqField.or(z.literal(0))
const groupField: z.ZodType<number> = z.int().min(0).max(0xffff)
/** Bounds of the format; how much one answer really holds is the writer's `reportBytesMax`. */
const groupsMax = 4096
const listMax = 65_536

export const reportRequest: RequestType<ReportQuestion, Report> = {
  name: 'report/2',
  request: {
    kind: 'report-question',
    bytesMax: 8192,
    schema: z.strictObject({ run: runField, after: countField, explicit: z.array(groupField).max(64) })
  },
  answer: {
    kind: 'report',
    bytesMax: 3 * 1024 * 1024,
    schema: z.strictObject({
      storeEpoch: bytesField(32),
      run: runField,
      seq: countField,
      more: z.boolean(),
      groups: z
        .array(
          z.strictObject({
            group: groupField,
            copiesMinFrom: z.int().min(1).max(nothingWanted),
            except: z.array(keyField).max(listMax),
            plus: z.array(keyField).max(listMax),
            setHash: hashField
          })
        )
        .max(groupsMax)
    })
  } satisfies RecordType<Report>
}

/** An object of the pin set, as far as reports are concerned. */
export interface ReportedWish {
  readonly key: Uint8Array
  readonly copiesMin: number
}

/**
 * The shortest way to say which keys are held, given what is wanted.
 * @param held keys, sorted by bytes
 */
export function writeGroup(
  group: number,
  wanted: readonly ReportedWish[],
  held: readonly Uint8Array[]
): GroupReport {
  const holds = new Set(held.map(toHex))
  const thresholds = [...new Set(wanted.map((wish) => wish.copiesMin)), nothingWanted]
  const forms = thresholds.map((copiesMinFrom) => {
    const meant = wanted.filter((wish) => wish.copiesMin >= copiesMinFrom)
    const named = new Set(meant.map((wish) => toHex(wish.key)))
    return {
      copiesMinFrom,
      except: meant.map((wish) => wish.key).filter((key) => !holds.has(toHex(key))),
      plus: held.filter((key) => !named.has(toHex(key)))
    }
  })
  const best = forms.reduce((a, b) =>
    b.except.length + b.plus.length < a.except.length + a.plus.length ? b : a
  )
  return { group, ...best, setHash: setHashOf(held) }
}

/** What a group report says is held, or `undefined` when it does not add up with our own pin set. */
export function readGroup(report: GroupReport, wanted: readonly ReportedWish[]): Uint8Array[] | undefined {
  const keys = new Map<string, Uint8Array>()
  for (const wish of wanted) if (wish.copiesMin >= report.copiesMinFrom) keys.set(toHex(wish.key), wish.key)
  for (const key of report.except) keys.delete(toHex(key))
  for (const key of report.plus) keys.set(toHex(key), key)
  const held = [...keys.values()].sort((a, b) => Buffer.compare(a, b))
  return sameBytes(setHashOf(held), report.setHash) ? held : undefined
}

export function setHashOf(keys: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256')
  for (const key of keys) hash.update(key)
  return new Uint8Array(hash.digest())
}

/** Rows per statement: four parameters each, far below SQLite's bound of 32,766. */
const heldPerInsert = 512

/** How our copy came here, and whether the DHT knows of it. */
export interface Noted {
  readonly origin: 'upload' | 'repair'
  readonly provided: boolean
}

/** How far we have read one keeper. */
interface Reading {
  run: Uint8Array
  after: number
  busy: boolean
  /** Groups told in this run so far; gone when the first reading of it is complete. */
  told: Set<number> | undefined
  /** News came while we were reading. */
  again: boolean
}

export class Reports {
  readonly run: Uint8Array
  readonly #parts: KeepingParts
  readonly #census: Census
  readonly #sync: (member: NodeId, options: AbortOptions) => Promise<void>
  readonly #changedAt = new Map<number, number>()
  readonly #readings = new Map<NodeId, Reading>()
  #seq = 0
  /** Told when our own report has news. */
  onNews: () => void = () => {}

  /** @param sync brings us all that this member knows of the pin set */
  constructor(
    parts: KeepingParts,
    census: Census,
    sync: (member: NodeId, options: AbortOptions) => Promise<void>
  ) {
    this.#parts = parts
    this.#census = census
    this.#sync = sync
    this.run = parts.components.random.bytes(16)
    parts.dialogue.on(reportRequest, (_from, question) => this.#answer(question))
  }

  get seq(): number {
    return this.#seq
  }

  /** What is here is listed once per start; from then on every change is told. */
  async open(): Promise<{ objects: number }> {
    const { components, roster } = this.#parts
    let objects = 0
    await components.database.deleteFrom('held').execute()
    let page: HeldObject[] = []
    const flush = async (): Promise<void> => {
      // Each statement is a commit, and each commit waits for the disk.
      if (page.length > 0) await this.#insert(page)
      objects += page.length
      page = []
    }
    for await (const object of components.objects.roots()) {
      page.push(object)
      if (page.length === heldPerInsert) await flush()
      const group = groupOf(object.root, roster.k)
      if (!this.#changedAt.has(group)) this.#changedAt.set(group, ++this.#seq)
    }
    await flush()
    return { objects }
  }

  async noteHeld(root: CID, origin: 'upload' | 'repair'): Promise<void> {
    await this.#insert([{ root, origin }])
    this.#changed(root)
  }

  async noteGone(root: CID): Promise<void> {
    await this.#parts.components.database.deleteFrom('held').where('root', '=', rootKey(root)).execute()
    this.#changed(root)
  }

  /** How our copy came here and whether the DHT knows; absent when we never noted one. */
  async noted(root: CID): Promise<Noted | undefined> {
    return (await this.notedOf([root])).get(toHex(rootKey(root)))
  }

  /** The same of many, by key in hex. */
  async notedOf(roots: readonly CID[]): Promise<ReadonlyMap<string, Noted>> {
    const rows = await this.#parts.components.database
      .selectFrom('held')
      .select(['root', 'origin', 'provided'])
      .where('root', 'in', keysOf(roots))
      .execute()
    return new Map(
      rows.map(({ root, origin, provided }) => [toHex(root), { origin, provided: provided === 1 }])
    )
  }

  async noteProvided(roots: readonly CID[], provided: boolean): Promise<void> {
    if (roots.length === 0) return
    await this.#parts.components.database
      .updateTable('held')
      .set({ provided: provided ? 1 : 0 })
      .where('root', 'in', keysOf(roots))
      .execute()
  }

  /**
   * The DHT is told no more, before the bytes go: the store forgets with them by which other name they were told.
   * When they stay after all, it is told again as if it had never been.
   */
  async withdraw(root: CID): Promise<void> {
    await this.#parts.components.objects.provide(root, false)
    await this.noteProvided([root], false)
  }

  #changed(root: CID): void {
    this.#changedAt.set(groupOf(root, this.#parts.roster.k), ++this.#seq)
    this.onNews()
  }

  async #insert(objects: readonly Pick<HeldObject, 'root' | 'origin'>[]): Promise<void> {
    const { k } = this.#parts.roster
    await this.#parts.components.database
      .insertInto('held')
      .values(
        objects.map(({ root, origin }) => ({
          root: rootKey(root),
          hash_group: groupOf(root, k),
          origin,
          provided: 0
        }))
      )
      .onConflict((c) => c.column('root').doUpdateSet((eb) => ({ origin: eb.ref('excluded.origin') })))
      .execute()
  }

  async #answer(question: ReportQuestion): Promise<Report> {
    const { components, options } = this.#parts
    const report: Report = {
      storeEpoch: components.objects.storeEpoch,
      run: this.run,
      seq: question.after,
      more: false,
      groups: []
    }
    if (question.explicit.length > 0) {
      for (const group of question.explicit) report.groups.push(await this.#group(group, true))
      return report
    }
    const after = sameBytes(question.run, this.run) ? question.after : 0
    report.seq = after
    const news = [...this.#changedAt].filter(([, seq]) => seq > after).sort(([, a], [, b]) => a - b)
    let bytes = 0
    for (const [i, [group, seq]] of news.entries()) {
      const told = await this.#group(group, false)
      report.groups.push(told)
      bytes += 64 + (told.except.length + told.plus.length) * (rootKeyBytes + 2)
      report.seq = seq
      report.more = i + 1 < news.length
      if (bytes >= options.reportBytesMax || report.groups.length >= groupsMax / 2) break
    }
    return report
  }

  async #group(group: number, explicit: boolean): Promise<GroupReport> {
    const { components } = this.#parts
    const rows = await components.database
      .selectFrom('held')
      .select('root')
      .where('hash_group', '=', group)
      .orderBy('root')
      .execute()
    const held = rows.map((row) => row.root)
    return writeGroup(group, explicit ? [] : await this.#wishes(group), held)
  }

  async #wishes(group: number): Promise<ReportedWish[]> {
    const wishes: ReportedWish[] = []
    for await (const wish of this.#parts.wanted.inGroup(group)) {
      wishes.push({ key: rootKey(wish.root), copiesMin: wish.copiesMin })
    }
    return wishes
  }

  /** Reads a keeper's news up to what its greeting named. Silence and refusal are waited out: it greets again. */
  async read(keeper: NodeId, run: Uint8Array, seq: number): Promise<void> {
    const known = this.#readings.get(keeper)
    const reading = known !== undefined && sameBytes(known.run, run) ? known : this.#newReading(keeper, run)
    if (reading.busy) {
      reading.again = true
      return
    }
    if (reading.after >= seq && reading.told === undefined) return
    reading.busy = true
    try {
      do {
        reading.again = false
        while (await this.#readPage(keeper, reading)) {
          // Each page moves `after`; the keeper says when there is no more.
        }
      } while (reading.again)
    } finally {
      reading.busy = false
    }
  }

  #newReading(keeper: NodeId, run: Uint8Array): Reading {
    const reading: Reading = { run, after: 0, busy: false, told: new Set(), again: false }
    this.#readings.set(keeper, reading)
    return reading
  }

  /** Whether there is another page to read now. */
  async #readPage(keeper: NodeId, reading: Reading): Promise<boolean> {
    const report = await this.#ask(keeper, { run: reading.run, after: reading.after, explicit: [] })
    if (!sameBytes(report.run, reading.run)) return false
    for (const group of await this.#takeAll(keeper, report)) reading.told?.add(group)
    const advanced = report.seq > reading.after
    reading.after = Math.max(reading.after, report.seq)
    if (report.more && advanced) return true
    if (reading.told !== undefined) {
      // A new run tells all it holds: groups it did not mention hold nothing any more.
      await this.#census.noteOnlyGroups(keeper, reading.told)
      reading.told = undefined
    }
    return false
  }

  /** Takes each group of a page. Returns which were told. */
  async #takeAll(keeper: NodeId, { storeEpoch, groups }: Report): Promise<number[]> {
    await this.#census.noteKeeper(keeper, storeEpoch)
    const odd: GroupReport[] = []
    for (const told of groups) if (!(await this.#take(keeper, told))) odd.push(told)
    if (odd.length > 0) {
      await this.#catchUp(keeper)
      for (const told of odd) if (!(await this.#take(keeper, told))) await this.#takeList(keeper, told.group)
    }
    return groups.map(({ group }) => group)
  }

  /** Whether it adds up with our pin set, and was taken. */
  async #take(keeper: NodeId, told: GroupReport): Promise<boolean> {
    const held = readGroup(told, await this.#wishes(told.group))
    if (held === undefined) return false
    await this.#note(keeper, told.group, held)
    return true
  }

  /** It speaks of wishes we may not know yet; who told us fewer than it knew is asked first. */
  async #catchUp(keeper: NodeId): Promise<void> {
    const { components, options } = this.#parts
    try {
      await within(components.clock, options.proofAnswerMs, (abort) => this.#sync(keeper, abort))
    } catch (err) {
      // Its next greeting brings us back. What it refuses, or we, would be so for ever: its list needs no agreement.
      if (!(err instanceof OperatingError) || err.name === 'UnreachableError') throw err
      components.log.debug('heads could not be exchanged for a report', { keeper, err })
    }
  }

  /** We know more wishes than the keeper, or it is wrong about its own list: the full list needs no agreement. */
  async #takeList(keeper: NodeId, group: number): Promise<void> {
    const full = await this.#ask(keeper, { run: this.run, after: 0, explicit: [group] })
    const told = full.groups.find((candidate) => candidate.group === group)
    const held = told === undefined ? undefined : readGroup(told, [])
    if (held === undefined) {
      this.#parts.components.log.warn('a report does not add up', { keeper, group })
      return
    }
    await this.#note(keeper, group, held)
  }

  async #note(keeper: NodeId, group: number, held: readonly Uint8Array[]): Promise<void> {
    const { k } = this.#parts.roster
    const own = held.filter((key) => groupOfKey(key, k) === group)
    await this.#census.noteGroup(keeper, group, own)
  }

  #ask(keeper: NodeId, question: ReportQuestion): Promise<Report> {
    const { components, dialogue, options } = this.#parts
    return within(components.clock, options.proofAnswerMs, (abort) =>
      dialogue.ask(keeper, reportRequest, question, abort)
    )
  }
}

/** First k bits of the digest a key begins with. */
function groupOfKey(key: Uint8Array, k: number): number {
  return (((key[0] ?? 0) << 8) | (key[1] ?? 0)) >>> (16 - k)
}
