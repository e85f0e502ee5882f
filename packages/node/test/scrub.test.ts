// The check of own blocks: a flipped bit nobody reads is found within a pass, at the pace that was allowed,
// across restarts and crashes. Virtual clock, real disk and index.

import assert from 'node:assert/strict'
import { readFile, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { rawCidOf, silentLog, VirtualClock } from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import type { CID } from 'multiformats/cid'
import { Scrub, type ScrubComponents } from '../src/scrub.ts'
import { bytesOf, openStorage, type Storage } from './objects-under-test.ts'
import { temporaryFolder } from './temporary-folder.ts'

const MiB = 1024 * 1024
const hourMs = 3_600_000
const day = { scrubPeriodMs: 24 * hourMs, scrubBlocksPerNote: 4 }

function scrubOver(
  storage: Storage,
  clock: VirtualClock,
  options = {},
  parts: Partial<ScrubComponents> = {}
): Scrub {
  const { objects, database } = storage
  return new Scrub({ objects, database, clock, log: silentLog, ...parts }, { ...day, ...options })
}

function fileOf(path: string, cid: CID): string {
  const { dir, file } = new NextToLast().encode(cid)
  return join(path, 'data', 'blocks', dir, file)
}

/** That many objects of one block. */
async function filled(storage: Storage, count: number, size = 10_000): Promise<CID[]> {
  const roots: CID[] = []
  for (let i = 0; i < count; i++) roots.push((await storage.add(bytesOf(size, i))).root)
  return roots
}

/** Time passes only while the check is asleep: between that, it works with a real disk. */
async function advance(clock: VirtualClock, ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await asleep(clock)
    await clock.advance(stepMs)
  }
  await asleep(clock)
}

async function asleep(clock: VirtualClock): Promise<void> {
  while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
}

test('a flipped bit and a missing block that nobody reads are found within one pass, and told', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const clock = new VirtualClock()
  const roots = await filled(storage, 12)
  const large = await storage.add(bytesOf(3 * MiB, 77))
  const [flipped, gone] = roots
  assert.ok(flipped && gone)
  const path = fileOf(folder.path, flipped)
  const bytes = await readFile(path)
  bytes[5000] = (bytes[5000] ?? 0) ^ 4
  await writeFile(path, bytes)
  await unlink(fileOf(folder.path, gone))
  const told: string[] = []
  storage.objects.onDamage((damaged) => told.push(...damaged.map(String)))
  await using scrub = scrubOver(storage, clock)
  await scrub.start()
  await advance(clock, 25 * hourMs, hourMs / 4)
  assert.deepEqual(new Set(told), new Set([String(flipped), String(gone)]))
  assert.deepEqual([await storage.objects.has(flipped), await storage.objects.has(gone)], [false, false])
  assert.equal(await storage.objects.has(large.root), true)
  const state = await scrub.state()
  assert.equal(state.damaged, 2)
  // A large object has an inner node and three leaves; the next pass has just begun.
  assert.ok(state.blocks >= 12 + 4 && state.blocks <= 12 + 4 + 2, `${state.blocks} blocks`)
  assert.equal(state.tooSlow, false)
})

test('the pass is spread over its period, and never faster than allowed when it catches up', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await filled(storage, 60, 1000)
  const clock = new VirtualClock()
  await using scrub = scrubOver(storage, clock, { scrubBytesPerSecondMax: 10 })
  await scrub.start()
  await advance(clock, 6 * hourMs, hourMs / 4)
  const quarter = (await scrub.state()).blocks
  assert.ok(quarter > 3 && quarter < 30, `${quarter} of 60 blocks in a quarter of the time`)
  await scrub.stop()
  await clock.advance(17 * hourMs)

  // Two thirds of the store are due at once: at 10 bytes a second that takes its time.
  await using again = scrubOver(storage, clock, { scrubBytesPerSecondMax: 10 })
  await again.start()
  await advance(clock, 1000_000, 20_000)
  const { bytes, behindMs } = await again.state()
  assert.ok(bytes > 8000 && bytes <= 11_000, `${bytes} bytes in 1000 s at 10 bytes a second`)
  assert.ok(behindMs > hourMs)
})

