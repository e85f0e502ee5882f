// Randomness as a parameter: the seeded generator is the published one, so a seed means the same run everywhere.

import assert from 'node:assert/strict'
import test from 'node:test'
import { seededRandom, systemRandom } from '@commonhold/core'
import fc from 'fast-check'

test('xoshiro128** seeded by splitmix32: the first numbers, computed by another implementation', () => {
  const firsts: [seed: number, numbers: number[]][] = [
    [0, [3809008728, 1133695204, 53579671, 2891528803, 139681546, 2203266335]],
    [1, [2442144158, 3238099751, 3819917871, 2104621829, 2021136066, 4223536128]],
    [0xdeadbeef, [2306529437, 2576298207, 1250671110, 2699168992, 2319502352, 3183738783]]
  ]
  for (const [seed, numbers] of firsts) {
    const random = seededRandom(seed)
    assert.deepEqual(
      numbers.map(() => random.unit() * 2 ** 32),
      numbers
    )
  }
})

test('the same seed gives the same run, whatever is asked for in which sizes', () => {
  fc.assert(
    fc.property(fc.integer(), fc.array(fc.nat({ max: 40 }), { maxLength: 10 }), (seed, sizes) => {
      const one = seededRandom(seed)
      const other = seededRandom(seed)
      for (const size of sizes) {
        assert.deepEqual(one.bytes(size), other.bytes(size))
        assert.equal(one.unit(), other.unit())
      }
    })
  )
})

for (const [name, random] of Object.entries({ seededRandom: seededRandom(42), systemRandom })) {
  test(`${name}: a unit is in [0, 1) and spread evenly, bytes have the length asked for`, () => {
    const buckets = new Array<number>(16).fill(0)
    for (let i = 0; i < 16_000; i++) {
      const unit = random.unit()
      assert.ok(unit >= 0 && unit < 1)
      const bucket = Math.floor(unit * 16)
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    // 1,000 expected in each, standard deviation 31: seven of them are out of reach of chance.
    for (const count of buckets) assert.ok(Math.abs(count - 1_000) < 220, buckets.join(' '))
    for (const length of [0, 1, 32, 1_000]) assert.equal(random.bytes(length).length, length)
    assert.notDeepEqual(random.bytes(32), random.bytes(32))
  })
}
