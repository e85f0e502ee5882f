// The pin set as its readers see it: the union of all binding wishes, by root, by digest, by group, and
// the cut up to which it is complete. Who fills it is `indexed-wanted.ts`.

import type { AbortOptions } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { WantedObject } from './wish.ts'

/** Hash of a journal's opening record, 64 hex digits. */
export type JournalId = string

/** How far somebody has read: for each journal the seq up to which nothing is missing. */
export type Cut = ReadonlyMap<JournalId, number>

export interface Wanted {
  /** Absent when nobody's binding wish names it. */
  get(root: CID): Promise<WantedObject | undefined>
  /** By the plain sha2-256 of the file. When several objects claim it, the first in order of roots. */
  byDigest(digest: Uint8Array): Promise<WantedObject | undefined>
  /** In byte order of the digest of the root. Sees changes made while it runs, or not. */
  inGroup(group: number, options?: AbortOptions): AsyncIterable<WantedObject>
  /** Page of all objects in order of roots, after the given one. */
  list(after?: CID, limit?: number): Promise<readonly WantedObject[]>
  /** Those of these that are wanted, in no particular order. */
  some(roots: readonly CID[]): Promise<readonly WantedObject[]>
  count(): Promise<number>
  /** All objects and the bytes of their files, kept as they change. */
  total(): Promise<{ objects: number; bytes: number }>
  cut(): Promise<Cut>
  /**
   * Why the pin set may lack a wish known to exist: a journal imported but never seen, a batch whose
   * ancestors are missing. Empty when complete; collection must not run otherwise.
   */
  gaps(): Promise<readonly string[]>
  /**
   * After a change is durable and readable; `undefined` when too much changed to name (roster, rebuild).
   * Returns how to stop listening.
   */
  onChange(listener: (roots: readonly CID[] | undefined) => void): () => void
}
