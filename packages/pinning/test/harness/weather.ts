// A random life for a village: outages, stops, partitions, restarts, new disks, puts and unpins, drawn from
// the seed. At the end everything heals, and what must then be true is checked.

import assert from 'node:assert/strict'
import type { CID } from 'multiformats/cid'
import { Village } from './village.ts'

export interface Weather {
  readonly nodes: number
  readonly hours: number
  /** Nodes that may be away at one time; with one fewer than the copies, nothing may ever be lost. */
  readonly awayMax: number
  /** Time between greetings; a tick is a sixth of it. Longer makes long lives affordable. */
  readonly presenceIntervalMs: number
}

export async function live(
  seed: number,
  { nodes, hours, awayMax, presenceIntervalMs }: Weather
): Promise<Village> {
  const village = await Village.of(nodes, seed, {
    keeping: { presenceIntervalMs, tickMs: presenceIntervalMs / 6 },
    sync: { syncIntervalMs: presenceIntervalMs }
  })
  const dice = (n: number): number => Math.floor(village.random.unit() * n)
  const wanted = new Set<CID>()
  const away = new Set<number>()
  let parted = false
  const put = async (): Promise<void> => {
    const house = village.house(dice(nodes))
    if (!house.alive || village.wires.isStopped(house.id)) return
    const { root } = await house.put(`object ${village.roots.length} of ${seed}`)
    wanted.add(root)
  }
  for (let i = 0; i < 3; i++) await put()
  await village.run(1_800_000)
  const endMs = village.clock.monotonicMs() + hours * 3_600_000
  while (village.clock.monotonicMs() < endMs) {
    const index = dice(nodes)
    const house = village.house(index)
    switch (dice(6)) {
      case 0:
        if (!away.has(index) && away.size < awayMax) {
          house.kill()
          away.add(index)
        }
        break
      case 1:
        if (!away.has(index) && away.size < awayMax) {
          village.wires.stop(house.id)
          away.add(index)
        }
        break
      case 2:
      case 3: {
        const back = [...away][dice(away.size)]
        if (back === undefined) break
        away.delete(back)
        const returning = village.house(back)
        village.wires.resume(returning.id)
        if (!returning.alive) await returning.restart()
        break
      }
      case 4:
        if (away.size === 0) {
          parted = !parted
          if (parted) village.wires.part(new Map([[house.id, 1]]))
          else village.wires.heal()
        }
        break
      default:
        if (!parted && away.size === 0) await put()
    }
    await village.run(120_000 + dice(3_000_000))
  }
  village.wires.heal()
  for (const index of away) {
    const house = village.house(index)
    village.wires.resume(house.id)
    if (!house.alive) await house.restart()
  }
  await village.until(
    'after everything healed, at least three true copies of everything',
    () => [...wanted].every((root) => village.holders(root).size >= 3),
    6 * 3_600_000
  )
  await village.until(
    'and everybody knows it',
    async () => {
      for (const root of wanted) {
        for (const house of village.nodes) {
          const status = await house.pool.status(root)
          if (status === undefined || status.copiesLive < 3) return false
          const truth = village.holders(root).size
          assert.ok(
            status.copiesLive <= truth + 1,
            `${status.copiesLive} counted, ${truth} there (seed ${seed})`
          )
        }
      }
      return true
    },
    6 * 3_600_000
  )
  return village
}
