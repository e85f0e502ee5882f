// Sets compared by digests of ranges: what is found is exactly the difference, for the price of the difference,
// whatever a hostile side answers. Seen red: with the digests of a range not forgotten when a name is added, with
// `f` for `g` at the end of a range, with the names of equal sets not told, with names in any order taken, and
// without either bound on what is asked.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { encodeRecord, fromHex, seededRandom, toHex } from '@commonhold/core'
import fc from 'fast-check'
import {
  answerRanges,
  type Compared,
  compareNames,
  type Name,
  NameSet,
  type Range,
  type RangeAnswer
} from '../src/name-set.ts'
import { defaults } from '../src/options.ts'

interface Price {
  questions: number
  bytes: number
}

function nameOf(i: number): Name {
  return createHash('sha256').update(`name ${i}`).digest('hex')
}

async function compare(
  ours: NameSet,
  theirs: NameSet,
  price: Price = { questions: 0, bytes: 0 }
): Promise<Compared> {
  return await compareNames(ours, async (ranges) => {
    const answer = answerRanges(theirs, ranges)
    price.questions++
    price.bytes += encodeRecord({ ranges }).length + encodeRecord({ ranges: answer }).length
    return answer
  })
}

test('two sets learn what the other has and what it lacks, exactly', async () => {
  // Names that share long beginnings as well as spread ones.
  const name = fc.oneof(
    fc.nat(2000).map(nameOf),
    fc.nat(300).map((i) => i.toString(16).padStart(64, 'a'))
  )
  const names = fc.array(name, { maxLength: 600, size: 'max' })
  await fc.assert(
    fc.asyncProperty(names, names, names, async (both, onlyOurs, onlyTheirs) => {
      const ours = new Set([...both, ...onlyOurs])
      const theirs = new Set([...both, ...onlyTheirs])
      const found = await compare(new NameSet(ours), new NameSet(theirs))
      assert.deepEqual([...found.theirs].sort(), [...theirs].sort())
      assert.deepEqual([...found.oursOnly].sort(), [...ours].filter((one) => !theirs.has(one)).sort())
      assert.equal(found.complete, true)
    }),
    { numRuns: 100 }
  )
})

test('a set that grew and shrank is the set that was made so', () => {
  const change = fc.tuple(fc.boolean(), fc.nat(40))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const set = new NameSet()
      const model = new Set<Name>()
      for (const [adds, i] of changes) {
        const name = nameOf(i)
        if (adds) set.add(name)
        else set.delete(name)
        if (adds) model.add(name)
        else model.delete(name)
        const anew = new NameSet(model)
        assert.deepEqual(set.under(''), anew.under(''))
        for (const length of [0, 1, 2, 3, 64]) {
          const prefix = name.slice(0, length)
          assert.deepEqual(set.digest(prefix), anew.digest(prefix))
        }
        assert.equal(set.has(name), model.has(name))
      }
    })
  )
})

test('what it costs goes with the difference, not with the set', async () => {
  for (const size of [10, 100, 1000, 10_000]) {
    const names = Array.from({ length: size }, (_, i) => nameOf(i))
    const same: Price = { questions: 0, bytes: 0 }
    const alike = await compare(new NameSet(names), new NameSet(names), same)
    assert.equal(alike.theirs.length, size)
    assert.ok(same.questions === 1 && same.bytes < 128, `${size} the same: ${JSON.stringify(same)}`)
    const one: Price = { questions: 0, bytes: 0 }
    await compare(new NameSet(names.slice(1)), new NameSet(names), one)
    assert.ok(one.questions <= 4 && one.bytes < 5000, `one of ${size}: ${JSON.stringify(one)}`)
  }
})

test('a set as large as a pool can be is learnt from nothing, in one comparison', async () => {
  const theirs = new NameSet(Array.from({ length: 60_000 }, (_, i) => nameOf(i)))
  const found = await compare(new NameSet(), theirs)
  assert.equal(found.theirs.length, theirs.size)
  assert.equal(found.complete, true)
})

test('a side that always differs keeps nobody busy, and one that answers nonsense is refused', async () => {
  const random = seededRandom(5)
  const digests = (): RangeAnswer => ({ digests: Array.from({ length: 16 }, () => random.bytes(32)) })
  let ranges = 0
  const endless = compareNames(new NameSet([nameOf(1)]), async (asked) => {
    ranges += asked.length
    // Where names end it must stop by itself; before that, the asker has to.
    return asked.map(([prefix]) => (prefix.length < 64 ? digests() : { names: [] }))
  })
  assert.equal((await endless).complete, false)
  assert.ok(ranges < defaults.rangesPerExchangeMax + defaults.rangesPerMessageMax)

  const nonsense: [string, (asked: Range[]) => RangeAnswer[]][] = [
    ['no answer to a range', () => []],
    ['an answer too many', (asked) => [...asked.map(() => null), null]],
    [
      'names out of order',
      (asked) => asked.map(() => ({ names: [nameOf(1), nameOf(2)].sort().reverse().map(fromHex) }))
    ],
    ['a name twice', (asked) => asked.map(() => ({ names: [fromHex(nameOf(1)), fromHex(nameOf(1))] }))],
    [
      'names elsewhere',
      (asked) =>
        asked.map(([prefix]) =>
          prefix === ''
            ? digests()
            : { names: [fromHex(prefix[0] === 'a' ? 'b'.repeat(64) : 'a'.repeat(64))] }
        )
    ],
    ['something within a whole name', (asked) => asked.map(() => digests())]
  ]
  for (const [what, answer] of nonsense) {
    const asked = compareNames(new NameSet([nameOf(1)]), async (ranges_) => {
      // To the depth of a whole name at once, or the bound on ranges comes first.
      const deep = what === 'something within a whole name'
      return deep ? deepen(ranges_) : answer(ranges_)
    })
    await assert.rejects(asked, { name: 'MalformedRecordError' }, what)
  }
})

/** Differs in the first of sixteen ranges only, all the way down, and once more. */
function deepen(ranges: readonly Range[]): RangeAnswer[] {
  const empty = new NameSet().digest()
  return ranges.map(() => ({
    digests: Array.from({ length: 16 }, (_, i) => (i === 0 ? new Uint8Array(32) : empty))
  }))
}

test('vectors', () => {
  const path = new URL('../../../test/vectors/ranges.json', import.meta.url)
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as {
    sets: { size: number; ranges: { prefix: string; digest: string; answer: string }[] }[]
  }
  for (const { size, ranges } of vectors.sets) {
    const set = new NameSet(Array.from({ length: size }, (_, i) => nameOf(i)))
    for (const { prefix, digest, answer } of ranges) {
      assert.equal(toHex(set.digest(prefix)), digest)
      const told = answerRanges(set, [[prefix, new Uint8Array(32)]])
      assert.equal(toHex(encodeRecord({ ranges: told })), answer, `${size} ${prefix}`)
      assert.deepEqual(answerRanges(set, [[prefix, fromHex(digest)]]), [null])
    }
  }
})
