// Two halves of a promise: what one member wants, all come to know; and what somebody was told is durable
// is known again after any accident of the teller's own.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '@commonhold/core'
import { currentPool } from '../../src/current-pool.ts'
import { sealBatch, signOpening } from '../../src/journal/journal-records.ts'
import { headsTopic } from '../../src/journal/sync-requests.ts'
import { root, Town, type TownNode, wish } from './town.ts'

const three = async (town: Town): Promise<[TownNode, TownNode, TownNode]> => {
  const [a, b, c] = await town.pool(3)
  assert.ok(a && b && c)
  return [a, b, c]
}

test('a wish of one member is known to all, and so is its end', async () => {
  const town = new Town(1)
  const [a, b, c] = await three(town)
  assert.equal(c.commons.roster.members().length, 3)
  await a.pin(1, 2)
  await town.settle()
  assert.deepEqual(await c.wanted(), [1, 2])
  await a.unpin(1)
  await town.settle()
  assert.deepEqual(await b.wanted(), [2])
  assert.deepEqual((await b.commons.wanted.get(root(2)))?.authors, [a.operator])
  await town.close()
})

test('an announcement makes a head known before the next exchange, and without it time does', async () => {
  const town = new Town(2)
  const [a, b] = await three(town)
  const known = new Promise((resolve) => b.commons.wanted.onChange(resolve))
  const before = town.clock.monotonicMs()
  await a.pin(7)
  await known
  assert.equal(town.clock.monotonicMs(), before, 'no time passed, so no exchange was due')
  const topic = headsTopic(a.commons.roster.poolId)
  assert.ok(town.network.announcements.some((said) => said.topic === topic && said.from === a.id))
  assert.deepEqual(await b.wanted(), [7])

  // Deaf to announcements, b learns of the next one by the exchange of the interval.
  b.peer.unsubscribe(topic)
  await a.pin(8)
  await town.clock.advance(0)
  assert.deepEqual(await b.wanted(), [7])
  const exchanged = new Promise((resolve) => b.commons.wanted.onChange(resolve))
  await town.clock.advance(75_000)
  await exchanged
  assert.deepEqual(await b.wanted(), [7, 8])
  await town.close()
})

test('no member sees a wish before it is durable at its author', async () => {
  // Seen to fail with the index written before the log in journals.ts.
  const town = new Town(3)
  const [a, b] = await three(town)
  await a.pin(1)
  await town.settle()
  a.logs.hold()
  void a.pin(2)
  await town.clock.advance(0)
  await b.commons.sync.syncWith(a.id)
  assert.deepEqual(await a.wanted(), [1])
  assert.deepEqual(await b.wanted(), [1])
  a.kill()
  await a.open()
  assert.deepEqual(await a.wanted(), [1])
  await town.settle()
  assert.deepEqual(await b.wanted(), [1])
  await town.close()
})

test('a log that cannot be written refuses the wish and keeps the journal usable', async () => {
  const town = new Town(4)
  const [a, b] = await three(town)
  await a.pin(1)
  a.logs.fail(new Error('disk gone'))
  await assert.rejects(a.pin(2), /disk gone/)
  a.logs.fail(undefined)
  await a.pin(3)
  await town.settle()
  assert.deepEqual(await b.wanted(), [1, 3])
  assert.deepEqual(b.commons.journals.forked(), [])
  await town.close()
})

test('appends made at once share a batch, and a restart goes on with the same journal', async () => {
  const town = new Town(5)
  const [a, b] = await three(town)
  await a.pin(0)
  a.logs.hold()
  const first = a.pin(1)
  await town.clock.advance(0)
  const rest = Array.from({ length: 20 }, (_, i) => a.pin(2 + i))
  const appends = a.logs.appends
  a.logs.release()
  await Promise.all([first, ...rest])
  assert.equal(a.logs.appends - appends, 2, 'the one being written, and all that waited')
  await a.stop()
  await a.open()
  await a.pin(40)
  assert.equal(a.commons.journals.graph.of(a.operator).length, 1)
  await town.settle()
  assert.equal((await b.wanted()).length, 23)
  await town.close()
})

