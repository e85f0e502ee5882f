// A question to a member that takes nothing: it ends with its signal, or with the stream, and the process
// goes on. Seen to fail (as an unhandled rejection, which ends the process) when the wait for the answer
// is called off before anybody waits for it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamPair } from '@libp2p/utils'
import { PoolLink } from '../src/pool-link.ts'
import { poolProtocol } from '../src/pool-wire.ts'

test('a question that cannot even be written ends with its signal and leaves nothing behind', async () => {
  const [mine, theirs] = await streamPair({ protocol: poolProtocol })
  // A frozen process: its kernel takes what fits, and then nothing more.
  theirs.pause()
  let ended = 0
  const link = new PoolLink('12D3KooWFrozen', mine, () => ended++)
  const caller = new AbortController()
  const message = new Uint8Array(1024 * 1024)
  const asked = Array.from({ length: 12 }, () => link.request(message, { signal: caller.signal }))
  const outcomes = Promise.allSettled(asked)
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(mine.writableNeedsDrain, 'some of them wait to be written')
  caller.abort(new Error('enough'))
  for (const outcome of await outcomes) {
    assert.equal(outcome.status, 'rejected')
    assert.match(String(outcome.reason), /enough/)
  }
  // Unhandled rejections are told at the end of a turn.
  await new Promise((resolve) => setImmediate(resolve))
  const late = link.request(message)
  link.abort(new Error('gone'))
  await assert.rejects(late, { name: 'UnreachableError' })
  assert.equal(ended, 1)
})

// Seen to fail (never ended, so the same dead stream is asked for ever) with the abort taken out of `FrameStream.send`.
test('a stream that ended before anybody listened to it is given up at the first question', async () => {
  const [mine] = await streamPair({ protocol: poolProtocol })
  mine.abort(new Error('reset on its way to us'))
  // The event is over when the link is made.
  await new Promise((resolve) => setImmediate(resolve))
  let ended = 0
  const link = new PoolLink('12D3KooWReset', mine, () => ended++)
  await assert.rejects(link.request(new Uint8Array(1)), { name: 'UnreachableError' })
  assert.equal(ended, 1)
})
