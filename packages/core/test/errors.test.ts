// The vocabulary of failure: names that survive the way across packages, sentences for people, causes kept.

import assert from 'node:assert/strict'
import test from 'node:test'
import * as core from '@commonhold/core'

const samples: Record<core.OperatingErrorName, core.OperatingError> = {
  InvalidInputError: new core.InvalidInputError('A name is missing.'),
  MalformedRecordError: new core.MalformedRecordError('head', 'it is empty'),
  NotFoundError: new core.NotFoundError('Nobody has it.'),
  NotAFileError: new core.NotAFileError('Bafy'),
  DeniedError: new core.DeniedError('bafk', ['on the list of today']),
  UnauthorizedError: new core.UnauthorizedError('A token is missing.'),
  UnreachableError: new core.UnreachableError('Nobody answered.'),
  CorruptBlockError: new core.CorruptBlockError('bafk', 'on disk'),
  NoSpaceError: new core.NoSpaceError('The disk is full.'),
  TooLargeError: new core.TooLargeError('The upload', 7),
  BusyError: new core.BusyError('Too much at once.'),
  PoolTooSmallError: new core.PoolTooSmallError(1, 3),
  ConflictError: new core.ConflictError('It is already running.'),
  StoreMismatchError: new core.StoreMismatchError('This is another folder.')
}

test('every exported error class has its name, and there is no other', () => {
  const exported = Object.entries(core)
    .filter(([, value]) => typeof value === 'function' && value.prototype instanceof core.OperatingError)
    .map(([name]) => name)
  assert.deepEqual(exported.toSorted(), Object.keys(samples).toSorted())
})

for (const [name, err] of Object.entries(samples)) {
  test(`${name} says its name and a full sentence`, () => {
    assert.equal(err.name, name)
    assert.equal(err.constructor.name, name)
    assert.ok(err instanceof Error && err instanceof core.OperatingError)
    assert.match(err.message, /^[^a-z].*\.$|^bafk .*\.$/)
    assert.match(err.stack ?? '', /errors\.test/)
  })
}

test('the cause is kept', () => {
  const cause = new Error('EIO')
  assert.equal(new core.MalformedRecordError('head', 'torn', { cause }).cause, cause)
  assert.equal(new core.CorruptBlockError('bafk', 'on disk', { cause }).cause, cause)
  assert.equal(new core.InvalidInputError('No.', { cause }).cause, cause)
})

test('the values a caller decides by are fields', () => {
  assert.equal(new core.PoolTooSmallError(1, 3).message.slice(0, 22), '1 operator, 3 needed: ')
  assert.equal(new core.PoolTooSmallError(2, 3).operators, 2)
  assert.equal(new core.TooLargeError('It', 7).limitBytes, 7)
  assert.deepEqual(new core.DeniedError('x', ['a', 'b']).reasons, ['a', 'b'])
})
