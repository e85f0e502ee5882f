// This operator's own list of what is not wanted here, and its undo: the first ContentPolicy. A denial
// holds for every name of the object: both digests, and any codec or version of CID around them. It is
// local state of the index; lists shared between operators come with the moderation package.

import {
  allowed,
  type Clock,
  type ContentName,
  type ContentPolicy,
  type ContentSubject,
  type Decision,
  toHex
} from '@commonhold/core'
import type { Kysely } from 'kysely'
import { indexError } from './index-database.ts'
import type { NodeTables } from './node-tables.ts'
import { ObjectIndex } from './object-index.ts'

export interface Denial {
  /** The name as the operator gave it: a CID or a sha256 in hex. */
  readonly subject: string
  readonly reason: string
  readonly deniedAtMs: number
  /** Its bytes go at once instead of after the hold: a legal order. */
  readonly eraseAtOnce: boolean
}

export interface DenyListInit {
  /** With `nodeMigrations` applied. */
  readonly database: Kysely<NodeTables>
  readonly clock: Pick<Clock, 'wallMs'>
}

/** Carries the change out; whoever denies waits for it. */
export type DenyListener = (subject: ContentName, verdict: 'deny' | 'allow') => Promise<void>

export class LocalDenyList implements ContentPolicy {
  readonly #database: Kysely<NodeTables>
  readonly #index: ObjectIndex
  readonly #clock: Pick<Clock, 'wallMs'>
  readonly #listeners = new Set<DenyListener>()

  constructor(init: DenyListInit) {
    this.#database = init.database
    this.#index = new ObjectIndex(init.database)
    this.#clock = init.clock
  }

  /** Durable and carried out when it resolves. Denying again replaces the reason. */
  async deny(name: ContentName, reason: string, eraseAtOnce: boolean = false): Promise<Denial> {
    const deniedAtMs = Math.round(this.#clock.wallMs())
    const denial: Denial = { subject: textOf(name), reason, deniedAtMs, eraseAtOnce }
    const names = await this.#namesOf(subjectOf(name))
    try {
      await this.#database.transaction().execute(async (transaction) => {
        await transaction.deleteFrom('denials').where('subject', '=', denial.subject).execute()
        const { id } = await transaction
          .insertInto('denials')
          .values({ ...denial, eraseAtOnce: eraseAtOnce ? 1 : 0 })
          .returning('id')
          .executeTakeFirstOrThrow()
        const rows = names.map((digest) => ({ denial: id, digest }))
        await transaction.insertInto('denied_names').values(rows).execute()
      })
    } catch (err) {
      throw indexError(err)
    }
    await this.#tell(name, 'deny')
    return denial
  }

  /** Takes back every denial of this object, by whichever of its names it was made; whether there was one. */
  async undo(name: ContentName): Promise<boolean> {
    const names = await this.#namesOf(subjectOf(name))
    const { numDeletedRows } = await this.#database
      .deleteFrom('denials')
      .where('id', 'in', (query) =>
        query.selectFrom('denied_names').select('denial').where('digest', 'in', names)
      )
      .executeTakeFirst()
    if (numDeletedRows === 0n) return false
    await this.#tell(name, 'allow')
    return true
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
