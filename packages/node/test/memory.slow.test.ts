// Memory is bounded whatever the size of an object and the number of readers that fall behind: peak
// resident memory of the serving and of the reading process, while 2 GiB pass between them.
// Seen to fail with `exchangeWindowBytes` at 64 MiB and `exchangeReceiveBytesMax` at 4 GiB: the reader
// peaks at 535 MiB.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'

const peakBytesMax = 300 * 1024 * 1024
const script = new URL('memory-process.ts', import.meta.url)
const processOf = (...words: string[]) => fork(script, words, { execArgv: ['--conditions=source'] })

test('2 GiB to one quick and 4 stuck readers within 300 MB on either side', {
  timeout: 300_000
}, async (t) => {
  const server = processOf('serve')
  const [{ address, node, root }] = await once(server, 'message')
  const reader = processOf('read', address, node, root)
  // A reader that dies says so here, instead of letting the test wait for its message.
  const read = await new Promise<{ peakBytes: number }>((resolve, reject) => {
    reader.once('message', resolve)
    reader.once('exit', (code) => reject(new Error(`the reader ended with ${code}`)))
  }).finally(() => server.send('stop'))
  const [served] = await once(server, 'message')
  for (const [who, { peakBytes }] of [
    ['reader', read],
    ['server', served]
  ] as const) {
    assert.ok(peakBytes <= peakBytesMax, `the ${who} peaked at ${Math.round(peakBytes / 2 ** 20)} MiB`)
    t.diagnostic(`${who}: ${Math.round(peakBytes / 2 ** 20)} MiB`)
  }
})
