// Collection against a model: three operators that all hold everything want objects, take it back and want them again,
// while nodes die, are cut off and fail to read their own store. What anybody wants is dropped by nobody; what nobody
// wants stays for the grace time and is gone everywhere in the end.
// Seen to fail with unconfirmed heads passed over in `collect.ts`, and with the grace time left out there.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nameOf, rootFor } from './harness/disk.ts'
import { Village } from './harness/village.ts'

const minuteMs = 60_000
const graceMs = 30 * minuteMs
const collectIntervalMs = 5 * minuteMs
const headAgeMsMax = 12 * minuteMs
const texts = ['one', 'two', 'three'] as const
const nodes = 3

type Step =
  | { readonly is: 'want' | 'unwant'; readonly node: number; readonly text: (typeof texts)[number] }
  | { readonly is: 'kill' | 'start' | 'cut' | 'mend' | 'unreadable' | 'readable'; readonly node: number }
  | { readonly is: 'wait'; readonly ms: number }

const node = fc.nat(nodes - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constantFrom('want' as const, 'unwant', 'unwant'),
      node,
      text: fc.constantFrom(...texts)
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constantFrom('kill' as const, 'start', 'cut', 'mend', 'unreadable', 'readable'),
      node
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant('wait' as const),
      ms: fc.integer({ min: minuteMs, max: graceMs })
    })
  }
)

async function play(steps: readonly Step[], seed: number): Promise<void> {
  const village = await Village.of(nodes, seed, {
    keeping: {
      presenceIntervalMs: 2 * minuteMs,
      tickMs: 30_000,
      collectGraceMs: graceMs,
      collectIntervalMs,
      headAgeMsMax
    },
    sync: { syncIntervalMs: 2 * minuteMs }
  })
  const rootOf = (text: string) => rootFor(new TextEncoder().encode(text))
  const wantedBy = new Map<string, Set<number>>(texts.map((text) => [nameOf(rootOf(text)), new Set()]))
  const unwantedMs = new Map<string, number>()
  village.mayDrop = (root) => {
    const sinceMs = unwantedMs.get(nameOf(root))
    return sinceMs !== undefined && village.clock.monotonicMs() - sinceMs >= graceMs
  }
  const away = new Set<number>()
  const back = async (index: number): Promise<void> => {
    if (!away.delete(index)) return
    village.wires.heal()
    if (!village.house(index).alive) await village.house(index).restart()
  }
  try {
    // Everything is everywhere, so that any drop of what is wanted is one too many.
    for (const text of texts) {
      await village.house(0).put(text)
      wantedBy.get(nameOf(rootOf(text)))?.add(0)
    }
    await village.until('all at all', () =>
      texts.every((text) => village.holders(rootOf(text)).size === nodes)
    )
    for (const now of steps) {
      if (now.is === 'wait') {
        await village.run(now.ms)
        continue
      }
      const house = village.house(now.node)
      if ('text' in now) {
        if (!house.alive) continue
        const name = nameOf(rootOf(now.text))
        if (now.is === 'want') {
          // Before it is asked for: from then on either is right.
          unwantedMs.delete(name)
          wantedBy.get(name)?.add(now.node)
          await house.put(now.text)
        } else if (wantedBy.get(name)?.delete(now.node) === true) {
          await village.during(house.pool.unwant(rootOf(now.text)))
          if (wantedBy.get(name)?.size === 0) unwantedMs.set(name, village.clock.monotonicMs())
        }
      } else if (now.is === 'start' || now.is === 'mend') await back(now.node)
      else if (now.is === 'unreadable' || now.is === 'readable') {
        if (house.store !== undefined) house.store.failRoots = now.is === 'unreadable'
      } else if (away.size === 0) {
        away.add(now.node)
        if (now.is === 'kill') house.kill()
        else village.wires.part(new Map([[house.id, 1]]))
      }
    }
    for (const index of [...away]) await back(index)
    for (const house of village.nodes) if (house.store !== undefined) house.store.failRoots = false
    await village.run(2 * graceMs + 4 * collectIntervalMs)
    for (const text of texts) {
      const name = nameOf(rootOf(text))
      const wanted = (wantedBy.get(name)?.size ?? 0) > 0
      const held = village.nodes.map(({ disk }) => disk.objects.has(name))
      assert.deepEqual(held, Array(nodes).fill(wanted), `${text} is ${wanted ? 'wanted' : 'unwanted'}`)
    }
  } finally {
    await village.close()
  }
}

/** What chance seldom puts together: noted as unwanted, cut off, wanted again by another meanwhile. */
const example: [Step[], number] = [
  [
    { is: 'unwant', node: 0, text: 'one' },
    { is: 'wait', ms: 12 * minuteMs },
    { is: 'cut', node: 2 },
    { is: 'want', node: 1, text: 'one' },
    { is: 'wait', ms: graceMs },
    { is: 'wait', ms: graceMs }
  ],
  1
]

test('wanted, unwanted and wanted again, by whoever is there', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 24, size: 'max' }),
      fc.integer({ min: 1, max: 2 ** 30 }),
      play
    ),
    { numRuns: 12, examples: [example], endOnFailure: true }
  )
})
