// Each rule of the plan has a test that fails when the rule is removed (docs/plan-rules.md lists them),
// and all of them together keep the promise over random histories.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keepingDefaults as options } from '../src/keep/keeping-options.ts'
import { keepersFor, placementFor } from '../src/plan/placement.ts'
import {
  type Action,
  type Candidate,
  isMassLoss,
  type Plan,
  planObject,
  type Situation
} from '../src/plan/plan.ts'
import type { Copy, CopyState } from '../src/plan/tally.ts'

const proven: CopyState = { kind: 'proven', ageMs: 1000 }
const fresh: CopyState = { kind: 'claimed', forMs: 1000 }
const own: CopyState = { kind: 'own' }
const minuteMs = 60_000

function candidate(i: number, change: Partial<Candidate> = {}): Candidate {
  return {
    node: `n${i}`,
    operator: `o${i}`,
    class: 'server',
    awayMs: 0,
    full: false,
    declines: false,
    memberForMs: 0,
    ...change
  }
}

function copy(i: number, state: CopyState = proven, change: Partial<Copy> = {}): Copy {
  return {
    node: `n${i}`,
    operator: `o${i}`,
    counted: true,
    class: 'server',
    awayMs: 0,
    state,
    ownProofAgeMs: 1000,
    askedAgeMs: 1000,
    ...change
  }
}

interface Shape {
  /** Ranked operators, all servers unless said otherwise. */
  readonly ranked?: number
  readonly ranking?: readonly Candidate[]
  /** Our place in the ranking. */
  readonly self: number
  readonly copies: readonly Copy[]
  readonly copiesMin?: number
  readonly size?: number
  readonly selfView?: Partial<Situation['self']>
  readonly pool?: Partial<Situation['pool']>
  readonly dice?: number
}

function situation(shape: Shape): Situation {
  const ranking = shape.ranking ?? Array.from({ length: shape.ranked ?? 6 }, (_, i) => candidate(i))
  const holds = shape.copies.some((one) => one.state.kind === 'own')
  return {
    size: shape.size ?? 0,
    copiesMin: shape.copiesMin ?? 3,
    ranking,
    copies: shape.copies,
    self: {
      node: `n${shape.self}`,
      operator: `o${shape.self}`,
      copy: holds ? 'repair' : 'none',
      allowed: true,
      full: false,
      diskUse: 0.1,
      stageUse: 0.1,
      leaving: false,
      mayRelease: true,
      ...shape.selfView
    },
    pool: {
      operators: ranking.length,
      operatorsReached: ranking.length - 1,
      massLoss: false,
      passing: new Set<string>(),
      ...shape.pool
    },
    dice: shape.dice ?? 0
  }
}

function plan(shape: Shape): ReturnType<typeof planObject> {
  return planObject(situation(shape), options)
}

function fetchIn(actions: readonly Action[]): Extract<Action, { kind: 'fetch' }> | undefined {
  return actions.find((action) => action.kind === 'fetch')
}

function releases(shape: Shape): boolean {
  return plan(shape).actions.some((action) => action.kind === 'release')
}

test('TARGET: two servers among the first three ask for three copies, home keepers for two more', () => {
  const classes = (...kinds: ('server' | 'home')[]): Candidate[] =>
    kinds.map((kind, i) => candidate(i, { class: kind }))
  const of = (ranking: Candidate[]): number => plan({ ranking, self: 0, copies: [copy(0, own)] }).copiesTarget
  assert.equal(of(classes('server', 'server', 'home', 'home', 'home', 'home')), 3)
  assert.equal(of(classes('server', 'home', 'home', 'server', 'server', 'server')), 5)
  assert.equal(of(classes('home', 'home', 'home', 'home', 'home', 'home')), 5)
})

test('OPERATORS: two nodes of one operator are one copy', () => {
  const copies = [copy(0), copy(1), copy(9, proven, { operator: 'o1' })]
  const { copiesLive, health } = plan({ self: 5, copies })
  assert.equal(copiesLive, 2)
  assert.equal(health, 'at risk')
})

test('UNCOUNTED: a volunteer nobody vouches for is no copy', () => {
  assert.equal(
    plan({ self: 5, copies: [copy(0), copy(1), copy(2, proven, { counted: false })] }).copiesLive,
    2
  )
})

test('PROOF: a claim is no live copy, and only reach and proof together make one', () => {
  assert.equal(plan({ self: 5, copies: [copy(0), copy(1), copy(2, fresh)] }).copiesLive, 2)
  assert.equal(plan({ self: 5, copies: [copy(0), copy(1), copy(2, proven, { awayMs: 1 })] }).copiesLive, 2)
})

