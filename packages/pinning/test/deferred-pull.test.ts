// A pull that its source says others are making is asked for less and less often, and made when nobody did. Seen
// red with a wait that does not grow, and with every look of the plan taking the wait away.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRecord, encodeRecord, type RecordType } from '@commonhold/core'
import { z } from 'zod'
import { intentRequest } from '../src/repair/repair.ts'
import { Village } from './harness/village.ts'

const hourMs = 3_600_000
const question: RecordType<{ type: string }> = {
  kind: 'question',
  bytesMax: 2 ** 22,
  schema: z.looseObject({ type: z.string() })
}

test('who hears “enough” waits longer each time, and makes the copy when it no longer hears it', async () => {
  const village = await Village.of(5, 80)
  const { root } = await village.house(0).put('others are making it')
  await village.until('three hold it', () => village.holders(root).size >= 3)
  for (const house of village.nodes) {
    village.wires.twists.set(house.id, async (from, message, handler) =>
      decodeRecord(question, message).type === intentRequest.name
        ? encodeRecord({ body: encodeRecord({ answer: 'enough' }) })
        : await handler(from, message)
    )
  }
  const asks: { from: string; atMs: number }[] = []
  village.wires.onRequest = (from, _to, message) => {
    if (decodeRecord(question, message).type !== intentRequest.name) return
    asks.push({ from, atMs: village.clock.monotonicMs() })
  }
  const others = village.holdingHouses(root).filter((house) => house.index !== 0)
  for (const house of others.slice(1)) house.kill()
  assert.equal(village.holders(root).size, 2)
  await village.until('somebody asks', () => asks.length > 0)
  await village.run(2 * hourMs)
  for (const from of new Set(asks.map((ask) => ask.from))) {
    const times = asks.filter((ask) => ask.from === from).map((ask) => ask.atMs)
    const waits = times.slice(1).map((atMs, i) => Math.round((atMs - (times[i] ?? 0)) / 60_000))
    assert.deepEqual(waits.slice(0, 5), [2, 4, 8, 10, 10], from)
  }
  village.wires.twists.clear()
  await village.until('it is made', () => village.holders(root).size >= 3, hourMs / 4)
  await village.close()
})
