// Liars, flipped bits, refusals, releases and collection, on whole pools. Each test says which invariant
// it holds and how it was seen to fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { nameOf, rootFor } from './harness/disk.ts'
import { type House, server, Village } from './harness/village.ts'

const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 } }

async function added(house: House, text: string): Promise<CID> {
  const { root } = await house.put(text)
  await house.village.during(house.pool.waitUntilHealthy(root))
  return root
}

// Invariant 2. Seen to fail with `isLive` counting claims, and with any well-formed digest taken for right.
test('a liar that signs the receipt, keeps the metadata and drops the bytes never becomes a live copy', async () => {
  const village = await Village.of(6, 1, calm)
  const liars = new Set(village.nodes.slice(1, 3).map((house) => house.id))
  for (const house of village.nodes) house.disk.lies = liars.has(house.id)
  const author = village.house(0)
  const everHeld = new Map<string, Set<string>>()
  for (const house of village.nodes) {
    house.pool.onPlan((root, plan) => {
      const held = everHeld.get(nameOf(root)) ?? new Set()
      for (const operator of village.holders(root)) held.add(operator)
      everHeld.set(nameOf(root), held)
      if (liars.has(house.id) || plan.copiesLive <= held.size) return
      village.violations.push(
        `node ${house.index} counts ${plan.copiesLive} copies, only ${held.size} ever were`
      )
    })
  }
  const roots: CID[] = []
  for (let i = 0; i < 6; i++) roots.push((await author.put(`bait ${i}`)).root)
  await village.until('three true copies of everything', () =>
    roots.every((root) => village.holders(root).size >= 3)
  )
  await village.run(60_000)
  const found = await Promise.all(roots.map((root) => author.pool.status(root)))
  const corrupt = found.flatMap(
    (status) => status?.holders.filter((holder) => holder.state === 'corrupt') ?? []
  )
  assert.ok(corrupt.length > 0 && corrupt.every((holder) => liars.has(holder.node)))
  assert.ok((await author.pool.summary()).proofs.wrong > 0)
  await village.close()
})

// Seen to fail with the quarantine left out of `answer.ts`: the copy stays counted by its keeper.
test('a flipped bit is found by the next challenge, no longer counted, and fetched anew', async () => {
  const village = await Village.of(4, 2, calm)
  const root = await added(village.house(0), 'a flipped bit')
  const [flipped, other] = village.holdingHouses(root)
  assert.ok(flipped && other)
  await village.run(30_000)
  flipped.disk.flip(root)
  assert.equal(village.holders(root).size, 2)
  const outcome = await village.during(other.pool.prove(root))
  assert.equal(outcome.find((one) => one.node === flipped.id)?.outcome, 'absent')
  await village.until('fetched anew', () => village.holders(root).size >= 3)
  await village.close()
})

// Invariant 7, the pinning doors. Seen to fail with the question to the policy taken out of `plan.ts` (it is
// fetched again), and with `takedown.ts` sealing nothing (the copy stays) or unsealing nothing (it stays away).
test('a local deny: sealed, not repaired, not proven, not accepted, others walk on; and its undo', async () => {
  const village = await Village.of(5, 3, calm)
  const root = await added(village.house(0), 'denied')
  const [decliner] = village.holdingHouses(root)
  assert.ok(decliner)
  decliner.denied.add(nameOf(root))
  await village.during(decliner.pool.reconsider([root]))
  assert.equal(decliner.disk.trulyHolds(root), false)
  assert.ok((await decliner.pool.wanted(root)) !== undefined, 'the wish stays')
  const asker = village.nodes.find((house) => house !== decliner)
  assert.ok(asker)
  await village.until('others walk on', () => village.holders(root).size >= 3)
  assert.equal(decliner.disk.trulyHolds(root), false)
  // The put of the same object by somebody else is declined there.
  await village.during(asker.pool.want({ root, size: 6, copiesMin: 3, visibility: 'public' }))
  await village.run(120_000)
  assert.equal(decliner.disk.trulyHolds(root), false)
  await assert.rejects(decliner.pool.want({ root, size: 6, copiesMin: 3, visibility: 'public' }), {
    name: 'DeniedError'
  })
  assert.equal(decliner.disk.sealed.has(nameOf(root)), true, 'the bytes stay for an undo')
  decliner.denied.clear()
  await village.during(decliner.pool.reconsider([root]))
  assert.equal(decliner.disk.trulyHolds(root), true)
  const status = await decliner.pool.status(root)
  assert.ok(status !== undefined && !status.reasons.includes('DENIED_HERE'))
  await village.close()
})