test('PLACEMENT: only the first copiesTarget members that are neither gone nor full nor unwilling fetch', () => {
  const copies = [copy(0)]
  const acts = (self: number, ranking?: Candidate[]): number | undefined =>
    fetchIn(plan({ self, copies, ...(ranking === undefined ? {} : { ranking }) }).actions)?.afterMs
  assert.equal(acts(1), 0)
  assert.equal(acts(2), options.repairStaggerMs)
  const others = (change: Partial<Candidate>): Candidate[] =>
    Array.from({ length: 6 }, (_, i) => candidate(i, i === 1 ? change : {}))
  for (const change of [{ full: true }, { declines: true }, { awayMs: options.repairDelayMs }]) {
    assert.equal(acts(2, others(change)), 0, JSON.stringify(change))
    assert.equal(acts(3, others(change)), options.repairStaggerMs, JSON.stringify(change))
  }
})

test('WALK_ON: a keeper that answers wrongly holds no place; who is outside waits longer', () => {
  const corrupt = copy(1, { kind: 'corrupt', forMs: 1000 })
  assert.equal(
    fetchIn(plan({ self: 3, copies: [copy(0), corrupt] }).actions)?.afterMs,
    options.repairStaggerMs
  )
  const outside = fetchIn(plan({ self: 4, copies: [copy(0)] }).actions)
  assert.equal(outside?.afterMs, options.walkOnDelayMs + 3 * options.repairStaggerMs)
})

test('REPAIR_DELAY: an absence shorter than fifteen minutes makes no copy', () => {
  const away = (awayMs: number): Shape => ({
    self: 3,
    ranking: Array.from({ length: 6 }, (_, i) => candidate(i, i === 2 ? { awayMs } : {})),
    copies: [copy(0), copy(1), copy(2, proven, { awayMs })]
  })
  assert.equal(fetchIn(plan(away(14 * minuteMs)).actions), undefined)
  assert.ok(fetchIn(plan(away(15 * minuteMs)).actions))
  assert.equal(plan(away(14 * minuteMs)).reviewAfterMs, minuteMs, 'and says when to look again')
})

test('LAST_COPY: with one live copy left the wait is one minute', () => {
  const away = (awayMs: number): Shape => ({
    self: 3,
    ranking: Array.from({ length: 6 }, (_, i) => candidate(i, i === 1 || i === 2 ? { awayMs } : {})),
    copies: [copy(0), copy(1, proven, { awayMs }), copy(2, proven, { awayMs })]
  })
  assert.equal(fetchIn(plan(away(59_000)).actions), undefined)
  assert.equal(fetchIn(plan(away(60_000)).actions)?.urgency, 1)
})

test('SPARE_DELAY: one short, with spare copies that are only away, the wait is six hours; with one left a minute', () => {
  // Of `n` copies at the best keepers all but the first `live` are away.
  const away = (live: number, n: number, awayMs: number, copiesMin = 3): Shape => ({
    self: n,
    copiesMin,
    ranking: Array.from({ length: n + 3 }, (_, i) => candidate(i, i >= live && i < n ? { awayMs } : {})),
    copies: Array.from({ length: n }, (_, i) => copy(i, proven, i < live ? {} : { awayMs }))
  })
  const waits = (live: number, n: number, awayMs: number, copiesMin?: number): boolean =>
    fetchIn(plan(away(live, n, awayMs, copiesMin)).actions) === undefined
  const { repairDelayMs, spareDelayMs, lastCopyDelayMs, returnServerMs } = options
  assert.equal(waits(2, 4, spareDelayMs - 1), true)
  assert.equal(waits(2, 4, spareDelayMs), false)
  assert.equal(plan(away(2, 4, spareDelayMs - 5000)).reviewAfterMs, 5000)
  assert.equal(waits(2, 3, repairDelayMs), false, 'three are no more than wanted')
  assert.equal(waits(1, 4, lastCopyDelayMs), false)
  assert.equal(waits(3, 6, repairDelayMs, 5), false, 'two short')
  assert.equal(waits(2, 4, returnServerMs), false, 'who is away for so long is no spare')
})

