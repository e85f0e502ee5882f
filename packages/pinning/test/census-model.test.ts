// The census against a model that keeps plain objects: random histories of claims, reports, proofs, late and wrong
// answers, absences that arrive late, refusals, doubts, words of others, other stores and restarts. And members that
// were told the same, in another order and some of it twice, think the same.
// Seen to fail with `noteAbsent` forgetting whatever is there when the answer arrives (a newer claim is lost), with a
// report that does not take back a refusal, with an older word written over a newer one, with the words left when
// a copy goes, with suspicion not stored, with a second group that does not suspect all, and with corrupt copies counted among those that can clear a group.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom, silentLog } from '@commonhold/core'
import fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import { Census } from '../src/census/census.ts'
import type { Presence } from '../src/census/presence.ts'
import { keepingDefaults } from '../src/keep/keeping-options.ts'
import type { KeepingParts } from '../src/keep/keeping-parts.ts'
import { groupOf, rootKey } from '../src/root-key.ts'
import { memoryDatabase } from './commons/memory-database.ts'
import { nameOf, rootFor } from './harness/disk.ts'

const k = 2
const groups = [0, 1, 2, 3]
/** Two in each of three groups. */
const roots = [0, 1, 2].flatMap((group) =>
  Array.from({ length: 99 }, (_, i) => rootFor(Uint8Array.of(i)))
    .filter((root) => groupOf(root, k) === group)
    .slice(0, 2)
)
const keepers = ['ash', 'beech', 'cedar', 'elm'] as const
const epochs = [Uint8Array.of(1), Uint8Array.of(2)]
const options = { ...keepingDefaults, proofAgeMsMax: 1000, suspectProofs: 2 }

type News =
  | {
      is: 'claim' | 'proven' | 'late' | 'wrong' | 'doubt' | 'silence' | 'declined'
      root: CID
      keeper: string
    }
  | { is: 'absent'; root: CID; keeper: string; askedAgoMs: number }
  | { is: 'group'; keeper: string; group: number; held: readonly CID[] }
  | { is: 'word'; root: CID; keeper: string; by: string; seq: number; epoch: number; livesMs: number }
  | { is: 'epoch'; keeper: string; epoch: number }
  | { is: 'time'; ms: number }
  | { is: 'restart' }

/** One member: its clock, its index, its census. */
class Side {
  nowMs = 10_000
  readonly #parts: KeepingParts
  #census: Census

  private constructor(parts: Pick<KeepingParts['components'], 'database'>) {
    const members = new Map<string, { node: string; operator: string; counted: boolean }>(
      keepers.map((node) => [node, { node, operator: `operator of ${node}`, counted: true }])
    )
    this.#parts = {
      components: {
        ...parts,
        objects: { heldOf: async () => [] },
        keys: { nodeId: 'me' },
        clock: { wallMs: () => this.nowMs },
        random: seededRandom(1),
        log: silentLog
      },
      roster: {
        k,
        member: (node: string) => members.get(node),
        operator: () => ({ counted: true }),
        operators: () => [...members.values()]
      },
      options,
      time: { nowMs: () => this.nowMs }
    } as unknown as KeepingParts
    this.#census = this.#newCensus()
  }

  static async open(): Promise<Side> {
    return new Side({ database: await memoryDatabase() })
  }

  #newCensus(): Census {
    const presence = { awayMs: () => 0, reachableSinceMs: () => 0 } as unknown as Presence
    return new Census(this.#parts, presence)
  }

  async hear(news: News): Promise<void> {
    const census = this.#census
    switch (news.is) {
      case 'claim':
        return await census.noteClaim(news.root, news.keeper)
      case 'proven':
        return await census.noteProven(news.root, news.keeper)
      case 'late':
        return await census.noteLate(news.root, news.keeper)
      case 'wrong':
        return await census.noteWrong(news.root, news.keeper)
      case 'doubt':
        return await census.noteDoubt(news.root, news.keeper)
      case 'silence':
        return await census.noteSilence(news.root, news.keeper)
      case 'declined':
        return await census.noteDeclined(news.root, news.keeper)
      case 'absent':
        return await census.noteAbsent(news.root, news.keeper, news.askedAgoMs)
      case 'group':
        return await census.noteGroup(news.keeper, news.group, news.held.map(rootKey))
      case 'word':
        return await census.noteWord([news.root], {
          challenger: news.by,
          keeper: news.keeper,
          storeEpoch: epochs[news.epoch] ?? new Uint8Array(),
          seq: news.seq,
          expiresWallMs: this.nowMs + news.livesMs
        })
      case 'epoch':
        return await census.noteKeeper(news.keeper, epochs[news.epoch] ?? new Uint8Array())
      case 'time':
        this.nowMs += news.ms
        return
      case 'restart':
        this.#census = this.#newCensus()
        await this.#census.open()
    }
  }

  /** By keeper and object, what is thought of the copy; none where none is known. */
  async thinks(): Promise<Record<string, unknown>> {
    const all: Record<string, unknown> = {}
    const copies = await this.#census.copiesOfAll(roots)
    for (const [i, root] of roots.entries()) {
      for (const { node, state, doubted, lateForMs } of copies[i] ?? []) {
        all[`${node} ${nameOf(root)}`] = { ...state, doubted: doubted === true, lateForMs }
      }
    }
    return all
  }
}