test('a restored backup opens a new journal: no fork, nothing lost', async () => {
  // Seen to fail with the survey answering that nobody is ahead: `forked` names the journal.
  const town = new Town(6)
  const [a, b] = await three(town)
  await a.pin(1, 2)
  await town.settle()
  const backup = a.logs.backup()
  await a.pin(3)
  await a.unpin(1)
  await town.settle()

  a.restore(backup)
  await a.open()
  await a.pin(4)
  await a.unpin(3)
  await town.settle()
  for (const node of town.nodes) {
    assert.deepEqual(await node.wanted(), [2, 4])
    assert.deepEqual(node.commons.journals.forked(), [])
    assert.deepEqual(await node.commons.wanted.gaps(), [])
  }
  assert.equal(b.commons.journals.graph.of(a.operator).length, 2)
  await town.close()
})

test('a node rebuilt from its keys alone has its wishes back, and takes them back', async () => {
  const town = new Town(7)
  const [a, b, c] = await three(town)
  await a.pin(1, 2, 3)
  await town.settle()
  a.loseDisk()
  await a.join(b)
  await a.commons.start()
  await a.unpin(2)
  await a.pin(9)
  await town.settle()
  for (const node of [a, b, c]) {
    assert.deepEqual(await node.wanted(), [1, 3, 9])
    assert.deepEqual(node.commons.journals.forked(), [])
    assert.equal(node.commons.roster.members().length, 3)
  }
  await town.close()
})

test('a join that fails half way is tried again, in the same process and with nothing left behind', async () => {
  const town = new Town(17)
  const [a] = await town.pool(1)
  assert.ok(a)
  const late = town.node()
  // The answer to the third question is lost: genesis came, the rosters did not.
  let asked = 0
  const answer = a.peer.answer.bind(a.peer)
  a.peer.answer = async (from, message) => {
    if (++asked === 3) throw new Error('cut')
    return answer(from, message)
  }
  await assert.rejects(late.join(a))
  assert.equal(await currentPool(late.logs), undefined)
  await late.join(a)
  await late.commons.start()
  await late.pin(1)
  await town.settle()
  assert.deepEqual(await a.wanted(), [1])
  await town.close()
})

test('a restored node that reaches nobody writes to a new journal, and what it lacked comes back', async () => {
  const town = new Town(8)
  const [a, b] = await three(town)
  await a.pin(1)
  await town.settle()
  const backup = a.logs.backup()
  await a.pin(2, 3)
  await town.settle()
  a.restore(backup)
  for (const other of town.nodes) if (other !== a) town.network.cut(a.id, other.id)
  await a.open()
  await a.unpin(3)
  await a.pin(4)
  town.network.heal()
  await town.settle()
  assert.deepEqual(await b.wanted(), [1, 2, 4], 'its own later word about 3 stands over the imported one')
  assert.deepEqual(await a.wanted(), [1, 2, 4])
  assert.deepEqual(b.commons.journals.forked(), [])
  await town.close()
})

test('a node that is alone in its pool needs nobody', async () => {
  const town = new Town(9)
  const [a] = await town.pool(1)
  assert.ok(a)
  await a.pin(1)
  await a.stop()
  await a.open()
  await a.pin(2)
  assert.equal(a.commons.journals.graph.of(a.operator).length, 1)
  assert.equal(a.commons.sync.headsConfirmed(1000).confirmed, true)
  await town.close()
})