// Invariant 7, the doors of offer and proof. Seen to fail with either question to the policy taken out.
test('a denied object is not taken in an offer, and not proven, whoever reads it', async () => {
  const village = await Village.of(4, 13, calm)
  const root = await added(village.house(0), 'denied while it is read')
  const [holder, other] = village.holdingHouses(root)
  assert.ok(holder && other)
  holder.disk.open.add(nameOf(root))
  holder.denied.add(nameOf(root))
  await village.during(holder.pool.reconsider([root]))
  assert.equal(holder.disk.trulyHolds(root), false, 'no reader delays it')
  const outcome = await village.during(other.pool.prove(root))
  assert.equal(outcome.find((one) => one.node === holder.id)?.outcome, 'declined')
  const bytes = new TextEncoder().encode('denied in advance')
  for (const house of village.nodes.slice(1)) house.denied.add(nameOf(rootFor(bytes)))
  const { result } = await village.house(0).put('denied in advance')
  assert.equal(result.copiesPromised, 1)
  assert.deepEqual(
    village.nodes.slice(1).map((house) => house.disk.objects.has(nameOf(rootFor(bytes)))),
    [false, false, false]
  )
  await village.close()
})

// A hold is kept. Seen to fail with holds looked at neither in `beginRelease` nor under the lock.
test('who promised to hold does not release until the promise has run out', async () => {
  const village = await Village.of(5, 14, { keeping: { ...calm.keeping, repairDelayMs: 10 ** 9 } })
  const root = await added(village.house(0), 'held')
  const spare = village.nodes.filter((house) => !house.disk.trulyHolds(root))
  for (const house of spare) {
    house.disk.put(new TextEncoder().encode('held'), 'repair')
    await village.during(house.pool.reconsider([root]))
  }
  await village.run(620_000)
  const [a, b, c, d, e] = village.nodes.map((house) => house.id)
  assert.ok(a && b && c && d && e)
  assert.equal(await village.during(village.houseOf(e).pool.releaseNow(root, [a, b, c])), 'released')
  assert.equal(await village.during(village.houseOf(a).pool.releaseNow(root, [b, c, d])), 'refused')
  await village.run(600_000)
  assert.equal(await village.during(village.houseOf(a).pool.releaseNow(root, [b, c, d])), 'released')
  await village.close()
})

// Invariant 1. Seen to fail when holds are granted while releasing and not looked at again under the lock.
test('two holders that release at once and need each other both stay', async () => {
  const village = await Village.of(5, 4, {
    keeping: { ...calm.keeping, repairDelayMs: 10 ** 9, fillDelayMs: 10 ** 9 }
  })
  const root = await added(village.house(0), 'two release')
  const holders = village.holdingHouses(root)
  assert.equal(holders.length, 3)
  // A fourth copy: any one may go, two may not.
  const fourth = village.nodes.find((house) => !house.disk.trulyHolds(root))
  assert.ok(fourth)
  fourth.disk.put(new TextEncoder().encode('two release'), 'repair')
  await village.during(fourth.pool.reconsider([root]))
  await village.run(30_000)
  const all = [...holders, fourth]
  for (let round = 0; round < 3; round++) {
    // Everybody is pushed off at once, by disks that are crowded; the plan would not let the placed ones go.
    await village.during(
      Promise.all(
        all.map((house) =>
          house.pool.releaseNow(
            root,
            all.filter((other) => other !== house).map((other) => other.id)
          )
        )
      )
    )
    assert.ok(village.holders(root).size >= 3)
    await village.run(601_000)
  }
  await village.close()
})

// Invariant 1 again. Seen to fail with the proof taken out of `release.ts` (any answer counts as a hold).
test('a release that would count on a liar, a dead or a stopped keeper does not happen', async () => {
  const village = await Village.of(5, 5, calm)
  const root = await added(village.house(0), 'do not count on them')
  const holders = village.holdingHouses(root)
  const [a, b, c] = holders
  assert.ok(a && b && c)
  const extra = village.nodes.find((house) => !house.disk.trulyHolds(root))
  assert.ok(extra)
  extra.disk.put(new TextEncoder().encode('do not count on them'), 'repair')
  await village.during(extra.pool.reconsider([root]))
  await village.run(30_000)
  const ask = holders.map((house) => house.id)
  const right = a.disk.dropBytes(root)
  assert.equal(await village.during(extra.pool.releaseNow(root, ask)), 'refused')
  a.disk.restoreBytes(root, right)
  village.wires.stop(b.id)
  assert.equal(await village.during(extra.pool.releaseNow(root, ask)), 'refused')
  village.wires.resume(b.id)
  c.kill()
  assert.equal(await village.during(extra.pool.releaseNow(root, ask)), 'refused')
  assert.equal(extra.disk.trulyHolds(root), true)
  await village.close()
})

