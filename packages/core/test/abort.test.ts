// Waiting with a signal leaves nothing behind: seen to fail when `unlessAborted` is a race with one
// promise that lives as long as the signal, which keeps every value that ever won.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { unlessAborted } from '@commonhold/core'

test('what was waited for can be collected while the signal lives', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { signal } = new AbortController()
  const values: WeakRef<object>[] = []
  for (let i = 0; i < 100; i++) {
    values.push(new WeakRef(await unlessAborted(Promise.resolve({ i }), signal)))
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  // A WeakRef keeps its object to the end of the turn in which it was made.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const kept = values.filter((value) => value.deref() !== undefined).length
  assert.ok(kept <= 1, `${kept} of 100 values are kept`)
})

test('the signal ends the waiting and not the work, whoever fails first', async () => {
  const caller = new AbortController()
  const work = Promise.withResolvers<string>()
  const waiting = unlessAborted(work.promise, caller.signal)
  caller.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  await assert.rejects(unlessAborted(work.promise, caller.signal), /enough/)
  work.resolve('done')
  assert.equal(await work.promise, 'done')
  await assert.rejects(
    unlessAborted(Promise.reject(new Error('broken')), new AbortController().signal),
    /broken/
  )
})
