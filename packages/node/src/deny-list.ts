// This operator's own list of what is not wanted here, and its undo: the first ContentPolicy. A denial
// holds for every name of the object: both digests, and any codec or version of CID around them. The truth is a
// record log; the index holds what follows from it, for the doors. Lists shared between operators come with the
// moderation package. Normative format: docs/protocol/data-folder.md, "Denials".

import { isDeepStrictEqual } from 'node:util'
import {
  allowed,
  type Clock,
  type ContentName,
  type ContentPolicy,
  type ContentSubject,
  type Decision,
  decodeRecord,
  encodeRecord,
  type RecordType,
  toHex
} from '@commonhold/core'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { indexError } from './index-database.ts'
import type { NodeTables } from './node-tables.ts'
import { ObjectIndex } from './object-index.ts'
import type { FileRecordLog, FileRecordLogs } from './record-log.ts'

export interface Denial {
  /** The name as the operator gave it: a CID or a sha256 in hex. */
  readonly subject: string
  readonly reason: string
  readonly deniedAtMs: number
  /** Its bytes go at once instead of after the hold: a legal order. */
  readonly eraseAtOnce: boolean
}

/** One record of the log. `allow` names the denials that ended, by the subjects they were made with. */
type Entry =
  | (Denial & {
      readonly kind: 'deny'
      /** Every digest the object was known by then: the index that knew may be gone when this is read. */
      readonly names: readonly Uint8Array[]
    })
  | { readonly kind: 'allow'; readonly subjects: readonly string[] }

const logName = 'denials'
const subjectField = z.string().min(1).max(256)
const digestField = z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= 128)

const entryType: RecordType<Entry> = {
  kind: 'denial',
  bytesMax: 1024 * 1024,
  schema: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('deny'),
      subject: subjectField,
      reason: z.string(),
      deniedAtMs: z.int(),
      eraseAtOnce: z.boolean(),
      names: z.array(digestField).min(1)
    }),
    z.strictObject({ kind: z.literal('allow'), subjects: z.array(subjectField).min(1) })
  ])
}

export interface DenyListInit {
  /** With `nodeMigrations` applied. */
  readonly database: Kysely<NodeTables>
  readonly logs: Pick<FileRecordLogs, 'open'>
  readonly clock: Pick<Clock, 'wallMs'>
}

/** Carries the change out; whoever denies waits for it. */
export type DenyListener = (subject: ContentName, verdict: 'deny' | 'allow') => Promise<void>

export class LocalDenyList implements ContentPolicy, AsyncDisposable {
  readonly #database: Kysely<NodeTables>
  readonly #index: ObjectIndex
  readonly #log: FileRecordLog
  readonly #clock: Pick<Clock, 'wallMs'>
  readonly #listeners = new Set<DenyListener>()
  /** In the index in the order of the log. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor({ database, clock }: DenyListInit, log: FileRecordLog) {
    this.#database = database
    this.#index = new ObjectIndex(database)
    this.#log = log
    this.#clock = clock
  }

  /** Everything that was denied is denied when it resolves, also by an index made anew. @throws as `FileRecordLogs.open` */
  static async open(init: DenyListInit): Promise<LocalDenyList> {
    const list = new LocalDenyList(init, await init.logs.open(logName))
    try {
      await list.#restore()
      return list
    } catch (err) {
      await list[Symbol.asyncDispose]()
      throw err
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    await this.#log[Symbol.asyncDispose]()
  }

  /** Durable and carried out when it resolves. Denying again replaces the reason. */
  async deny(name: ContentName, reason: string, eraseAtOnce: boolean = false): Promise<Denial> {
    const deniedAtMs = Math.round(this.#clock.wallMs())
    const denial: Denial = { subject: textOf(name), reason, deniedAtMs, eraseAtOnce }
    await this.#inOrder(async () => {
      const names = await this.#namesOf(subjectOf(name))
      await this.#write({ kind: 'deny', ...denial, names })
    })
    await this.#tell(name, 'deny')
    return denial
  }

