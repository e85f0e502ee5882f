// A report names objects by the pin set. Who does not know the wish it speaks of exchanges heads with the keeper
// and reads it then; full lists are asked for only when both know the same. Seen red: without the exchange (the
// list is asked for, and the wish stays unknown), and without the list (the reader never learns who holds it).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeRecord, type NodeId, type RecordType, UnreachableError } from '@commonhold/core'
import { z } from 'zod'
import { reportRequest } from '../src/census/report.ts'
import { headsRequest } from '../src/journal/sync-requests.ts'
import { Village } from './harness/village.ts'

const hourMs = 3_600_000
/** Nobody learns of a wish by himself, only keepers by the offer. */
const quiet = { sync: { syncIntervalMs: 24 * hourMs } }
const question: RecordType<{ type: string; body: Uint8Array }> = {
  kind: 'question',
  bytesMax: 2 ** 22,
  schema: z.looseObject({ type: z.string(), body: z.instanceof(Uint8Array) })
}

/** Lists asked for by `reader` from now on; `deaf` cannot ask for wishes. */
function listsAskedBy(village: Village, reader: NodeId, deaf?: NodeId): { count: number } {
  const asked = { count: 0 }
  village.wires.onRequest = (from, to, message) => {
    const { type, body } = decodeRecord(question, message)
    if (from === deaf && type === headsRequest.name) throw new UnreachableError(`${to} does not hear.`)
    if (from !== reader || type !== reportRequest.name) return
    if (decodeRecord(reportRequest.request, body).explicit.length > 0) asked.count++
  }
  return asked
}

test('a report that speaks of a wish unknown here brings the wish, and no list is needed', async () => {
  const village = await Village.of(5, 70, { ...quiet, copiesMin: 2 })
  village.wires.mute = true
  const [author] = village.nodes
  assert.ok(author)
  const { root } = await author.put('a wish told to its keepers only', { copiesMin: 2 })
  const stranger = village.nodes.find((house) => house !== author && !house.disk.trulyHolds(root))
  assert.ok(stranger)
  assert.equal(await stranger.pool.wanted(root), undefined)
  const lists = listsAskedBy(village, stranger.id)
  await village.until('the wish is known', async () => (await stranger.pool.wanted(root)) !== undefined)
  await village.until('its holders are known', async () => {
    return (await stranger.pool.holdersOf(root)).length >= village.holders(root).size
  })
  assert.equal(lists.count, 0)
  await village.close()
})

test('a keeper that knows fewer wishes than the reader is asked for its list', async () => {
  const village = await Village.of(4, 71, { ...quiet, copiesMin: 2 })
  const [author, reader, keeper] = village.nodes
  assert.ok(author && reader && keeper)
  village.wires.mute = true
  const lists = listsAskedBy(village, reader.id, keeper.id)
  village.wires.cut(author.id, keeper.id)
  village.wires.cut(reader.id, keeper.id)
  // Of each of the 16 groups the reader knows a wish that the keeper does not.
  for (let i = 0; i < 60; i++) await author.put(`only here ${i}`, { copiesMin: 2 })
  await village.until('the reader knows them', async () => (await reader.pool.count()) >= 60)
  const { root } = await keeper.put('held by the keeper', { copiesMin: 2 })
  village.wires.mend(reader.id, keeper.id)
  await village.until('its holder is known', async () => {
    return (await reader.pool.holdersOf(root)).includes(keeper.id)
  })
  assert.ok(lists.count > 0)
  await village.close()
})
