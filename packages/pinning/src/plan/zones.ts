// Where copies stand. A zone (a provider, a city) can go at once with all that is in it, so of one object at most
// `copiesMin` − 1 copies are put into one zone, as long as another zone can take the next. Pure, and by what the
// signed roster says alone. A member of unknown zone stands for itself.

import type { OperatorId } from '@commonhold/core'

interface Placed {
  readonly operator: OperatorId
  readonly zone?: string
}

/** How many copies of one zone count. A single copy cannot be spread. */
export function zoneMaxOf(copiesMin: number): number {
  return copiesMin > 1 ? copiesMin - 1 : 1
}

export interface Spread<T> {
  /** In the order given: none is one too many of its zone, given those before it and what was taken already. */
  readonly first: readonly T[]
  /** The others: for when there is nobody else. */
  readonly crowded: readonly T[]
}

export function spreadOver<T extends Placed>(
  members: readonly T[],
  zoneMax: number,
  taken: readonly Placed[] = []
): Spread<T> {
  if (members.every((member) => member.zone === undefined)) return { first: members, crowded: [] }
  const counts = countsOf(taken)
  const first: T[] = []
  const crowded: T[] = []
  for (const member of members) {
    const count = countIn(counts, member.zone)
    if (count >= zoneMax) crowded.push(member)
    else {
      first.push(member)
      if (member.zone !== undefined) counts.set(member.zone, count + 1)
    }
  }
  return { first, crowded }
}

/**
 * How many copies these are worth: those beyond `zoneMax` of a zone are worth nothing while somebody stands
 * elsewhere who could have one instead.
 * @param able who could have a copy; holders among them are passed over
 */
export function worthOf(copies: readonly Placed[], able: readonly Placed[], zoneMax: number): number {
  const counts = countsOf(copies)
  let surplus = 0
  for (const count of counts.values()) surplus += Math.max(0, count - zoneMax)
  if (surplus === 0) return copies.length
  const elsewhere = able.some(
    (member) =>
      countIn(counts, member.zone) < zoneMax && copies.every((copy) => copy.operator !== member.operator)
  )
  return elsewhere ? copies.length - surplus : copies.length
}

function countsOf(placed: readonly Placed[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { zone } of placed) if (zone !== undefined) counts.set(zone, countIn(counts, zone) + 1)
  return counts
}

function countIn(counts: ReadonlyMap<string, number>, zone: string | undefined): number {
  return zone === undefined ? 0 : (counts.get(zone) ?? 0)
}
