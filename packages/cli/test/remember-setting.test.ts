// A setting is written into the config without disturbing what its owner wrote.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'smol-toml'
import { configTemplate, resolveConfig } from '../src/config.ts'
import { withSetting } from '../src/remember-setting.ts'

const keepOf = (text: string): number => resolveConfig(parse(text), 'test').node.keep

test('set, commented out, absent, no section, no file', () => {
  for (const text of [
    configTemplate,
    '',
    '[http]\nport = 1',
    '[node]\nkeep = "1GB" # mine\n[http]\nport = 1\n',
    '[node]\n# keep = "1GB"\nkeep = "2GB"\n',
    '[http]\nport = 1\n[node]\nclass = "home"'
  ]) {
    const changed = withSetting(text, 'node', 'keep', '7000')
    assert.equal(keepOf(changed), 7000, text)
    assert.equal(keepOf(withSetting(changed, 'node', 'keep', '8000')), 8000, 'and again')
  }
})

test('comments and other settings stay as they were', () => {
  const changed = withSetting(configTemplate, 'node', 'keep', '7000')
  const differing = changed.split('\n').filter((line, i) => line !== configTemplate.split('\n')[i])
  assert.deepEqual(differing, ['keep = 7000'])
})
