// A roster entry with the names it goes by in text, made once: a roster of ten thousand members is evaluated anew
// on every change, and most of that was spelling the same keys again.

import { type NodeId, nodeIdOf, type OperatorId, operatorIdOf, type Signed, toHex } from '@commonhold/core'
import type { Name } from '../name-set.ts'
import type { RosterEntry } from './roster-entries.ts'

/** Within one kind the newest entry of a signer about a subject replaces the older ones. */
type Kind = 'self' | 'delegate' | 'vouch' | 'act' | 'amend'

export interface NotedEntry {
  readonly entry: Signed<RosterEntry>
  readonly hash: Name
  /** Key in hex. */
  readonly signer: string
  readonly operator: OperatorId
  readonly kind: Kind
  readonly subject: string
  /** Whom it is about, when that is another operator. */
  readonly about?: OperatorId
  /** Which node it delegates to. */
  readonly node?: NodeId
}

export function noted(entry: Signed<RosterEntry>): NotedEntry {
  const { act } = entry.body
  const hash = toHex(entry.hash)
  const signer = toHex(entry.signer)
  const names = { entry, hash, signer, operator: operatorIdOf(entry.signer) }
  switch (act.is) {
    case 'join':
    case 'leave':
      return { ...names, kind: 'self', subject: '' }
    case 'delegate':
      return { ...names, kind: 'delegate', subject: toHex(act.node), node: nodeIdOf(act.node) }
    case 'vouch':
      return { ...names, kind: 'vouch', subject: toHex(act.operator), about: operatorIdOf(act.operator) }
    case 'admit':
    case 'remove':
      return { ...names, kind: 'act', subject: hash, about: operatorIdOf(act.operator) }
    case 'revoke':
      return { ...names, kind: 'act', subject: hash }
    case 'amend':
      return { ...names, kind: 'amend', subject: hash }
    default:
      throw new Error('a roster entry about nothing')
  }
}

/** Newest first: higher seq, then lower hash. */
export function compareNewest(a: NotedEntry, b: NotedEntry): number {
  return b.entry.body.seq - a.entry.body.seq || (a.hash < b.hash ? -1 : a.hash === b.hash ? 0 : 1)
}
