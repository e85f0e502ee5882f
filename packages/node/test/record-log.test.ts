// Record logs: order, group commit, torn tails against damage, full disks, and bad input.

import assert from 'node:assert/strict'
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  ConflictError,
  InvalidInputError,
  MalformedRecordError,
  NoSpaceError,
  seededRandom,
  TooLargeError
} from '@commonhold/core'
import fc from 'fast-check'
import { nodeFileSystem } from '../src/file-system.ts'
import {
  decodeHeader,
  encodeFrame,
  encodeHeader,
  headerBytes,
  type ReadAt,
  readFrame
} from '../src/log-frame.ts'
import { defaults } from '../src/options.ts'
import { FileRecordLogs } from '../src/record-log.ts'
import { text } from './block-store-contract.ts'
import { FailingFileSystem } from './failing-file-system.ts'
import { temporaryFolder } from './temporary-folder.ts'

test('gives back what was appended, in order, also after it was opened again', async () => {
  await using folder = await temporaryFolder()
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), { maxLength: 8 }),
      fc.uuid(),
      async (appends, name) => {
        const logs = new FileRecordLogs(folder.path, nodeFileSystem)
        const expected = appends.flat().map((each) => Buffer.from(each))
        {
          await using log = await logs.open(name)
          await Promise.all(appends.map((records) => log.append(records)))
          assert.deepEqual(await all(log), expected)
        }
        await using again = await logs.open(name)
        assert.deepEqual(await all(again), expected)
      }
    ),
    { numRuns: 30 }
  )
})

test('appends made while one fsync runs share the next', async () => {
  await using folder = await temporaryFolder()
  let syncs = 0
  const disk = new FailingFileSystem()
  disk.fail((call) => {
    if (call.step === 'sync') syncs++
    return false
  }, 'EIO')
  await using log = await new FileRecordLogs(folder.path, disk).open('shared')
  syncs = 0
  await Promise.all(Array.from({ length: 500 }, (_, i) => log.append([text(`record ${i}`)])))
  assert.ok(syncs <= 2, `${syncs} fsyncs`)
  assert.equal((await all(log)).length, 500)
})

test('cuts off a torn last frame wherever it was torn, and keeps all before it', async () => {
  await using folder = await temporaryFolder()
  const { path, bytes, frames } = await written(folder.path, ['first', 'second', 'third'])
  const last = frames[2] ?? assert.fail()
  for (let length = last; length < bytes.length; length++) {
    await writeFile(path, bytes.subarray(0, length))
    assert.deepEqual(await reopened(folder.path), ['first', 'second'], `cut at ${length}`)
  }
})

test('cuts off a last frame with any of its bytes lost, as pages written out of order leave it', async () => {
  await using folder = await temporaryFolder()
  const { path, bytes, frames } = await written(folder.path, ['first', 'second', 'third'])
  const last = frames[2] ?? assert.fail()
  for (let from = last; from < bytes.length; from += 3) {
    for (const to of [from + 1, from + 7, bytes.length]) {
      const torn = Buffer.from(bytes)
      torn.fill(0, from, Math.min(to, bytes.length))
      if (torn.equals(bytes)) continue
      await writeFile(path, torn)
      assert.deepEqual(await reopened(folder.path), ['first', 'second'], `zeros from ${from} to ${to}`)
    }
  }
})

test('damage before the last frame is an error and changes nothing', async () => {
  await using folder = await temporaryFolder()
  const { path, bytes, frames } = await written(folder.path, ['first', 'second', 'third'])
  const last = frames[2] ?? assert.fail()
  for (let at = 0; at < last; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at] = (damaged[at] ?? 0) ^ 0x40
    await writeFile(path, damaged)
    await assert.rejects(reopened(folder.path), MalformedRecordError, `byte ${at}`)
    assert.deepEqual(await readFile(path), damaged)
  }
})

test('goes on after a torn tail was cut off', async () => {
  await using folder = await temporaryFolder()
  const { path, bytes } = await written(folder.path, ['first', 'second'])
  await truncate(path, bytes.length - 1)
  const logs = new FileRecordLogs(folder.path, nodeFileSystem)
  {
    await using log = await logs.open('log')
    await log.append([text('third')])
  }
  assert.deepEqual(await reopened(folder.path), ['first', 'third'])
})

