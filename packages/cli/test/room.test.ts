// Uploads wait for room in the order they came, and only for as long as room can come.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BusyError, NoSpaceError, VirtualClock } from '@commonhold/core'
import type { ObjectIntake } from '@commonhold/node'
import { defaults } from '../src/options.ts'
import { Room } from '../src/room.ts'

function stage(capacityBytes: number) {
  const clock = new VirtualClock()
  const state = { usedBytes: 0 }
  const begin = async ({ sizeMax = 0 }: { sizeMax?: number }): Promise<ObjectIntake> => {
    if (state.usedBytes + sizeMax > capacityBytes) throw new NoSpaceError('full')
    state.usedBytes += sizeMax
    return { size: sizeMax } as unknown as ObjectIntake
  }
  const objects = {
    begin,
    space: async () => ({ uploads: { freeBytes: capacityBytes - state.usedBytes, capacityBytes } })
  }
  return { clock, state, room: new Room({ objects, clock }) }
}

test('who came first gets the room that comes', async () => {
  const { clock, state, room } = stage(100)
  await room.begin({ origin: 'upload', sizeMax: 90 })
  const order: number[] = []
  const large = room.begin({ origin: 'upload', sizeMax: 60 }).then(() => order.push(60))
  const small = room.begin({ origin: 'upload', sizeMax: 5 }).then(() => order.push(5))
  await clock.advance(defaults.roomWaitMs / 2)
  assert.deepEqual(order, [])
  state.usedBytes = 0
  await clock.advance(2 * defaults.roomLookMs)
  await Promise.all([large, small])
  assert.deepEqual(order, [60, 5])
})

test('what never fits is refused at once, what does not fit in time then, and both leave the turn to others', async () => {
  const { clock, state, room } = stage(100)
  await assert.rejects(room.begin({ origin: 'upload', sizeMax: 101 }), NoSpaceError)
  state.usedBytes = 100
  const refused = assert.rejects(room.begin({ origin: 'upload', sizeMax: 50 }), NoSpaceError)
  await clock.advance(defaults.roomWaitMs + defaults.roomLookMs)
  await refused
  const gone = new AbortController()
  const aborted = assert.rejects(room.begin({ origin: 'upload', sizeMax: 50, signal: gone.signal }), /gone/)
  gone.abort(new Error('gone'))
  await clock.advance(defaults.roomLookMs)
  await aborted
  state.usedBytes = 0
  await room.begin({ origin: 'upload', sizeMax: 50 })
})

test('a file that goes through has its turn when another has passed, or is told that it is busy', async () => {
  const { clock, room } = stage(100)
  let busy = true
  const open = (): string => {
    if (busy) throw new BusyError('another passes')
    return 'passage'
  }
  const first = room.passage(open)
  await clock.advance(defaults.roomWaitMs / 2)
  busy = false
  await clock.advance(defaults.roomLookMs)
  assert.equal(await first, 'passage')
  busy = true
  const refused = assert.rejects(room.passage(open), BusyError)
  await clock.advance(defaults.roomWaitMs + defaults.roomLookMs)
  await refused
})
