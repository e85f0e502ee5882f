// The config file × every kind of bad input: an error that names file, key and what to do, before
// anything is started.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { configFileName, configTemplate, parseOverride, readConfig } from '../src/config.ts'
import { defaults } from '../src/options.ts'

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-config-'))
})

after(() => rm(folder, { recursive: true, force: true }))

async function read(text: string | Uint8Array): Promise<unknown> {
  await writeFile(join(folder, configFileName), text)
  return readConfig(folder)
}

const table: readonly (readonly [what: string, text: string | Uint8Array, message: RegExp])[] = [
  ['truncated', '[network]\nlisten = ["/ip4/', /config\.toml, line 2, is not TOML/],
  ['garbage', randomBytes(2000), /config\.toml is not UTF-8 text|is not TOML/],
  ['oversized', `# ${'x'.repeat(defaults.configBytesMax)}`, /larger than \d+ bytes/],
  ['unknown section', '[htpp]\nport = 1', /no setting “htpp”\. Did you mean “http”\?/],
  ['unknown key', '[http]\nprot = 1', /no setting “http\.prot”\. Did you mean “http\.port”\?/],
  ['unknown key far from any', '[http]\nsurprise = 1', /there are host, port, url/],
  ['wrong type: text for a number', '[http]\nport = "many"', /“http\.port” is not valid/],
  ['wrong type: number for a list', '[network]\nlisten = 4420', /“network\.listen” is not valid/],
  ['wrong type: a value for a section', 'http = 1', /“http” is not valid/],
  ['out of range', '[http]\nport = 70000', /“http\.port” is not valid/],
  ['negative size', '[node]\nkeep = -1', /“node\.keep” is not valid/],
  ['size without meaning', '[node]\nkeep = "50 apples"', /not a size for node\.keep: write it like 50GB/],
  ['duration without meaning', '[http]\ncacheAge = "soon"', /not a duration for http\.cacheAge/],
  ['wrong word', '[node]\nclass = "cloud"', /“node\.class” is not valid/],
  ['wrong scheme', '[http]\nurl = "ftp://x"', /“http\.url” is not valid/],
  ['a wrong version’s shape', 'version = 9\n[http]\nport = 1', /no setting “version”/]
]

for (const [what, text, message] of table) {
  test(`config: ${what}`, async () => {
    await assert.rejects(read(text), (err: Error) => {
      assert.equal(err.name, 'InvalidInputError')
      assert.match(err.message, message)
      assert.ok(err.message.includes(folder), 'the file is named')
      assert.ok(err.message.length < 600)
      return true
    })
  })
}

test('config: empty and absent are the defaults, and so is the template', async () => {
  const empty = await read('')
  assert.deepEqual(await read(configTemplate), empty)
  await rm(join(folder, configFileName))
  assert.deepEqual(await readConfig(folder), empty)
})

test('config: every line of the template, uncommented, is a valid setting', async () => {
  const uncommented = configTemplate.replaceAll(/^# (\w+ = )/gm, '$1')
  assert.notEqual(uncommented, configTemplate)
  await assert.doesNotReject(read(uncommented))
})

test('config: sizes, durations and overrides are read as people write them', async () => {
  await writeFile(
    join(folder, configFileName),
    '[node]\nkeep = "1.5TB"\n[http]\ncacheAge = "90m"\nport = 1\n'
  )
  const overrides = [
    'http.port=9000',
    'node.class=home',
    'node.zone="north sea"',
    'network.listen=["/ip4/1.2.3.4/tcp/1"]'
  ]
  const config = await readConfig(folder, overrides.map(parseOverride))
  assert.equal(config.node.keep, 1.5e12)
  assert.equal(config.node.class, 'home')
  assert.equal(config.node.zone, 'north sea')
  assert.equal(config.http.cacheAge, 90 * 60_000)
  assert.equal(config.http.port, 9000)
  assert.deepEqual(config.network.listen, ['/ip4/1.2.3.4/tcp/1'])
})

test('overrides: what is none is refused', () => {
  for (const text of ['', 'http', 'port=1', '=1', 'http.port', 'a.b.c=1', '__proto__.x=1']) {
    assert.throws(() => parseOverride(text), { name: 'InvalidInputError', message: /--set http\.port=8421/ })
  }
})