// Seen to fail with `remove` answering `true` while the object is open.
test('a release against a put of the same bytes: the put wins', async () => {
  const village = await Village.of(6, 6, calm)
  const author = village.house(0)
  const root = await added(author, 'the same bytes')
  const outside = village.nodes.find((house) => !house.disk.trulyHolds(root))
  assert.ok(outside)
  outside.disk.put(new TextEncoder().encode('the same bytes'))
  outside.disk.open.add(nameOf(root))
  await village.during(outside.pool.want({ root, size: 14, copiesMin: 3, visibility: 'public' }))
  const ask = village.holdingHouses(root).filter((house) => house !== outside)
  assert.equal(
    await village.during(
      outside.pool.releaseNow(
        root,
        ask.map((house) => house.id)
      )
    ),
    'refused'
  )
  assert.equal(outside.disk.trulyHolds(root), true)
  const isTold = (): boolean => outside.store?.provided.has(nameOf(root)) === true
  await village.until('what stays is told of', isTold)
  outside.disk.open.clear()
  await village.until('released when it is closed', () => !outside.disk.trulyHolds(root))
  // Seen red with the DHT told after the bytes were gone.
  assert.equal(isTold(), false)
  await village.close()
})

// Invariant 5. Seen to fail with the intent row written after the holds were asked for.
test('killed in the middle of a release: after the restart the intent is rolled back, and nothing goes for holdMs', async () => {
  const village = await Village.of(6, 7, calm)
  const author = village.house(0)
  await added(author, 'something else, so that the store is not empty')
  const { root } = await author.put('killed while releasing')
  const outside = village.nodes.find((house) => !house.disk.trulyHolds(root) && house !== author)
  assert.ok(outside)
  await village.during(author.pool.waitUntilHealthy(root))
  outside.disk.put(new TextEncoder().encode('killed while releasing'))
  await village.during(outside.pool.want({ root, size: 22, copiesMin: 3, visibility: 'public' }))
  const ask = village.holdingHouses(root).filter((house) => house !== outside)
  let intentsWhenAsked = -1
  village.wires.onRequest = (from, _to, message) => {
    if (from !== outside.id || !Buffer.from(message).includes('challenge/1')) return
    intentsWhenAsked = outside.rows('release_intent')
    outside.kill()
  }
  outside.pool
    .releaseNow(
      root,
      ask.map((house) => house.id)
    )
    .catch(() => {
      // It was killed; what its calls end in is nobody's concern.
    })
  await village.run(5000)
  village.wires.onRequest = undefined
  assert.equal(intentsWhenAsked, 1, 'the intent was durable before anybody was asked')
  assert.equal(outside.alive, false)
  await outside.restart()
  assert.equal(outside.rows('release_intent'), 0)
  const beganMs = village.clock.monotonicMs()
  await village.until('released again, later', () => !outside.disk.trulyHolds(root))
  assert.ok(
    village.clock.monotonicMs() - beganMs >= 600_000 - 10_000,
    'nothing is released for holdMs after a start'
  )
  await village.close()
})

// Invariant 4. Seen to fail with `gaps` and `unconfirmed` ignored, and with the marking error caught and passed over.
test('pin rm frees space everywhere after the grace, and no error while marking ever drops a thing', async () => {
  const village = await Village.of(4, 8, {
    keeping: { ...calm.keeping, collectGraceMs: 3_600_000, collectIntervalMs: 600_000 },
    sync: { syncIntervalMs: 60_000 }
  })
  const author = village.house(0)
  const gone = await added(author, 'unpinned')
  const kept = await added(author, 'kept')
  for (const house of village.nodes) house.removesFreely = true
  const isTold = (house: House): boolean => house.store?.provided.has(nameOf(gone)) === true
  await village.until('its holders tell of it', () => village.holdingHouses(gone).every(isTold))
  assert.equal(await village.during(author.pool.unwant(gone)), true)
  assert.equal(await village.during(author.pool.unwant(gone)), false)
  const [holder] = village.holdingHouses(gone)
  assert.ok(holder?.store)
  await village.run(1_500_000)
  assert.equal(village.holders(gone).size, 3, 'the grace is not over')
  // Marking fails on one holder: it must not drop anything, however long it lasts.
  holder.store.failRoots = true
  await village.until('dropped by the others', () => village.holders(gone).size === 1, 10_800_000)
  await village.run(1_800_000)
  assert.equal(holder.disk.trulyHolds(gone), true, 'a sweep whose marking failed drops nothing')
  holder.store.failRoots = false
  await village.until('dropped by all', () => village.holders(gone).size === 0, 10_800_000)
  // Seen red with the DHT told after the bytes were gone.
  assert.deepEqual(village.nodes.filter(isTold), [])
  assert.equal(village.holders(kept).size, 3)
  await village.close()
})