test('a record that contains the bytes of a frame does not pass for one', async () => {
  await using folder = await temporaryFolder()
  const { path, bytes, frames } = await written(folder.path, ['first', 'second'])
  const frame = bytes.subarray(frames[1])
  const logs = new FileRecordLogs(folder.path, nodeFileSystem)
  {
    await using log = await logs.open('log')
    await log.append([Buffer.concat([frame, frame, frame])])
  }
  const whole = await readFile(path)
  whole.fill(0, bytes.length, bytes.length + 16)
  await writeFile(path, whole)
  assert.deepEqual(await reopened(folder.path), ['first', 'second'])
})

test('a full disk: typed error, the log unharmed, and it goes on when there is room', async () => {
  await using folder = await temporaryFolder()
  const disk = new FailingFileSystem()
  {
    await using log = await new FileRecordLogs(folder.path, disk).open('log')
    await log.append([text('first')])
    disk.fail((call) => call.step === 'write', 'ENOSPC')
    await assert.rejects(log.append([text('refused')]), NoSpaceError)
    disk.heal()
    await log.append([text('second')])
  }
  assert.deepEqual(await reopened(folder.path), ['first', 'second'])
})

test('after a failed fsync nothing more is taken until the log is opened anew', async () => {
  await using folder = await temporaryFolder()
  const disk = new FailingFileSystem()
  const logs = new FileRecordLogs(folder.path, disk)
  {
    await using log = await logs.open('log')
    await log.append([text('first')])
    disk.fail((call) => call.step === 'sync', 'EIO')
    await assert.rejects(log.append([text('unknown')]), { code: 'EIO' })
    disk.heal()
    await assert.rejects(log.append([text('refused')]), { code: 'EIO' })
    await assert.rejects(all(log), { code: 'EIO' })
  }
  assert.equal((await reopened(folder.path))[0], 'first')
})

test('an append larger than a frame is split, a record larger than a frame refused', async () => {
  await using folder = await temporaryFolder()
  await using log = await new FileRecordLogs(folder.path, nodeFileSystem).open('large')
  const large = new Uint8Array(defaults.logFrameBytesMax - 4).fill(1)
  await log.append([large, large, text('small')])
  assert.deepEqual(
    (await all(log)).map((each) => each.length),
    [large.length, large.length, 5]
  )
  await assert.rejects(log.append([new Uint8Array(defaults.logFrameBytesMax)]), TooLargeError)
})

test('one log is open once at a time, and all are listed', async () => {
  await using folder = await temporaryFolder()
  const logs = new FileRecordLogs(folder.path, nodeFileSystem)
  {
    await using _b = await logs.open('b')
    await using _a = await logs.open('a')
    await assert.rejects(logs.open('a'), ConflictError)
    await writeFile(join(folder.path, 'README'), 'not a log')
    assert.deepEqual(await logs.list(), ['a', 'b'])
  }
  await using again = await logs.open('a')
  assert.deepEqual(await all(again), [])
})

test('the bytes on disk are those of the vectors', async () => {
  const vectors = JSON.parse(await readFile(new URL('vectors/record-log.json', import.meta.url), 'utf8'))
  const salt = Buffer.from(vectors.salt, 'hex')
  assert.equal(Buffer.from(encodeHeader(salt)).toString('hex'), vectors.header)
  let file = Buffer.from(vectors.header, 'hex')
  for (const { position, records, bytes } of vectors.frames) {
    assert.equal(position, file.length)
    const decoded = records.map((each: string) => Buffer.from(each, 'hex'))
    assert.equal(Buffer.from(encodeFrame(salt, position, decoded)).toString('hex'), bytes)
    file = Buffer.concat([file, Buffer.from(bytes, 'hex')])
  }
  await using folder = await temporaryFolder()
  await writeFile(join(folder.path, 'log.log'), file)
  assert.deepEqual(await reopened(folder.path), ['first', 'second', '', 'third'])
})

