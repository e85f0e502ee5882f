// The question every door asks before it stores, serves, provides, proves or repairs. The answer is
// this operator's own decision; who may influence it is the policy's matter, not the door's.

import type { CID } from 'multiformats/cid'

export type Verdict = 'allow' | 'quarantine' | 'deny'

export interface Decision {
  verdict: Verdict
  /** Human sentences, most important first; empty for `allow`. */
  reasons: readonly string[]
  /** With `deny`: stored bytes are not held back for an undo but erased now, as a legal order asks. */
  eraseAtOnce?: boolean
}

/** All the names by which the asker knows the object. At least one is given. */
export interface ContentSubject {
  root?: CID
  /** Plain sha2-256 of the whole file, 32 bytes. */
  digest?: Uint8Array
}

export interface ContentPolicy {
  decide(subject: ContentSubject): Promise<Decision>
}

export const allowed: Decision = Object.freeze({ verdict: 'allow', reasons: [] })

/** For nodes without any list, and for tests of other things. */
export const allowEverything: ContentPolicy = { decide: async () => allowed }
