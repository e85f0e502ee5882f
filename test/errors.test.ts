// Every operating error has its row at every rim: an HTTP status and an exit code, so that no failure reaches a
// program or a person as "something went wrong".

import assert from 'node:assert/strict'
import test from 'node:test'
import * as core from '@commonhold/core'
import { httpStatusOf } from '@commonhold/http-bridge'
import { exitCodes, unexpectedExitCode } from '../packages/cli/src/exit-codes.ts'

// From the classes and not from a list, so that a new error without its rows turns this red.
const names = Object.entries(core)
  .filter(([, value]) => typeof value === 'function' && value.prototype instanceof core.OperatingError)
  .map(([name]) => name as core.OperatingErrorName)

test('there are errors to look at', () => assert.ok(names.length >= 13))

for (const name of names) {
  test(`${name} has an HTTP status and an exit code`, () => {
    const status = httpStatusOf(name)
    assert.ok(status >= 400 && status < 600, `${status}`)
    const code = exitCodes[name]
    assert.ok(code > unexpectedExitCode && code < 128, `${code}`)
  })
}

test('the three ways of not being there are told apart over HTTP and by exit code', () => {
  const three = ['NotFoundError', 'DeniedError', 'UnreachableError'] as const
  assert.deepEqual(three.map(httpStatusOf), [404, 410, 504])
  assert.equal(new Set(three.map((name) => exitCodes[name])).size, 3)
})

test('no two errors share an exit code', () => {
  assert.equal(new Set(Object.values(exitCodes)).size, names.length)
})