test('RETURN: beyond the minimum a copy whose keeper is away still counts, a server for three days, a home for seven', () => {
  const fills = (kind: 'server' | 'home', awayMs: number): boolean => {
    const home = { class: 'home' as const }
    const ranking = Array.from({ length: 8 }, (_, i) =>
      candidate(i, i === 4 ? { class: kind, awayMs } : home)
    )
    const copies = [0, 1, 2, 3].map((i) => copy(i, proven, home))
    const seen = plan({
      self: 5,
      ranking,
      copies: [...copies, copy(4, proven, { class: kind, awayMs })]
    })
    const returnMs = kind === 'home' ? options.returnHomeMs : options.returnServerMs
    if (awayMs < returnMs) assert.equal(seen.reviewAfterMs, returnMs - awayMs)
    return fetchIn(seen.actions) !== undefined
  }
  assert.equal(fills('home', options.returnHomeMs - 1), false)
  assert.equal(fills('home', options.returnHomeMs), true)
  assert.equal(fills('server', options.returnServerMs - 1), false)
  assert.equal(fills('server', options.returnServerMs), true)
})

test('RETURN: below the minimum it does not count, however soon it may be back', () => {
  const awayMs = options.repairDelayMs
  const ranking = Array.from({ length: 6 }, (_, i) => candidate(i, i === 2 ? { awayMs } : {}))
  const copies = [copy(0), copy(1), copy(2, proven, { awayMs })]
  assert.ok(fetchIn(plan({ self: 3, ranking, copies }).actions))
})

test('ENOUGH: a source is told how many copies are wanted, those that are coming included', () => {
  const home = Array.from({ length: 8 }, (_, i) => candidate(i, { class: 'home' }))
  const wanted = (copies: Copy[], shape: Partial<Shape> = {}): number | undefined =>
    fetchIn(plan({ self: 0, ranking: home, copies, ...shape }).actions)?.copies
  assert.equal(wanted([copy(1), copy(2)]), 3, 'up to the minimum, and not to the target')
  assert.equal(wanted([copy(1), copy(2), copy(3)]), 5, 'filling')
  const passing = { passing: new Set(['n1']) }
  assert.equal(wanted([copy(1), copy(2)], { pool: passing }), 4, 'one that passes is no copy that is to stay')
  const unprovable = copy(3, { kind: 'claimed', forMs: options.proofSettleMs + options.proofPatienceMs })
  assert.equal(wanted([copy(1), copy(2), unprovable]), 3)
})

test('FEWEST_FIRST: the fewer live copies the more urgent; filling and moving come last', () => {
  const urgency = (copies: Copy[], change: Partial<Candidate> = {}, home = false): number | undefined => {
    const ranking = Array.from({ length: 8 }, (_, i) =>
      candidate(i, { ...(home ? { class: 'home' as const } : {}), ...(i === 0 ? change : {}) })
    )
    return fetchIn(plan({ self: 0, ranking, copies }).actions)?.urgency
  }
  const last = urgency([copy(1)])
  const two = urgency([copy(1), copy(2)])
  const fill = urgency([copy(1), copy(2), copy(3)], {}, true)
  const move = urgency([copy(1), copy(2), copy(3)], { memberForMs: options.newcomerAgeMs })
  assert.ok(last !== undefined && two !== undefined && fill !== undefined && move !== undefined)
  assert.ok(last < two && two < fill && fill < move)
})

test('NEWCOMER: nothing is moved to somebody who has been here for less than a day', () => {
  const newcomer = (memberForMs: number): Shape => ({
    self: 0,
    ranking: Array.from({ length: 6 }, (_, i) => candidate(i, { memberForMs })),
    copies: [copy(1), copy(2), copy(3)]
  })
  assert.equal(fetchIn(plan(newcomer(options.newcomerAgeMs - 1)).actions), undefined)
  assert.ok(plan(newcomer(options.newcomerAgeMs)).reasons.includes('NEWCOMER_HERE'))
})

test("NEWCOMER: a place that is empty for an evening is nobody's to inherit, and one copy too many is enough", () => {
  const moves = (awayMs: number, holders: number[]): boolean => {
    const established = { memberForMs: options.newcomerAgeMs }
    const ranking = Array.from({ length: 6 }, (_, i) =>
      candidate(i, i === 0 ? { ...established, awayMs } : established)
    )
    const copies = holders.map((i) => copy(i, proven, i === 0 ? { awayMs } : {}))
    return plan({ self: 3, ranking, copies }).reasons.includes('NEWCOMER_HERE')
  }
  // The first keeper is away, and has no copy.
  assert.equal(moves(options.repairDelayMs, [1, 2, 4]), false)
  assert.equal(moves(options.returnServerMs, [1, 2, 4]), true)
  // It has one, and so have two others and one outside.
  assert.equal(moves(options.returnServerMs, [0, 1, 2, 4]), true)
  assert.equal(moves(options.returnServerMs, [0, 1, 2, 4, 5]), false)
})