// Seen to fail with the beginning of the pass not noted before its first block.
test('a process that never lives long comes through all blocks, each once, over many restarts', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await filled(storage, 40, 1000)
  const clock = new VirtualClock()
  const read = new Map<string, number>()
  const objects: ScrubComponents['objects'] = {
    ...bound(storage),
    block: async (cid) => {
      read.set(String(cid), (read.get(String(cid)) ?? 0) + 1)
      return await storage.objects.block(cid)
    }
  }
  for (let life = 0; life < 26; life++) {
    const scrub = scrubOver(storage, clock, {}, { objects })
    await scrub.start()
    await advance(clock, hourMs / 2)
    await scrub.stop()
    await clock.advance(hourMs / 2)
  }
  const counts = [...read.values()]
  assert.equal(counts.length, 40)
  // The pass that follows has begun in the last two hours.
  assert.ok(counts.filter((n) => n > 1).length <= 8, counts.join(' '))
})

test('killed while a damaged block is being read, the next process finds it', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  // More than all the lives below find together.
  const roots = await filled(storage, 20, 1000)
  for (const root of roots) {
    const path = fileOf(folder.path, root)
    const bytes = await readFile(path)
    bytes[1] = (bytes[1] ?? 0) ^ 1
    await writeFile(path, bytes)
  }
  const clock = new VirtualClock()
  // The n-th read never ends: the process dies in it, whatever it had noted by then.
  for (const dies of [1, 2, 4, 5]) {
    let reads = 0
    let dead = false
    const objects: ScrubComponents['objects'] = {
      ...bound(storage),
      block: async (cid) => {
        if (++reads < dies) return await storage.objects.block(cid)
        dead = true
        return await new Promise<never>(() => {})
      }
    }
    await scrubOver(storage, clock, {}, { objects }).start()
    while (!dead) {
      if (clock.sleeping > 0) await clock.advance(hourMs)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await using last = scrubOver(storage, clock)
  await last.start()
  await advance(clock, 50 * hourMs, hourMs)
  assert.deepEqual(
    await Promise.all(roots.map((root) => storage.objects.has(root))),
    roots.map(() => false)
  )
})

test('a disk that cannot be read is neither sound nor damaged, and the check goes on', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  const roots = await filled(storage, 6, 1000)
  const objects: ScrubComponents['objects'] = {
    ...bound(storage),
    block: async (cid) => {
      if (cid.equals(rawCidOf(roots[2]?.multihash.digest ?? assert.fail()))) throw new Error('EIO: i/o error')
      return await storage.objects.block(cid)
    }
  }
  const clock = new VirtualClock()
  await using scrub = scrubOver(storage, clock, {}, { objects })
  await scrub.start()
  await advance(clock, 23 * hourMs, hourMs / 4)
  const state = await scrub.state()
  assert.deepEqual([state.unreadable, state.damaged], [1, 0])
  assert.ok(state.blocks >= 5)
  assert.equal(await storage.objects.has(roots[2] ?? assert.fail()), true)
})

test('it says so when the month cannot be held: too little allowed, or too slow a disk', async () => {
  await using folder = await temporaryFolder()
  await using storage = await openStorage(folder.path)
  await filled(storage, 30, 100_000)
  const clock = new VirtualClock()
  const warned: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warned.push(message) }
  const tight = scrubOver(storage, clock, { scrubBytesPerSecondMax: 10 }, { log })
  await tight.start()
  await advance(clock, hourMs, hourMs / 4)
  assert.equal((await tight.state()).tooSlow, true)
  await tight.stop()
  assert.equal(warned.length, 1)
  assert.ok((await tight.state()).bytesPerSecondNeeded > 30)

  const objects: ScrubComponents['objects'] = {
    ...bound(storage),
    block: async (cid, options) => {
      await clock.sleep(3 * hourMs, options)
      return await storage.objects.block(cid)
    }
  }
  await using slow = scrubOver(storage, clock, {}, { objects, log })
  await slow.start()
  await advance(clock, 48 * hourMs, hourMs)
  const state = await slow.state()
  assert.equal(state.tooSlow, true)
  assert.ok(state.bytesPerSecondPossible < state.bytesPerSecondNeeded)
})

function bound({ objects }: Storage): ScrubComponents['objects'] {
  return {
    block: (cid, options) => objects.block(cid, options),
    blocksBetween: (after, upTo, limit) => objects.blocksBetween(after, upTo, limit),
    space: () => objects.space(),
    onDamage: (listener) => objects.onDamage(listener)
  }
}
