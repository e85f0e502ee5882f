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
}

export interface DenyListInit {
  /** With `nodeMigrations` applied. */
  readonly database: Kysely<NodeTables>
  readonly clock: Pick<Clock, 'wallMs'>
}

export type DenyListener = (subject: ContentName, verdict: 'deny' | 'allow') => void

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

  /** Durable when it resolves. Denying again replaces the reason. */
  async deny(name: ContentName, reason: string): Promise<Denial> {
    const denial: Denial = { subject: textOf(name), reason, deniedAtMs: Math.round(this.#clock.wallMs()) }
    const names = await this.#namesOf(subjectOf(name))
    try {
      await this.#database.transaction().execute(async (transaction) => {
        await transaction.deleteFrom('denials').where('subject', '=', denial.subject).execute()
        const { id } = await transaction
          .insertInto('denials')
          .values({ ...denial })
          .returning('id')
          .executeTakeFirstOrThrow()
        const rows = names.map((digest) => ({ denial: id, digest }))
        await transaction.insertInto('denied_names').values(rows).execute()
      })
    } catch (err) {
      throw indexError(err)
    }
    this.#tell(name, 'deny')
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
    this.#tell(name, 'allow')
    return true
  }

  /** Oldest first. */
  async list(): Promise<readonly Denial[]> {
    return this.#database
      .selectFrom('denials')
      .select(['subject', 'reason', 'deniedAtMs'])
      .orderBy('id')
      .execute()
  }

  async decide(subject: ContentSubject): Promise<Decision> {
    const names = await this.#namesOf(subject)
    if (names.length === 0) return allowed
    const denials = await this.#database
      .selectFrom('denials')
      .innerJoin('denied_names', 'denied_names.denial', 'denials.id')
      .select(['denials.id', 'denials.reason'])
      .distinct()
      .where('denied_names.digest', 'in', names)
      .orderBy('denials.id')
      .execute()
    if (denials.length === 0) return allowed
    return {
      verdict: 'deny',
      reasons: denials.map((each) => `denied by this node's operator: ${each.reason}`)
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

  #tell(name: ContentName, verdict: 'deny' | 'allow'): void {
    for (const listener of this.#listeners) listener(name, verdict)
  }
}

function subjectOf(name: ContentName): ContentSubject {
  return name.kind === 'cid' ? { root: name.cid } : { digest: name.digest }
}

function textOf(name: ContentName): string {
  return name.kind === 'cid' ? name.cid.toString() : toHex(name.digest)
}