test('ZONE: at most copiesMin − 1 copies are placed in one zone, as long as another can take the next', () => {
  const zones = (...names: (string | undefined)[]): Candidate[] =>
    names.map((zone, i) => candidate(i, zone === undefined ? {} : { zone }))
  const placed = (ranking: Candidate[]): string[] =>
    placementFor(situation({ ranking, self: 0, copies: [] }), options).map((member) => member.node)
  assert.deepEqual(placed(zones('a', 'a', 'a', 'a', 'b')), ['n0', 'n1', 'n4'])
  assert.deepEqual(placed(zones('a', 'a', 'a', undefined)), ['n0', 'n1', 'n3'], 'unknown is elsewhere')
  assert.deepEqual(placed(zones('a', 'a', 'a', 'a')), ['n0', 'n1', 'n2'], 'there is no other')
  const full = zones('a', 'a', 'a', 'b').map((one, i) => (i === 3 ? { ...one, full: true } : one))
  assert.deepEqual(placed(full), ['n0', 'n1', 'n2'], 'the other takes nothing')
  const offered = keepersFor(
    situation({ ranking: zones('a', 'a', 'a', 'b', 'b', 'b'), self: 9, copies: [] }),
    options
  )
  assert.deepEqual(offered.keepers, ['n0', 'n1', 'n3', 'n4', 'n2', 'n5'])
})

test('ZONE_WORTH: what is too much of one zone is no copy while somebody elsewhere could have one', () => {
  const at = (i: number, state: CopyState = proven): Copy => copy(i, state, { zone: i < 4 ? 'a' : 'b' })
  const ranking = Array.from({ length: 6 }, (_, i) => candidate(i, { zone: i < 4 ? 'a' : 'b' }))
  const crowd = [at(0), at(1), at(2)]
  const fetched = (self: number, others = ranking): number | undefined =>
    fetchIn(plan({ self, ranking: others, copies: crowd }).actions)?.copies
  assert.equal(fetched(4), 4)
  assert.equal(fetched(3), undefined, 'another of the same zone helps nobody')
  const full = ranking.map((one, i) => (i > 3 ? { ...one, full: true } : one))
  assert.equal(fetched(3, full), undefined, 'and when nobody elsewhere can, three are three')
  const uploads = { copy: 'upload' as const }
  const lets = (copies: Copy[], others = ranking): boolean =>
    releases({ self: 5, ranking: others, copies: [...copies, at(5, own)], selfView: uploads })
  assert.equal(lets(crowd), false, 'the only copy elsewhere stays')
  assert.equal(lets([at(0), at(1), at(4)]), true)
  const leaves = (others: Candidate[]): boolean =>
    releases({ self: 5, ranking: others, copies: [...crowd, at(5, own)], selfView: { leaving: true } })
  assert.equal(leaves(ranking.slice(0, 5)), false)
  assert.equal(leaves(ranking.slice(0, 4)), true, 'nobody else is there')
  // Six copies, one too many: it goes where too many are.
  const surplus = [0, 1, 2, 3, 4, 5]
  const trims = (self: number): boolean =>
    releases({ self, ranking, copies: surplus.map((i) => at(i, i === self ? own : proven)) })
  assert.deepEqual(surplus.filter(trims), [3])
})

test('MASS_LOSS: repairs wait while many vanished together, but never for the last live copy', () => {
  const shape = (live: number): Shape => ({
    self: 4,
    ranking: Array.from({ length: 6 }, (_, i) => candidate(i, i >= live && i < 4 ? { awayMs: 10 ** 9 } : {})),
    copies: Array.from({ length: live }, (_, i) => copy(i)),
    pool: { massLoss: true }
  })
  assert.equal(fetchIn(plan(shape(2)).actions), undefined)
  assert.ok(plan(shape(2)).reasons.includes('MASS_LOSS'))
  assert.ok(fetchIn(plan(shape(1)).actions))
})