interface CopyModel {
  readonly root: CID
  readonly keeper: string
  claimedMs: number
  provenMs?: number | undefined
  corruptMs?: number | undefined
  declined: boolean
  doubted: boolean
  lateMs?: number | undefined
}

interface WordModel {
  readonly seq: number
  readonly epoch: number
  readonly receivedMs: number
  readonly expiresMs: number
}

class Model {
  nowMs = 10_000
  readonly #copies = new Map<string, CopyModel>()
  readonly #words = new Map<string, WordModel>()
  readonly #epochs = new Map<string, number>()
  readonly #suspicions = new Map<string, { left: number; sinceMs: number }>()

  hear(news: News): void {
    switch (news.is) {
      case 'claim':
        this.#claim(news.root, news.keeper)
        return
      case 'proven': {
        const copy = this.#claim(news.root, news.keeper)
        Object.assign(copy, { provenMs: this.nowMs, corruptMs: undefined, doubted: false, lateMs: undefined })
        const place = suspicionOf(news.keeper, groupOf(news.root, k))
        const suspicion = this.#suspicions.get(place)
        if (suspicion !== undefined && --suspicion.left === 0) this.#suspicions.delete(place)
        return
      }
      case 'late': {
        const copy = this.#claim(news.root, news.keeper)
        copy.lateMs ??= this.nowMs
        copy.doubted = false
        return
      }
      case 'declined':
        this.#claim(news.root, news.keeper).declined = true
        return
      case 'wrong': {
        const copy = this.#copyOf(news.root, news.keeper)
        if (copy !== undefined) {
          Object.assign(copy, { provenMs: undefined, corruptMs: this.nowMs, doubted: false })
        }
        const group = groupOf(news.root, k)
        const another = [...this.#suspicions.keys()].some(
          (place) => place.startsWith(`${news.keeper} `) && place !== suspicionOf(news.keeper, group)
        )
        this.#suspect(news.keeper, group)
        if (!another) return
        for (const each of groups) {
          if (!this.#suspicions.has(suspicionOf(news.keeper, each))) this.#suspect(news.keeper, each)
        }
        return
      }
      case 'doubt': {
        const copy = this.#copyOf(news.root, news.keeper)
        if (copy !== undefined) copy.doubted = true
        return
      }
      case 'silence': {
        const copy = this.#copyOf(news.root, news.keeper)
        if (copy !== undefined) copy.provenMs = undefined
        return
      }
      case 'absent': {
        const copy = this.#copyOf(news.root, news.keeper)
        if (copy === undefined || copy.claimedMs <= this.nowMs - news.askedAgoMs) {
          this.#forget(news.root, news.keeper)
        }
        return
      }
      case 'group':
        for (const root of roots.filter((one) => groupOf(one, k) === news.group)) {
          const copy = this.#copyOf(root, news.keeper)
          if (news.held.includes(root)) this.#claim(root, news.keeper)
          else if (copy !== undefined && !copy.declined && copy.corruptMs === undefined) {
            this.#forget(root, news.keeper)
          }
        }
        return
      case 'word': {
        const place = `${news.keeper} ${nameOf(news.root)} ${news.by}`
        const { seq, epoch } = news
        if ((this.#words.get(place)?.seq ?? -1) >= seq) return
        const expiresMs = this.nowMs + news.livesMs
        this.#words.set(place, { seq, epoch, receivedMs: this.nowMs, expiresMs })
        return
      }
      case 'epoch': {
        const before = this.#epochs.get(news.keeper)
        this.#epochs.set(news.keeper, news.epoch)
        if (before === undefined || before === news.epoch) return
        for (const [place, { keeper }] of this.#copies) if (keeper === news.keeper) this.#copies.delete(place)
        return
      }
      case 'time':
        this.nowMs += news.ms
        return
      case 'restart':
        for (const suspicion of this.#suspicions.values()) suspicion.sinceMs = this.nowMs
    }
  }

  thinks(): Record<string, unknown> {
    const all: Record<string, unknown> = {}
    for (const [place, copy] of this.#copies) {
      const { doubted, lateMs } = copy
      const lateForMs = lateMs === undefined ? undefined : this.nowMs - lateMs
      all[place] = { ...this.#stateOf(copy), doubted, lateForMs }
    }
    return all
  }

  #stateOf({ root, keeper, declined, corruptMs, provenMs, claimedMs }: CopyModel): object {
    if (declined) return { kind: 'declined' }
    if (corruptMs !== undefined) return { kind: 'corrupt', forMs: this.nowMs - corruptMs }
    const suspicion = this.#suspicions.get(suspicionOf(keeper, groupOf(root, k)))
    const said = keepers
      .filter((by) => by !== keeper)
      .flatMap((by) => this.#words.get(`${keeper} ${nameOf(root)} ${by}`) ?? [])
      .filter(({ expiresMs, epoch }) => {
        const known = this.#epochs.get(keeper)
        return expiresMs > this.nowMs && (known === undefined || known === epoch)
      })
      .map(({ receivedMs }) => receivedMs)
      .sort((a, b) => b - a)
    const sinceMs = suspicion === undefined ? Math.max(provenMs ?? -1, said[1] ?? -1) : -1
    if (sinceMs >= 0 && this.nowMs - sinceMs < options.proofAgeMsMax) {
      return { kind: 'proven', ageMs: this.nowMs - sinceMs }
    }
    const lapsedMs = sinceMs < 0 ? 0 : sinceMs + options.proofAgeMsMax
    return { kind: 'claimed', forMs: this.nowMs - Math.max(claimedMs, lapsedMs, suspicion?.sinceMs ?? 0) }
  }

  #claim(root: CID, keeper: string): CopyModel {
    const known = this.#copyOf(root, keeper)
    const copy = known ?? { root, keeper, claimedMs: this.nowMs, declined: false, doubted: false }
    copy.declined = false
    this.#copies.set(`${keeper} ${nameOf(root)}`, copy)
    return copy
  }

  #copyOf(root: CID, keeper: string): CopyModel | undefined {
    return this.#copies.get(`${keeper} ${nameOf(root)}`)
  }

  #forget(root: CID, keeper: string): void {
    this.#copies.delete(`${keeper} ${nameOf(root)}`)
    for (const by of keepers) this.#words.delete(`${keeper} ${nameOf(root)} ${by}`)
  }

  #suspect(keeper: string, group: number): void {
    const sound = [...this.#copies.values()].filter(
      (copy) => copy.keeper === keeper && groupOf(copy.root, k) === group && copy.corruptMs === undefined
    )
    const left = Math.min(options.suspectProofs, sound.length)
    if (left > 0) this.#suspicions.set(suspicionOf(keeper, group), { left, sinceMs: this.nowMs })
  }
}

function suspicionOf(keeper: string, group: number): string {
  return `${keeper} ${group}`
}

const rootArb = fc.constantFrom(...roots)
// Few, so that news meet; everybody's word is heard about them.
const keeperArb = fc.constantFrom('ash', 'beech')
const challengerArb = fc.constantFrom(...keepers)
const wordArb: fc.Arbitrary<News> = fc.record({
  is: fc.constant('word' as const),
  root: rootArb,
  keeper: keeperArb,
  by: challengerArb,
  seq: fc.integer({ min: 1, max: 6 }),
  epoch: fc.integer({ min: 0, max: 1 }),
  livesMs: fc.integer({ min: 1, max: 1200 })
})
const newsArb: fc.Arbitrary<News> = fc.oneof(
  fc.record({
    is: fc.constantFrom(
      'claim' as const,
      'proven',
      'proven',
      'late',
      'wrong',
      'doubt',
      'silence',
      'declined'
    ),
    root: rootArb,
    keeper: keeperArb
  }),
  fc.record({
    is: fc.constant('absent' as const),
    root: rootArb,
    keeper: keeperArb,
    askedAgoMs: fc.integer({ min: 0, max: 600 })
  }),
  fc.tuple(keeperArb, fc.constantFrom(...groups), fc.subarray(roots)).map(
    ([keeper, group, some]): News => ({
      is: 'group',
      keeper,
      group,
      held: some.filter((root) => groupOf(root, k) === group)
    })
  ),
  wordArb,
  fc.record({ is: fc.constant('epoch' as const), keeper: keeperArb, epoch: fc.integer({ min: 0, max: 1 }) }),
  fc.record({ is: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 400 }) }),
  fc.constant<News>({ is: 'restart' })
)

