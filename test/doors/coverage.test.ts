// docs/doors.md says which test is which cell of door × bad input. Here it is held to it: seven cells a door,
// each naming words that stand in the test file it links, or saying why there is nothing to test.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const kinds = ['empty', 'truncated', 'oversized', 'wrong type', 'wrong version', 'garbage', 'wrong auth']
const page = new URL('../../docs/doors.md', import.meta.url)
const [, ...doors] = readFileSync(page, 'utf8').split(/^## /m)

test('there are doors', () => assert.ok(doors.length >= 10))

for (const door of doors) {
  const [name = ''] = door.split('\n', 1)
  test(`door: ${name}`, () => {
    const cells = [...door.matchAll(/^\| (.+?) \| (.+) \|$/gm)].slice(1).filter(([, kind]) => kind !== '---')
    assert.deepEqual(
      cells.map(([, kind]) => kind),
      kinds
    )
    for (const [, kind, cell = ''] of cells) {
      if (/^none: .{10,}/.test(cell)) continue
      const [, path, words] = /\]\((.+?)\): `(.+)`$/.exec(cell) ?? assert.fail(`${kind}: ${cell}`)
      const text = readFileSync(new URL(path ?? '', page), 'utf8').replaceAll('`', '')
      assert.ok(text.includes(words ?? ''), `${kind}: “${words}” is not in ${path}`)
    }
  })
}
