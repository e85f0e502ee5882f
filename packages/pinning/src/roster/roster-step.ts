// What a roster means after one operator said something about itself or its nodes: most changes are that, and in
// a pool of ten thousand evaluating everybody anew for each would cost a tenth of a second. The same as `evaluate`
// gives for all entries, which is what happens to changes of any other kind. Pure.

import type { NodeId, OperatorId } from '@commonhold/core'
import type { NotedEntry } from './noted-entry.ts'
import {
  authorOf,
  type DelegationState,
  delegationsOf,
  type OperatorState,
  type RosterState,
  selfDescriptions,
  vouchesNeeded
} from './roster-state.ts'

/**
 * @param before what one signer's entries were, and what they are now
 * @param all everybody's entries as they are now
 * @returns nothing when it takes an evaluation of all of them
 */
export function step(
  state: RosterState,
  before: readonly NotedEntry[],
  now: readonly NotedEntry[],
  all: readonly NotedEntry[]
): RosterState | undefined {
  const stayed = new Set(before.filter((one) => now.includes(one)))
  const changed = [...before, ...now].filter((one) => !stayed.has(one))
  const [first] = changed
  if (first === undefined) return state
  if (changed.some(({ kind }) => kind !== 'self' && kind !== 'delegate')) return undefined

  const operator = operatorAfter(state, first.operator, now, all)
  if (operator === 'all') return undefined
  const isNew = operator !== undefined && !state.operators.has(operator.id)
  const operators = operator === undefined ? state.operators : withKey(state.operators, operator.id, operator)
  const authors = new Set(state.authors)
  for (const { node, operator: id } of changed) if (node !== undefined) authors.delete(authorOf(id, node))
  for (const { node, operator: id } of now) if (node !== undefined) authors.add(authorOf(id, node))
  // What an operator delegated before it was here counts from now on.
  const nodes = new Set((isNew ? now : changed).flatMap(({ node }) => node ?? []))
  const delegations = delegationsAfter(state.delegations, nodes, all, operators)
  return { ...state, operators, delegations, authors }
}

/** Absent for one that is not in the pool. `all`: others may count or not because of it. */
function operatorAfter(
  state: RosterState,
  id: OperatorId,
  now: readonly NotedEntry[],
  all: readonly NotedEntry[]
): OperatorState | undefined | 'all' {
  const self = selfDescriptions(now).get(id)
  const known = state.operators.get(id)
  if (self === undefined || state.removed.has(id)) return known
  if (known !== undefined) {
    const { domain: _, ...same } = known
    return { ...same, ...self }
  }
  // Neither an administrator nor admitted, or it would have been here before it joined.
  const { admission, pinBytesMax } = state.charter.policy
  const vouched = all.filter(({ entry, operator: voucher, about }) => {
    const { act } = entry.body
    const counts = state.operators.get(voucher)?.counted === true
    return act.is === 'vouch' && act.stands && about === id && voucher !== id && counts
  })
  if (admission === 'vouch' && vouched.length >= vouchesNeeded) return 'all'
  const counted = admission === 'open'
  return { id, ...self, administrator: false, counted, pinBytesMax: counted ? pinBytesMax : 0 }
}

function delegationsAfter(
  before: ReadonlyMap<NodeId, DelegationState>,
  nodes: ReadonlySet<NodeId>,
  all: readonly NotedEntry[],
  operators: ReadonlyMap<OperatorId, OperatorState>
): ReadonlyMap<NodeId, DelegationState> {
  if (nodes.size === 0) return before
  const about = all.filter(({ node }) => node !== undefined && nodes.has(node))
  const after = delegationsOf(about, operators)
  let delegations = before
  for (const node of nodes) {
    const now = after.get(node)
    if (now !== undefined) delegations = withKey(delegations, node, now)
    else delegations = new Map([...delegations].filter(([other]) => other !== node))
  }
  return delegations
}

/** A sorted map with this in it. */
function withKey<K extends string, V>(map: ReadonlyMap<K, V>, key: K, value: V): Map<K, V> {
  if (map.has(key)) return new Map(map).set(key, value)
  const entries = [...map]
  const at = entries.findIndex(([other]) => other > key)
  entries.splice(at === -1 ? entries.length : at, 0, [key, value])
  return new Map(entries)
}