  /** Takes back every denial of this object, by whichever of its names it was made; whether there was one. */
  async undo(name: ContentName): Promise<boolean> {
    const done = await this.#inOrder(async () => {
      const names = await this.#namesOf(subjectOf(name))
      const rows = await this.#database
        .selectFrom('denials')
        .innerJoin('denied_names', 'denied_names.denial', 'denials.id')
        .select('denials.subject')
        .distinct()
        .where('denied_names.digest', 'in', names)
        .execute()
      if (rows.length === 0) return false
      await this.#write({ kind: 'allow', subjects: rows.map(({ subject }) => subject) })
      return true
    })
    if (done) await this.#tell(name, 'allow')
    return done
  }

  /** Oldest first. */
  async list(): Promise<readonly Denial[]> {
    const rows = await this.#database
      .selectFrom('denials')
      .select(['subject', 'reason', 'deniedAtMs', 'eraseAtOnce'])
      .orderBy('id')
      .execute()
    return rows.map((row) => ({ ...row, eraseAtOnce: row.eraseAtOnce === 1 }))
  }

  async decide(subject: ContentSubject): Promise<Decision> {
    const names = await this.#namesOf(subject)
    if (names.length === 0) return allowed
    const denials = await this.#database
      .selectFrom('denials')
      .innerJoin('denied_names', 'denied_names.denial', 'denials.id')
      .select(['denials.id', 'denials.reason', 'denials.eraseAtOnce'])
      .distinct()
      .where('denied_names.digest', 'in', names)
      .orderBy('denials.id')
      .execute()
    if (denials.length === 0) return allowed
    return {
      verdict: 'deny',
      reasons: denials.map((each) => `denied by this node's operator: ${each.reason}`),
      eraseAtOnce: denials.some((each) => each.eraseAtOnce === 1)
    }
  }

  /** @returns a function that ends it. */
  onChange(listener: DenyListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Every digest the object goes by: as given, and as the index knows. A multihash is the same in every
   * spelling of a CID, so comparing digests covers raw, dag-pb, version 0 and any base.
   */
  async #namesOf(subject: ContentSubject): Promise<Uint8Array[]> {
    const given = [subject.root?.multihash.digest, subject.digest].filter((each) => each !== undefined)
    const names = new Map(given.map((digest) => [toHex(digest), digest]))
    for (const digest of given) {
      for (const object of await this.#index.findAllNamed(digest)) {
        for (const each of [object.root.multihash.digest, object.digest]) {
          if (each !== undefined) names.set(toHex(each), each)
        }
      }
    }
    return [...names.values()]
  }

  /** The log first: what the index misses after a crash, the next start brings to it. */
  async #write(entry: Entry): Promise<void> {
    await this.#log.append([encodeRecord(entry)])
    await this.#note([entry])
  }

  async #note(entries: readonly Entry[], anew = false): Promise<void> {
    try {
      await this.#database.transaction().execute(async (transaction) => {
        if (anew) await transaction.deleteFrom('denials').execute()
        for (const entry of entries) {
          const subjects = entry.kind === 'deny' ? [entry.subject] : entry.subjects
          await transaction.deleteFrom('denials').where('subject', 'in', subjects).execute()
          if (entry.kind === 'allow') continue
          const { subject, reason, deniedAtMs, eraseAtOnce, names } = entry
          const { id } = await transaction
            .insertInto('denials')
            .values({ subject, reason, deniedAtMs, eraseAtOnce: eraseAtOnce ? 1 : 0 })
            .returning('id')
            .executeTakeFirstOrThrow()
          const rows = names.map((digest) => ({ denial: id, digest }))
          await transaction.insertInto('denied_names').values(rows).execute()
        }
      })
    } catch (err) {
      throw indexError(err)
    }
  }

  /** What the log comes to, into an index that says otherwise. */
  async #restore(): Promise<void> {
    const inForce = new Map<string, Entry & { kind: 'deny' }>()
    for await (const bytes of this.#log.records()) {
      const entry = decodeRecord(entryType, bytes)
      for (const subject of entry.kind === 'deny' ? [entry.subject] : entry.subjects) inForce.delete(subject)
      if (entry.kind === 'deny') inForce.set(entry.subject, entry)
    }
    const truth = [...inForce.values()]
    const known = await this.list()
    const same =
      known.length === truth.length &&
      truth.every(({ subject, reason, deniedAtMs, eraseAtOnce }, i) =>
        isDeepStrictEqual(known[i], { subject, reason, deniedAtMs, eraseAtOnce })
      )
    if (!same) await this.#note(truth, true)
  }

  async #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {
      // Told to whoever asked.
    })
    return await done
  }

  async #tell(name: ContentName, verdict: 'deny' | 'allow'): Promise<void> {
    for (const listener of this.#listeners) await listener(name, verdict)
  }
}

function subjectOf(name: ContentName): ContentSubject {
  return name.kind === 'cid' ? { root: name.cid } : { digest: name.digest }
}

function textOf(name: ContentName): string {
  return name.kind === 'cid' ? name.cid.toString() : toHex(name.digest)
}