const badFiles: readonly (readonly [string, Uint8Array, 'begins anew' | 'refused'])[] = [
  ['empty', new Uint8Array(0), 'begins anew'],
  ['truncated', text('commonhold-l'), 'begins anew'],
  ['only zeros of a header', new Uint8Array(headerBytes), 'begins anew'],
  ['oversized garbage', new Uint8Array(9 * 1024 * 1024).fill(0xa5), 'refused'],
  ['garbage', new Uint8Array(500).fill(0x5a), 'refused'],
  ['wrong type', text('{"journal": "of another program, and long enough to hold something"}'), 'refused'],
  ['wrong version', Buffer.concat([text('commonhold-log 2'), new Uint8Array(100).fill(9)]), 'refused']
]
for (const [what, bytes, outcome] of badFiles) {
  test(`bad input, record log × ${what}: ${outcome}`, async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.log')
    await writeFile(path, bytes)
    if (outcome === 'begins anew') assert.deepEqual(await reopened(folder.path), [])
    else {
      await assert.rejects(reopened(folder.path), MalformedRecordError)
      assert.deepEqual(await readFile(path), Buffer.from(bytes))
    }
  })
}

test('bad input, name of a log: refused, and never a path', async () => {
  await using folder = await temporaryFolder()
  const logs = new FileRecordLogs(folder.path, nodeFileSystem)
  for (const name of ['', '.', '..', '../x', 'a/b', 'a\0b', 'ä', 'x'.repeat(129), 'a.log']) {
    await assert.rejects(logs.open(name), InvalidInputError, JSON.stringify(name))
  }
})

test('bad input, 100,000 random mutations of a log: an error or a prefix, never anything else', async () => {
  await using folder = await temporaryFolder()
  const expected = ['one', 'two', 'three', 'four']
  const { bytes } = await written(folder.path, expected)
  const salt = decodeHeader(bytes) ?? assert.fail()
  const random = seededRandom(20_261_124)
  for (let run = 0; run < 100_000; run++) {
    const mutated = Buffer.from(bytes)
    const at = headerBytes + Math.floor(random.unit() * (bytes.length - headerBytes))
    mutated.set(random.bytes(Math.min(1 + (run % 8), bytes.length - at)), at)
    const size = run % 3 === 0 ? at : bytes.length
    const records: string[] = []
    try {
      for (let position = headerBytes; ; ) {
        const frame = await readFrame(readFrom(mutated), salt, position, size)
        if (frame === undefined) break
        records.push(...frame.records.map((each) => Buffer.from(each).toString()))
        position = frame.end
      }
    } catch (err) {
      assert.ok(err instanceof MalformedRecordError, `run ${run}: ${err}`)
    }
    // Compared as text: a hundred thousand deep comparisons would be most of the test.
    if (!'one,two,three,four,'.startsWith(`${records.join()},`.replace(/^,$/, ''))) {
      assert.fail(`run ${run}: ${records.join()}`)
    }
  }
})

function readFrom(bytes: Buffer): ReadAt {
  return async (into, position) => bytes.copy(into, 0, position)
}

async function all(log: { records(): AsyncIterable<Uint8Array> }): Promise<Buffer[]> {
  const records: Buffer[] = []
  for await (const record of log.records()) records.push(Buffer.from(record))
  return records
}

async function reopened(folder: string): Promise<string[]> {
  await using log = await new FileRecordLogs(folder, nodeFileSystem).open('log')
  return (await all(log)).map((each) => each.toString())
}

/** One frame per record; `frames` are the positions where each begins. */
async function written(
  folder: string,
  records: readonly string[]
): Promise<{ readonly path: string; readonly bytes: Buffer; readonly frames: readonly number[] }> {
  const path = join(folder, 'log.log')
  await using log = await new FileRecordLogs(folder, nodeFileSystem).open('log')
  const frames: number[] = []
  for (const record of records) {
    frames.push((await readFile(path)).length)
    await log.append([text(record)])
  }
  return { path, bytes: await readFile(path), frames }
}