test('MASS_LOSS_SIZE: five operators or a fifth of all, within five minutes, for at most an hour', () => {
  const ages = (n: number, fromMs: number, stepMs: number): number[] =>
    Array.from({ length: n }, (_, i) => fromMs + i * stepMs)
  assert.equal(isMassLoss(ages(4, 1000, 1), 10, options), false)
  assert.equal(isMassLoss(ages(5, 1000, 1), 10, options), true)
  assert.equal(isMassLoss(ages(5, 1000, 1), 100, options), false)
  assert.equal(isMassLoss(ages(20, 1000, 1), 100, options), true)
  assert.equal(isMassLoss(ages(5, 1000, 2 * minuteMs), 10, options), false)
  assert.equal(isMassLoss(ages(5, options.massLossHoldMs, 1), 10, options), false)
})

test('ISOLATED: who reaches no other operator neither fetches nor proves nor releases', () => {
  const copies = [copy(0, own), copy(1), copy(2, fresh), copy(3), copy(4), copy(5)]
  const pool = { operatorsReached: 0 }
  const alone = plan({ self: 0, copies, pool, selfView: { copy: 'upload' } })
  assert.deepEqual(alone.actions, [])
  assert.ok(alone.reasons.includes('ISOLATED'))
})

test('DENIED: what our own policy denies is neither fetched nor proven nor released', () => {
  const denied = plan({ self: 1, copies: [copy(0, fresh, { doubted: true })], selfView: { allowed: false } })
  assert.deepEqual(denied.actions, [])
  assert.ok(denied.reasons.includes('DENIED_HERE'))
})

test('POOL_TOO_SMALL: fewer operators than the minimum: all hold everything, nothing is released', () => {
  const ranking = [candidate(0), candidate(1)]
  const small = plan({ ranking, self: 1, copies: [copy(0)] })
  assert.ok(small.reasons.includes('POOL_TOO_SMALL'))
  assert.ok(fetchIn(small.actions))
  assert.equal(
    releases({
      ranking,
      self: 0,
      copies: [copy(0, own), copy(1)],
      copiesMin: 3,
      selfView: { copy: 'upload' }
    }),
    false
  )
})

test('UPLOAD: outside the placement it goes once the target is proven elsewhere, inside never', () => {
  const upload = { copy: 'upload' as const }
  const three = [copy(0), copy(1), copy(2)]
  assert.equal(releases({ self: 5, copies: [...three, copy(5, own)], selfView: upload }), true)
  assert.equal(
    releases({ self: 5, copies: [copy(0), copy(1), copy(2, fresh), copy(5, own)], selfView: upload }),
    false
  )
  assert.equal(
    releases({ self: 1, copies: [copy(0), copy(1, own), copy(2), copy(3)], selfView: upload }),
    false
  )
})

test('STAGE_FILLING: under pressure an upload goes at the minimum, fresh claims to be proven on the way', () => {
  const home = Array.from({ length: 8 }, (_, i) => candidate(i, { class: 'home' }))
  const shape = (selfView: Partial<Situation['self']>, copies: readonly Copy[], self = 7): Shape => ({
    self,
    ranking: home,
    copies: [...copies, copy(self, own)],
    selfView: { copy: 'upload', ...selfView }
  })
  const three = [copy(0), copy(1), copy(2, fresh)]
  assert.equal(releases(shape({ stageUse: 0.5 }, three)), false, 'at low fill the target, which is five here')
  assert.equal(releases(shape({ stageUse: 0.51 }, three)), true)
  assert.equal(releases(shape({ stageUse: 1 }, three.slice(1))), false, 'never below the minimum')
  assert.equal(releases(shape({ stageUse: 1 }, [copy(0), copy(1), copy(2, fresh, { awayMs: 1 })])), false)
  assert.equal(
    releases(shape({ stageUse: 1 }, [copy(0), copy(1), copy(2, { kind: 'corrupt', forMs: 1 })])),
    false
  )
  assert.equal(releases(shape({ stageUse: 1, copy: 'repair' }, three)), false, 'only uploads are staged')
  assert.equal(releases(shape({ stageUse: 1 }, three, 3)), false, 'placed here, with room for it')
  assert.equal(releases(shape({ stageUse: 1, full: true }, three, 3)), true, 'placed here, without')
  assert.equal(releases(shape({ stageUse: 1, mayRelease: false }, three)), false)
})

test('PASSING: a copy at a node that offers no space is live and a source, and keeps nobody from keeping', () => {
  const copies = [copy(0), copy(1), copy(9)]
  const passing = { passing: new Set(['n9']) }
  const shape: Shape = { self: 2, copies, pool: passing }
  assert.equal(plan(shape).health, 'healthy')
  assert.equal(fetchIn(plan({ ...shape, pool: {} }).actions), undefined)
  assert.deepEqual(fetchIn(plan(shape).actions)?.from, ['n0', 'n1', 'n9'])
  assert.equal(
    releases({ self: 5, copies: [...copies, copy(5, own)], pool: passing, selfView: { copy: 'upload' } }),
    false,
    'nor does it permit a release'
  )
})