test('a keeper cut off from all authors collects nothing, for it cannot know what they want', async () => {
  const village = await Village.of(4, 9, {
    keeping: {
      ...calm.keeping,
      collectGraceMs: 1_800_000,
      collectIntervalMs: 600_000,
      headAgeMsMax: 1_200_000
    },
    sync: { syncIntervalMs: 60_000 }
  })
  const author = village.house(0)
  const root = await added(author, 'wanted again')
  const [keeper] = village.holdingHouses(root).filter((house) => house !== author)
  assert.ok(keeper)
  for (const house of village.nodes) house.removesFreely = true
  await village.during(author.pool.unwant(root))
  await village.run(300_000)
  village.wires.part(new Map([[keeper.id, 1]]))
  await village.run(3_600_000)
  const { aborted } = await keeper.pool.sweep()
  assert.notDeepEqual(aborted, [])
  assert.equal(keeper.disk.trulyHolds(root), true)
  await village.close()
})

test('a full keeper declines and the next in rank takes the place', async () => {
  const village = await Village.of(5, 10, calm)
  village.house(1).disk.capacityBytes = 4
  village.house(2).disk.capacityBytes = 0
  await village.run(130_000)
  const { root } = await village.house(0).put('more than four bytes')
  await village.until('three with room', () => village.holders(root).size >= 3)
  assert.equal(village.house(1).disk.trulyHolds(root), false)
  assert.equal(village.house(2).disk.trulyHolds(root), false)
  assert.equal(
    village
      .house(0)
      .pool.members()
      .filter((member) => member.full).length,
    1
  )
  await village.close()
})

test('too few receipts: accept says how many, refuse takes the wish back', async () => {
  const alone = new Village(11, calm)
  await alone.add(server)
  assert.equal((await alone.house(0).put('one')).result.copiesPromised, 1)
  await assert.rejects(alone.during(alone.house(0).pool.waitUntilHealthy(alone.roots[0] as CID)), {
    name: 'PoolTooSmallError',
    operators: 1,
    needed: 3
  })
  await alone.close()
  const strict = new Village(12, { keeping: { ...calm.keeping, ackWhenShort: 'refuse' } })
  await strict.add(server)
  await assert.rejects(strict.house(0).put('two'), { name: 'PoolTooSmallError' })
  assert.equal(await strict.house(0).pool.count(), 0)
  await strict.close()
})

// Invariant 3, what the protocol adds to it. Seen to fail with the receipt signed before the pull, and with the
// batch not taken in before it.
test('what was acknowledged for two copies is there after the author is killed at that instant', async () => {
  for (let seed = 20; seed < 26; seed++) {
    const village = await Village.of(5, seed, calm)
    const author = village.house(seed % 5)
    // The wish travels with the offer or not at all.
    village.wires.mute = true
    const { root, result } = await author.put('acknowledged')
    author.kill()
    village.wires.mute = false
    assert.ok(result.copiesPromised >= 2)
    assert.ok(village.holders(root).size >= result.copiesPromised - 1, `seed ${seed}`)
    const [keeper] = village.holdingHouses(root)
    assert.ok(keeper)
    assert.ok((await keeper.pool.wanted(root)) !== undefined, 'the wish came with the bytes')
    await village.until('spread again', () => village.holders(root).size >= 3)
    await village.close()
  }
})

// Seen to fail with the saving of own time let through: what came after it was never ended.
test('a polite stop on a full disk goes to its end, and the next start finds everything', async () => {
  const village = await Village.of(3, 31, calm)
  const root = await added(village.house(0), 'kept')
  const stopped = village.house(1)
  stopped.indexFull = true
  await stopped.end()
  stopped.indexFull = false
  await stopped.restart()
  await village.until('all three hold it again', () => village.holders(root).size === 3)
  await village.close()
})