test('silent members are waited for, but not for ever', async () => {
  const town = new Town(10)
  const [a, b, c] = await three(town)
  await a.pin(1)
  await a.stop()
  await a.open()
  for (const node of [b, c]) node.peer.handle(() => new Promise(() => {}))
  let done = false
  const pinned = a.pin(2).then(() => {
    done = true
  })
  await town.clock.advance(9_999)
  assert.equal(done, false)
  await town.clock.advance(2)
  await pinned
  assert.equal(a.commons.journals.graph.of(a.operator).length, 2)
  a.kill()
  b.kill()
  c.kill()
})

test('a fork merges: pins win, everybody sees the same, and the author leaves that journal', async () => {
  const town = new Town(11)
  const [a, b, c] = await three(town)
  await a.pin(1)
  await town.settle()
  const [head] = a.commons.journals.headsBy(a.id)
  assert.ok(head)
  const place = { journal: head.journal, seq: head.seq + 1, prev: head.batch }
  const k = a.commons.roster.k
  const left = sealBatch(
    place,
    [
      { kind: 'unpin', root: root(1) },
      { kind: 'pin', wish: wish(2) }
    ],
    k,
    a.key
  )
  const right = sealBatch(place, [{ kind: 'pin', wish: wish(1, { copiesMin: 5 }) }], k, a.key)
  await b.commons.journals.accept({ batches: [left.bytes] })
  await c.commons.journals.accept({ batches: [right.bytes] })
  await town.settle()
  for (const node of [a, b, c]) {
    assert.deepEqual(await node.wanted(), [1, 2])
    assert.equal((await node.commons.wanted.get(root(1)))?.copiesMin, 5)
    assert.deepEqual(node.commons.journals.forked(), [toHex(head.journal)])
  }
  await a.unpin(1)
  await town.settle()
  for (const node of [a, b, c]) assert.deepEqual(await node.wanted(), [2])
  assert.equal(a.commons.journals.graph.of(a.operator).length, 2)
  await town.close()
})

test('a batch that comes before its ancestors counts at once and is reported as a gap until they come', async () => {
  const town = new Town(12)
  const [a, b] = await three(town)
  await a.pin(1)
  await town.settle()
  for (const other of town.nodes) if (other !== a) town.network.cut(a.id, other.id)
  await a.pin(2)
  const third = await a.commons.own.append([{ kind: 'pin', wish: wish(3) }])
  await b.commons.journals.accept({ openings: [third.opening], batches: third.batches })
  assert.deepEqual(await b.wanted(), [1, 3])
  assert.equal((await b.commons.wanted.gaps()).length, 1)
  assert.notDeepEqual(await b.commons.wanted.cut(), await a.commons.wanted.cut())
  town.network.heal()
  await town.settle()
  assert.deepEqual(await b.wanted(), [1, 2, 3])
  assert.deepEqual(await b.commons.wanted.gaps(), [])
  assert.deepEqual(await b.commons.wanted.cut(), await a.commons.wanted.cut())
  await town.close()
})

test('wishes beyond the grant bind nobody, in order, at every reader; room that is made is used', async () => {
  const town = new Town(13)
  const [a, b, c] = await town.pool(3, { policy: { pinBytesMax: 3 * 3 * 10_000 } })
  assert.ok(a && b && c)
  const big = (name: number): Promise<unknown> =>
    b.commons.own.append([{ kind: 'pin', wish: wish(name, { size: 10_000 }) }])
  for (const name of [1, 2, 3, 4, 5]) await big(name)
  await town.settle()
  for (const node of [a, b, c]) assert.deepEqual(await node.wanted(), [1, 2, 3])
  await b.unpin(2)
  await town.settle()
  for (const node of [a, b, c]) assert.deepEqual(await node.wanted(), [1, 3, 4])
  await a.commons.act({ is: 'admit', operator: b.operatorKey.publicKey, pinBytesMax: 1e9 })
  await town.settle()
  for (const node of [a, b, c]) assert.deepEqual(await node.wanted(), [1, 3, 4, 5])
  await a.commons.act({ is: 'remove', operator: b.operatorKey.publicKey, reason: null })
  await a.commons.sync.syncWith(c.id)
  await c.commons.sync.syncWith(a.id)
  for (const node of [a, c]) assert.deepEqual(await node.wanted(), [])
  await town.close()
})