test('LEAVING: whatever is here goes at the minimum elsewhere, placed here or not', () => {
  const three = [copy(0), copy(1), copy(2, fresh)]
  const leaving = (copies: readonly Copy[]): boolean =>
    releases({ self: 3, ranked: 4, copies: [...copies, copy(3, own)], selfView: { leaving: true } })
  assert.equal(leaving(three), true)
  assert.equal(leaving(three.slice(1)), false)
})

test('ABOVE_MAX: a repair copy is trimmed only above the maximum, by the lowest ranked holder', () => {
  const holders = (n: number, self: number): Copy[] =>
    Array.from({ length: n }, (_, i) => (i === self ? copy(i, own) : copy(i)))
  const ranked = 8
  assert.equal(releases({ ranked, self: 4, copies: holders(5, 4) }), false)
  assert.equal(releases({ ranked, self: 5, copies: holders(6, 5) }), true)
  assert.equal(releases({ ranked, self: 4, copies: holders(6, 4) }), false)
})

test('ABOVE_MAX: a copy outside the ranking is no less bound to the maximum', () => {
  const others = (n: number): Copy[] => [...Array.from({ length: n }, (_, i) => copy(i)), copy(9, own)]
  assert.equal(releases({ ranked: 8, self: 9, copies: others(4) }), false)
  assert.equal(releases({ ranked: 8, self: 9, copies: others(5) }), true)
})

test('CROWDED: above eighty percent of the disk a copy outside the placement goes at the target', () => {
  const copies = [copy(0), copy(1), copy(2), copy(4, own)]
  assert.equal(releases({ self: 4, copies, selfView: { diskUse: 0.7 } }), false)
  assert.equal(releases({ self: 4, copies, selfView: { diskUse: 0.81 } }), true)
})

test('AFTER_START: nothing is released while holds granted before may still run', () => {
  const copies = [copy(0), copy(1), copy(2), copy(5, own)]
  assert.equal(releases({ self: 5, copies, selfView: { copy: 'upload', mayRelease: false } }), false)
})

test('SETTLE: a new copy is challenged five minutes after its claim, by its neighbours down the ranking', () => {
  const asked = (self: number, forMs: number): boolean => {
    const never = { kind: 'claimed' as const, forMs }
    const { ownProofAgeMs: _, askedAgeMs: __, ...target } = copy(0, never)
    const copies = [target, ...[1, 2, 3].map((i) => (i === self ? copy(i, own) : copy(i)))]
    return plan({ self, copies }).actions.some((action) => action.kind === 'prove' && action.keeper === 'n0')
  }
  assert.equal(asked(1, options.proofSettleMs - 1), false)
  assert.equal(asked(1, options.proofSettleMs), true)
  assert.equal(asked(2, options.proofSettleMs), true)
  assert.equal(asked(3, options.proofSettleMs), false)
})

test('AGAIN: a proof is renewed before it lapses, a doubt is followed at once, silence waits', () => {
  const asked = (change: Partial<Copy>, self = 1): boolean =>
    plan({ self, copies: [copy(0, proven, change), copy(1, own), copy(2), copy(3)] }).actions.some(
      (action) => action.kind === 'prove' && action.keeper === 'n0'
    )
  const askedAgeMs = options.proofRetryMs
  assert.equal(asked({ ownProofAgeMs: options.proofEveryMs - 1, askedAgeMs }), false)
  assert.equal(asked({ ownProofAgeMs: options.proofEveryMs, askedAgeMs }), true)
  assert.equal(asked({ ownProofAgeMs: options.proofEveryMs, askedAgeMs: 0 }), false)
  assert.equal(asked({ doubted: true, askedAgeMs }, 3), true)
  // Late for an hour: asked again after half an hour, and when nothing else happens looked at then.
  const late = { ownProofAgeMs: options.proofEveryMs, lateForMs: 3_600_000 }
  assert.equal(asked({ ...late, askedAgeMs: 1_799_999 }), false)
  assert.equal(asked({ ...late, askedAgeMs: 1_800_000 }), true)
  assert.equal(
    asked({ ...late, lateForMs: 10 * options.proofEveryMs, askedAgeMs: options.proofEveryMs }),
    true
  )
})

