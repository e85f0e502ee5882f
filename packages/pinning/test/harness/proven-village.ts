// A small pool in which every object is at every operator and proven by every other: where a test of liars and
// of silence begins. Weeks are long, so greetings and looks are rare there; the delays of proofs are the defaults.

import assert from 'node:assert/strict'
import type { CID } from 'multiformats/cid'
import type { KeepingOptions } from '../../src/keep/keeping-options.ts'
import { type House, Village } from './village.ts'

export const hourMs = 3_600_000
export const dayMs: number = 24 * hourMs

const keeping: Partial<KeepingOptions> = {
  presenceIntervalMs: 6 * hourMs,
  tickMs: hourMs,
  // What it adds is known: at most itself.
  proofGatherMs: 0,
  // Reviews find what is due; the round and the sweep would only be paid for.
  roundIntervalMs: 90 * dayMs,
  collectIntervalMs: 90 * dayMs
}

export interface ProvenVillage {
  readonly village: Village
  readonly roots: readonly CID[]
}

export async function provenVillage(
  seed: number,
  objects: number,
  options: Partial<KeepingOptions> = {}
): Promise<ProvenVillage> {
  const village = await Village.of(3, seed, {
    keeping: { ...keeping, ...options },
    sync: { syncIntervalMs: dayMs }
  })
  const author = village.house(0)
  for (let i = 0; i < objects; i++) {
    const text = new TextEncoder().encode(`picture ${i} of ${seed}`)
    for (const house of village.nodes.slice(1)) house.disk.put(text, 'repair')
    village.roots.push(author.disk.put(text))
  }
  await village.during(
    Promise.all(
      village.roots.map((root) => author.pool.want({ root, size: 20, copiesMin: 3, visibility: 'public' }))
    )
  )
  await until(village, hourMs, dayMs, async () => {
    const records = village.nodes.flatMap((house) =>
      othersThan(house).map((other) => house.pool.keeperRecord(other.id))
    )
    return (await Promise.all(records)).every(({ right }) => right >= objects)
  })
  return { village, roots: village.roots }
}

export function othersThan(house: House): House[] {
  return house.village.nodes.filter((other) => other !== house)
}

/** The same as `Village.until`, in steps of a length that weeks can afford. */
export async function until(
  village: Village,
  stepMs: number,
  maxMs: number,
  is: () => Promise<boolean>
): Promise<void> {
  for (let passedMs = 0; !(await is()); passedMs += stepMs) {
    assert.ok(passedMs < maxMs, `not within ${maxMs} ms (seed ${village.seed})\n${await village.describe()}`)
    await village.run(stepMs)
  }
}

/** Since when this keeper is accused, by whoever did so first; monotonic. */
export async function accusedMs(liar: House): Promise<number | undefined> {
  const records = await Promise.all(othersThan(liar).map((house) => house.pool.keeperRecord(liar.id)))
  const ages = records.flatMap(({ lastWrong }) => lastWrong?.ageMs ?? [])
  return ages.length === 0 ? undefined : liar.village.clock.monotonicMs() - Math.max(...ages)
}

/** What one node takes another's copy for. */
export async function holderOf(judge: House, root: CID, keeper: House): Promise<string | undefined> {
  const status = await judge.pool.status(root)
  return status?.holders.find(({ node }) => node === keeper.id)?.state
}