test('heads are confirmed only by two other operators, lately, for every journal', async () => {
  const town = new Town(14)
  const [a, b, c] = await three(town)
  await b.pin(1)
  await town.settle()
  assert.equal(a.commons.sync.headsConfirmed(1000).confirmed, true)
  await town.clock.advance(1001)
  const late = a.commons.sync.headsConfirmed(1000)
  assert.equal(late.confirmed, false)
  assert.match(late.missing.join(' '), /other operators/)
  await a.commons.sync.syncWith(b.id)
  assert.equal(a.commons.sync.headsConfirmed(1000).confirmed, false, 'one of two needed')
  await a.commons.sync.syncWith(c.id)
  assert.equal(a.commons.sync.headsConfirmed(1000).confirmed, true)
  await a.stop()
  await a.open()
  assert.equal(a.commons.sync.headsConfirmed(1000).confirmed, false, 'nothing is believed over a restart')
  await town.close()
})

test('the index is made again from the log, whatever became of it', async () => {
  const town = new Town(15)
  const [a, b] = await three(town)
  for (let i = 0; i < 20; i++) await a.pin(i, 60 - i)
  await b.pin(3, 5)
  await a.unpin(3, 4)
  await town.settle()
  const before = await b.commons.wanted.list(undefined, 1000)
  const cut = await b.commons.wanted.cut()
  await b.commons.journals.rebuild()
  assert.deepEqual(await b.commons.wanted.list(undefined, 1000), before)
  await b.stop()
  b.loseIndex()
  await b.open()
  assert.deepEqual(await b.commons.wanted.list(undefined, 1000), before)
  assert.deepEqual(await b.commons.wanted.cut(), cut)

  // The log restored from an older time than the index: the index is not believed.
  const backup = b.logs.backup()
  await b.pin(50)
  await b.stop()
  b.logs.restore(backup)
  await b.open()
  assert.deepEqual((await b.commons.wanted.list(undefined, 1000)).length, before.length)
  assert.equal(await b.commons.journals.wishOf(b.operator, root(50)), undefined)

  // An index of as many records, but of other ones: it is not believed either.
  await b.stop()
  const { database } = await b.components()
  await database.deleteFrom('wanted').execute()
  await database
    .updateTable('applied_log')
    .set({ last_hash: new Uint8Array(32) })
    .execute()
  await b.open()
  assert.deepEqual((await b.commons.wanted.list(undefined, 1000)).length, before.length)
  await town.close()
})

test('a stranger’s journal and a foreign signature are refused, and nothing of the delivery is kept', async () => {
  const town = new Town(16)
  const [a, b] = await three(town)
  const stranger = town.key()
  const opening = signOpening(
    {
      pool: a.commons.roster.poolId,
      operator: a.operatorKey.publicKey,
      node: stranger.publicKey,
      nonce: new Uint8Array(16),
      imports: []
    },
    stranger
  )
  await assert.rejects(b.commons.journals.accept({ openings: [opening.bytes] }), {
    name: 'UnauthorizedError'
  })
  const appended = await a.commons.own.append([{ kind: 'pin', wish: wish(1) }])
  await town.settle()
  const place = {
    journal: new Uint8Array(Buffer.from(appended.journal, 'hex')),
    seq: 2,
    prev: new Uint8Array(32)
  }
  const forged = sealBatch(place, [{ kind: 'unpin', root: root(1) }], a.commons.roster.k, b.key)
  await assert.rejects(b.commons.journals.accept({ batches: [forged.bytes] }), {
    name: 'MalformedRecordError'
  })
  assert.deepEqual(await b.wanted(), [1])
  await town.close()
})