test('SPREAD: renewals of different objects fall due at different times, earlier and never later', () => {
  const planAt = (dice: number, ownProofAgeMs: number): Plan =>
    plan({
      self: 1,
      dice,
      copies: [copy(0, proven, { ownProofAgeMs, askedAgeMs: ownProofAgeMs }), copy(1, own)]
    })
  const due = (dice: number, ownProofAgeMs: number): boolean =>
    planAt(dice, ownProofAgeMs).actions.some((action) => action.kind === 'prove')
  const earliest = options.proofEveryMs * (1 - options.proofSpreadShare)
  assert.equal(due(1, earliest - 1), false)
  assert.equal(due(1, earliest), true)
  assert.equal(due(0.5, earliest), false)
  assert.equal(due(0, options.proofEveryMs - 1), false)
  assert.equal(planAt(1, earliest - 1000).reviewAfterMs, 1000, 'looked at again when it falls due')
})

test('OLDEST: what is due for longer says so', () => {
  const age = options.proofEveryMs + 5000
  const copies = [copy(0, proven, { ownProofAgeMs: age, askedAgeMs: age }), copy(1, own)]
  const prove = plan({ self: 1, copies }).actions.find((action) => action.kind === 'prove')
  assert.equal(prove?.kind === 'prove' && prove.overdueMs, 5000)
})

test('TOGETHER: when one holder is due, the others whose challenger we are are asked at the same time', () => {
  const asked = (otherAgeMs: number, dueAgeMs = options.proofEveryMs): string[] => {
    const aged = (ms: number): Partial<Copy> => ({ ownProofAgeMs: ms, askedAgeMs: ms })
    const copies = [copy(0, proven, aged(dueAgeMs)), copy(1, proven, aged(otherAgeMs)), copy(2, own)]
    return plan({ self: 2, copies }).actions.flatMap((action) =>
      action.kind === 'prove' ? [action.keeper] : []
    )
  }
  assert.deepEqual(asked(options.proofEveryMs / 2), ['n0', 'n1'])
  assert.deepEqual(asked(options.proofEveryMs / 2 - 1), ['n0'])
  assert.deepEqual(asked(options.proofEveryMs / 2, options.proofEveryMs - 1), [])
})

test('UNPROVABLE: a claim that is never proven stops keeping others from making a copy', () => {
  const claimed = (forMs: number, size = 0): Shape => ({
    self: 3,
    size,
    copies: [copy(0), copy(1), copy(2, { kind: 'claimed', forMs })]
  })
  const limitMs = options.proofSettleMs + options.proofPatienceMs
  assert.equal(fetchIn(plan(claimed(limitMs - 1)).actions), undefined)
  assert.ok(fetchIn(plan(claimed(limitMs)).actions))
  // What takes long to read takes long to prove.
  const film = 600 * options.proofBytesPerSecondMin
  assert.equal(fetchIn(plan(claimed(limitMs + 600_000 - 1, film)).actions), undefined)
  assert.ok(fetchIn(plan(claimed(limitMs + 600_000, film)).actions))
})

test('OFFERS: a new object is offered to its placement, then to whoever comes next', () => {
  const at = (self: number): ReturnType<typeof keepersFor> =>
    keepersFor(situation({ self, copies: [copy(self, own)] }), options)
  assert.deepEqual(at(5), { copies: 3, keepers: ['n0', 'n1', 'n2', 'n3', 'n4'] })
  assert.deepEqual(at(1), { copies: 2, keepers: ['n0', 'n2', 'n3', 'n4', 'n5'] })
})

// What follows is about all rules together.

interface World {
  /** Per node: up or down, holding or not, since when down. */
  readonly up: boolean[]
  readonly holds: boolean[]
  readonly awayMs: number[]
  readonly origin: ('upload' | 'repair')[]
}

/** What node `self` sees when everybody up has been proven to everybody up. */
function seenBy(world: World, self: number, home: boolean, zones: number): Situation {
  const n = world.up.length
  const kind = { class: home ? ('home' as const) : ('server' as const) }
  const zone = (i: number): { zone?: string } => (zones === 0 ? {} : { zone: `z${i % zones}` })
  const ranking = Array.from({ length: n }, (_, i) =>
    candidate(i, { awayMs: world.awayMs[i] ?? 0, ...kind, ...zone(i) })
  )
  const copies = ranking.flatMap((_, i) => {
    if (world.holds[i] !== true) return []
    return [copy(i, i === self ? own : proven, { awayMs: world.awayMs[i] ?? 0, ...kind, ...zone(i) })]
  })
  const shape: Shape = {
    ranking,
    self,
    copies,
    selfView: { copy: world.holds[self] === true ? (world.origin[self] ?? 'repair') : 'none' },
    pool: { operators: n, operatorsReached: world.up.filter((up, i) => up && i !== self).length }
  }
  return situation(shape)
}