test('whatever is heard, in whatever order and however late, the census thinks what the model thinks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(newsArb, { minLength: 1, maxLength: 60, size: 'max' }), async (history) => {
      const side = await Side.open()
      const model = new Model()
      for (const news of history) {
        await side.hear(news)
        model.hear(news)
        assert.deepEqual(await side.thinks(), model.thinks(), JSON.stringify(news))
      }
    }),
    { numRuns: 250 }
  )
})

test('an absence that arrives late does not erase a claim made since it was asked about', async () => {
  const side = await Side.open()
  const [root] = roots
  assert.ok(root)
  await side.hear({ is: 'claim', root, keeper: 'ash' })
  await side.hear({ is: 'absent', root, keeper: 'ash', askedAgoMs: 10 })
  assert.equal(Object.keys(await side.thinks()).length, 1)
  await side.hear({ is: 'time', ms: 100 })
  await side.hear({ is: 'absent', root, keeper: 'ash', askedAgoMs: 10 })
  assert.deepEqual(await side.thinks(), {})
})

test('what was proven about a copy that went says nothing about one that comes in its place', async () => {
  const side = await Side.open()
  const [root] = roots
  assert.ok(root)
  const word = { is: 'word', root, keeper: 'ash', seq: 1, epoch: 0, livesMs: 500 } as const
  for (const is of ['claim', 'absent', 'claim'] as const) {
    await side.hear({ is, root, keeper: 'ash', askedAgoMs: 0 })
    if (is === 'absent') continue
    const [thought] = Object.values(await side.thinks()) as { kind: string }[]
    assert.equal(thought?.kind, 'claimed')
    for (const by of ['beech', 'cedar']) {
      if (side.nowMs === 10_000) await side.hear({ ...word, by })
    }
    await side.hear({ is: 'time', ms: 1 })
  }
})

