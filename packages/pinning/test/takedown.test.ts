// Denial, undo and time against a model, on a pool of one: nobody else has the bytes, so whatever is lost is
// lost. A denied object is shown to nobody from the moment it is denied, is what it was after an undo, and goes
// when its hold is over and not before, crashes and restarts in between.
// Seen to fail with `remove` instead of `seal` (an undo finds nothing), without the review at start (an undo cut
// short stays sealed), and with the hold left out of `#leftMs`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nameOf, rootFor } from './harness/disk.ts'
import { Village } from './harness/village.ts'

const holdMs = 7 * 60_000
const collectIntervalMs = 60_000
const texts = ['one', 'two', 'three']

type Step =
  | {
      readonly kind: 'put' | 'unwant' | 'deny' | 'deny and die' | 'undo' | 'undo and die' | 'legal order'
      readonly text: string
    }
  | { readonly kind: 'restart' | 'kill' }
  | { readonly kind: 'wait'; readonly ms: number }

const text = fc.constantFrom(...texts)
const kinds = ['put', 'unwant', 'deny', 'deny and die', 'undo', 'undo and die', 'legal order'] as const
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom(...kinds), text }) },
  { weight: 2, arbitrary: fc.constantFrom({ kind: 'restart' } as const, { kind: 'kill' } as const) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1000, max: holdMs }) })
  }
)

interface Known {
  state: 'shown' | 'sealed' | 'gone'
  denied: boolean
  sealedAtMs: number
}

async function play(steps: readonly Step[], seed: number): Promise<void> {
  // What nobody wants is never collected here: only takedowns take bytes away.
  const keeping = { takedownHoldMs: holdMs, collectIntervalMs, collectGraceMs: 10 ** 12 }
  const village = await Village.of(1, seed, { copiesMin: 1, keeping })
  const house = village.house(0)
  const model = new Map<string, Known>(
    texts.map((each) => [each, { state: 'gone', denied: false, sealedAtMs: 0 }])
  )
  const rootOf = (name: string) => rootFor(new TextEncoder().encode(name))
  const nowMs = () => village.clock.monotonicMs()
  const check = async (): Promise<void> => {
    for (const [name, known] of model) {
      const root = rootOf(name)
      // Between the end of the hold and the next look either is right; later only one is.
      const overMs = nowMs() - known.sealedAtMs - holdMs
      if (known.state === 'sealed' && overMs >= 0 && !house.disk.sealed.has(nameOf(root)))
        known.state = 'gone'
      if (known.state === 'sealed')
        assert.ok(overMs < 2 * collectIntervalMs, `${name} is sealed for ${overMs} ms too long`)
      assert.equal(house.disk.objects.has(nameOf(root)), known.state === 'shown', `${name} shown`)
      assert.equal(house.disk.sealed.has(nameOf(root)), known.state === 'sealed', `${name} sealed`)
      assert.equal((await house.pool.erasedInMs(root)) !== undefined, known.state === 'sealed')
      if (known.state !== 'shown') assert.equal(house.store?.provided.has(nameOf(root)), false)
    }
    const sealed = [...model.values()].filter(({ state }) => state === 'sealed').length
    assert.equal((await house.pool.sealed()).objects, sealed)
  }
  const seal = (known: Known): void => {
    if (known.state !== 'shown') return
    known.state = 'sealed'
    known.sealedAtMs = nowMs()
  }
  const restart = async (): Promise<void> => {
    await house.restart()
    // A sweep, which also finds what is denied and wanted by nobody.
    await village.run(2 * collectIntervalMs)
  }
  try {
    for (const now of steps) {
      if ('ms' in now) await village.run(now.ms)
      else if (!('text' in now)) {
        if (now.kind === 'kill') house.kill()
        else await village.during(house.end())
        await restart()
      } else {
        const root = rootOf(now.text)
        const known = model.get(now.text) ?? assert.fail()
        const look = (): Promise<void> => village.during(house.pool.reconsider([root]))
        if (now.kind === 'put' && !known.denied) {
          await house.put(now.text, { copiesMin: 1 })
          known.state = 'shown'
        } else if (now.kind === 'unwant') {
          await village.during(house.pool.unwant(root))
        } else if (now.kind === 'deny' || now.kind === 'deny and die') {
          house.denied.add(nameOf(root))
          known.denied = true
          seal(known)
          if (now.kind === 'deny') await look()
          else {
            house.kill()
            await restart()
          }
        } else if (now.kind === 'undo' || now.kind === 'undo and die') {
          house.denied.delete(nameOf(root))
          house.legalOrders.delete(nameOf(root))
          known.denied = false
          if (known.state === 'sealed' && house.disk.sealed.has(nameOf(root))) known.state = 'shown'
          if (now.kind === 'undo') await look()
          else {
            house.kill()
            await house.restart()
          }
        } else if (now.kind === 'legal order') {
          house.denied.add(nameOf(root))
          house.legalOrders.add(nameOf(root))
          known.denied = true
          known.state = 'gone'
          await look()
        }
      }
      await check()
    }
  } finally {
    await village.close()
  }
}

/** What chance seldom puts together. */
const examples: [Step[], number][] = (['undo', 'undo and die', 'legal order'] as const).flatMap((end) =>
  (['deny', 'deny and die'] as const).map((begin): [Step[], number] => [
    [
      { kind: 'put', text: 'one' },
      { kind: begin, text: 'one' },
      { kind: 'wait', ms: holdMs / 2 },
      { kind: 'kill' },
      { kind: end, text: 'one' },
      { kind: 'unwant', text: 'one' },
      { kind: 'deny', text: 'one' },
      { kind: 'wait', ms: holdMs / 2 },
      { kind: 'restart' },
      { kind: 'wait', ms: holdMs }
    ],
    1
  ])
)

test('denied, undone, wanted, unwanted, killed and left alone in any order', {
  timeout: 240_000
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 16 }), fc.integer({ min: 1, max: 2 ** 30 }), play),
    { numRuns: Number(process.env['MODEL_RUNS'] ?? 40), examples }
  )
})

// Seen to fail with `reconsider` not asking `takedown.ts`: it stays sealed.
test('a copy that is unsealed is reported and proven again', async () => {
  const calm = { presenceIntervalMs: 60_000, tickMs: 10_000, repairDelayMs: 10 ** 9, walkOnDelayMs: 10 ** 9 }
  const village = await Village.of(3, 5, { keeping: calm })
  const { root } = await village.house(0).put('there and back')
  await village.during(village.house(0).pool.waitUntilHealthy(root))
  const house = village.house(1)
  house.denied.add(nameOf(root))
  await village.during(house.pool.reconsider([root]))
  const liveFor = async () => (await village.house(2).pool.status(root))?.copiesLive
  await village.until('the others count one copy less', async () => (await liveFor()) === 2)
  const fetchesBefore = house.fetches
  house.denied.delete(nameOf(root))
  await village.during(house.pool.reconsider([root]))
  await village.until('it is proven and counted again', async () => (await liveFor()) === 3, 1_200_000)
  assert.equal(house.fetches, fetchesBefore, 'from its own disk')
  await village.close()
})