const event = fc.oneof(
  fc.record({ is: fc.constant('down' as const), node: fc.nat(7) }),
  fc.record({ is: fc.constant('up' as const), node: fc.nat(7) }),
  fc.record({ is: fc.constant('wait' as const), ms: fc.integer({ min: 1000, max: 3_600_000 }) })
)

test('over random histories releases never bring proven copies below the minimum, and plans come to rest', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 3, max: 8 }),
      fc.boolean(),
      fc.nat(3),
      fc.nat(7),
      fc.array(event, { maxLength: 60 }),
      (n, home, zones, author, events) => {
        const world: World = {
          up: Array.from({ length: n }, () => true),
          holds: Array.from({ length: n }, (_, i) => i === author % n),
          awayMs: Array.from({ length: n }, () => 0),
          origin: Array.from({ length: n }, (_, i) => (i === author % n ? 'upload' : 'repair'))
        }
        const liveElsewhere = (self: number): number =>
          world.holds.filter((holds, i) => holds && world.up[i] === true && i !== self).length
        const act = (): boolean => {
          let acted = false
          for (let self = 0; self < n; self++) {
            if (world.up[self] !== true) continue
            for (const action of planObject(seenBy(world, self, home, zones), options).actions) {
              if (action.kind === 'fetch' && liveElsewhere(self) > 0) {
                world.holds[self] = true
                world.origin[self] = 'repair'
                acted = true
              }
              if (action.kind === 'release') {
                assert.ok(
                  liveElsewhere(self) >= 3,
                  `node ${self} released with ${liveElsewhere(self)} elsewhere`
                )
                world.holds[self] = false
                acted = true
              }
            }
          }
          return acted
        }
        for (const step of [...events, { is: 'wait' as const, ms: options.spareDelayMs + 7_200_000 }]) {
          if (step.is === 'wait') {
            for (let i = 0; i < n; i++)
              if (world.up[i] !== true) world.awayMs[i] = (world.awayMs[i] ?? 0) + step.ms
          } else if (step.node < n) {
            world.up[step.node] = step.is === 'up'
            world.awayMs[step.node] = step.is === 'up' ? 0 : Math.max(1, world.awayMs[step.node] ?? 0)
          }
          let rounds = 0
          while (act()) assert.ok(rounds++ < 4 * n, 'fetching and releasing goes on for ever')
        }
        const up = world.up.filter(Boolean).length
        const live = liveElsewhere(-1)
        // Whoever survives with a copy spreads it again: to the minimum, or to everybody there is.
        if (live > 0 && up > 1)
          assert.ok(live >= Math.min(3, up), `${live} live copies on ${up} running nodes`)
        // And never leaves all in one zone while another could have one.
        const zoneOf = (i: number): number => (zones === 0 ? i : i % zones)
        const holding = world.holds.flatMap((holds, i) => (holds && world.up[i] === true ? [zoneOf(i)] : []))
        const elsewhere = world.up.some((isUp, i) => isUp && !holding.includes(zoneOf(i)))
        if (live > 0 && elsewhere) assert.ok(new Set(holding).size > 1, `all in zone ${holding[0]}`)
      }
    ),
    { numRuns: 3000 }
  )
})

test('views that differ make one copy too many, never one too few: releases planned on stale views', () => {
  // Every node plans on a view in which some copies are missing. A release planned on it names those it
  // would ask; asking the truth can only find as many or fewer, and below the minimum nothing goes.
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      (truth, seen) => {
        for (let self = 0; self < 8; self++) {
          const copies = truth.flatMap((holds, i) => {
            if (i === self) return holds ? [copy(i, own)] : []
            return holds && seen[i] === true ? [copy(i)] : []
          })
          const { actions } = plan({
            ranked: 8,
            self,
            copies,
            selfView: { copy: truth[self] === true ? 'upload' : 'none' }
          })
          for (const action of actions) {
            if (action.kind === 'release') assert.ok(new Set(action.askHolds).size >= 3)
          }
        }
      }
    ),
    { numRuns: 2000 }
  )
})
