// What people are told: the objects in need, worst first, and why one object stands as it does. Seen to
// fail with `needy` ordered by root, with the page's end not taken as a beginning, and with placement left
// out of `why`. The last test reads the page for operators beside the table of sentences.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { reasonTexts } from '../src/plan/reasons.ts'
import { nameOf } from './harness/disk.ts'
import { Village } from './harness/village.ts'

const calm = { keeping: { presenceIntervalMs: 60_000, tickMs: 10_000 } }

test('objects in need are listed worst first, in pages, and explained', async () => {
  const village = await Village.of(5, 11, calm)
  const asker = village.house(0)
  const roots: CID[] = []
  for (let i = 0; i < 8; i++) {
    const { root } = await asker.put(`picture ${i}`)
    await village.during(asker.pool.waitUntilHealthy(root))
    roots.push(root)
  }
  const inNeed = () => asker.pool.needy(['at risk', 'unreachable', 'lost'], undefined, 100)
  await village.until('nothing is in need', async () => (await inNeed()).length === 0)
  const well = await asker.pool.summary()
  assert.equal(well.groups.healthy, 2 ** asker.pool.k)

  // Two of five go: every object that had copies at both is at risk until the others repaired it.
  const gone = village.nodes.slice(3)
  for (const house of gone) await house.end()
  const expected = new Map(
    roots.map((root) => [
      nameOf(root),
      village.holdingHouses(root).filter((house) => !gone.includes(house)).length
    ])
  )
  await village.until(
    'the asker noticed',
    async () => asker.pool.members().filter((member) => !member.reachable).length === gone.length
  )
  await asker.pool.reconsider(roots)
  const needy = await inNeed()
  const below = [...expected.values()].filter((live) => live < 3).length
  assert.ok(below > 0, 'the two that went held something')
  assert.equal(needy.length, below)
  const lives = needy.map((object) => object.copiesLive)
  assert.deepEqual(
    lives,
    [...lives].sort((a, b) => a - b)
  )
  for (const object of needy) assert.equal(object.copiesLive, expected.get(nameOf(object.root)))

  const paged: string[] = []
  let after: (typeof needy)[number] | undefined
  for (;;) {
    const page = await asker.pool.needy(['at risk', 'unreachable', 'lost'], after, 2)
    paged.push(...page.map((object) => nameOf(object.root)))
    after = page.at(-1)
    if (page.length < 2) break
  }
  assert.deepEqual(
    paged,
    needy.map((object) => nameOf(object.root))
  )
  const groups = (await asker.pool.summary()).groups
  assert.ok(groups['at risk'] > 0 && groups['at risk'] <= below)
  assert.equal(
    Object.values(groups).reduce((sum, n) => sum + n, 0),
    2 ** asker.pool.k
  )

  const [worst] = needy
  assert.ok(worst !== undefined)
  const why = await asker.pool.why(worst.root)
  assert.ok(why !== undefined)
  assert.equal(why.status.copiesLive, worst.copiesLive)
  assert.deepEqual(why.authors.length, 1)
  const away = why.ranking.filter((keeper) => keeper.awayMs > 0).map((keeper) => keeper.node)
  assert.ok(away.every((node) => gone.some((house) => house.id === node)))
  // Absent for less than the repair delay, they keep their places.
  assert.equal(why.ranking.filter((keeper) => keeper.placed).length, why.status.copiesTarget)
  await village.until('who lacks it means to fetch it', async () => {
    for (const house of village.nodes.slice(0, 3)) {
      const told = await house.pool.why(worst.root)
      if (told?.actions.some((action) => action.kind === 'fetch') === true) return true
    }
    return false
  })
  await village.close()
})

test('docs/operations.md says of every reason what the program says', async () => {
  const page = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8')
  const rows = new Map(
    [...page.matchAll(/^\| `([A-Z_]+)` \| (.*) \| (.*) \|$/gm)].map((row) => [row[1], row.slice(2)])
  )
  for (const [code, { text, command }] of Object.entries(reasonTexts)) {
    assert.deepEqual(rows.get(code), [text, command === undefined ? '' : `\`${command}\``], code)
  }
  const summary = await readFile(new URL('../src/status.ts', import.meta.url), 'utf8')
  const poolCodes =
    /export interface PoolReason \{[\s\S]*?readonly code:([\s\S]*?)\/\*\*/.exec(summary)?.[1] ?? ''
  for (const code of poolCodes.match(/'[A-Z_]+'/g) ?? []) assert.ok(rows.has(code.slice(1, -1)), code)
})