test('a second group that answers wrongly brings everything at that keeper under suspicion', async () => {
  const side = await Side.open()
  for (const root of roots) await side.hear({ is: 'proven', root, keeper: 'ash' })
  for (const wrong of [roots[0], roots[2]]) {
    assert.ok(wrong)
    await side.hear({ is: 'wrong', root: wrong, keeper: 'ash' })
  }
  const kinds = Object.values(await side.thinks()).map((thought) => (thought as { kind: string }).kind)
  assert.deepEqual(kinds.toSorted(), ['claimed', 'claimed', 'claimed', 'claimed', 'corrupt', 'corrupt'])
})

test('members that were told the same, in another order and some of it twice, think the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(wordArb, fc.nat(), fc.boolean()), { maxLength: 40, size: 'max' }),
      fc.array(fc.tuple(rootArb, keeperArb), { maxLength: 12, size: 'max' }),
      fc.integer({ min: 0, max: 1300 }),
      async (words, claims, laterMs) => {
        const [a, b] = [await Side.open(), await Side.open()]
        // A challenger gives each seq once.
        const once = new Map<string, (typeof words)[number]>()
        for (const [word, ...rest] of words) {
          if (word.is === 'word') once.set(`${word.by} ${word.seq}`, [word, ...rest])
        }
        const told = [...once.values()]
        const claimed = claims.map(([root, keeper]): News => ({ is: 'claim', root, keeper }))
        for (const side of [a, b]) {
          for (const keeper of keepers) await side.hear({ is: 'epoch', keeper, epoch: 0 })
        }
        for (const news of [...claimed, ...told.map(([word]) => word)]) await a.hear(news)
        const shuffled = told.toSorted((x, y) => x[1] - y[1])
        const again = shuffled.filter(([, , twice]) => twice)
        for (const [word] of [...shuffled, ...again]) await b.hear(word)
        for (const news of claimed.toReversed()) await b.hear(news)
        for (const side of [a, b]) await side.hear({ is: 'time', ms: laterMs })
        assert.deepEqual(await a.thinks(), await b.thinks())
      }
    ),
    { numRuns: 100 }
  )
})
