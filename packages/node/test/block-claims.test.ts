// The one place where a block is deleted, with deletion and storing held up at will.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockClaims } from '../src/block-claims.ts'
import type { BlockStore } from '../src/block-store.ts'
import type { ObjectIndex } from '../src/object-index.ts'
import { blockOf, text } from './block-store-contract.ts'

/** A delete that has begun and ends when told. */
function slowStore(): {
  readonly store: Pick<BlockStore, 'delete'>
  readonly begun: Promise<void>
  end(): void
  done: boolean
} {
  const begun = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  const slow = {
    done: false,
    begun: begun.promise,
    end: () => ended.resolve(),
    store: {
      delete: async () => {
        begun.resolve()
        await ended.promise
        slow.done = true
        return true
      }
    }
  }
  return slow
}

function claimsOver(store: Pick<BlockStore, 'delete'>, needs: () => Promise<boolean>): BlockClaims {
  return new BlockClaims(store as BlockStore, { needs } as unknown as ObjectIndex)
}

test('whoever comes while a block is being deleted waits until it is gone', async () => {
  const slow = slowStore()
  const claims = claimsOver(slow.store, async () => false)
  const { cid } = blockOf(text('going'))
  const deleting = claims.deleteUnneeded(cid)
  await slow.begun
  claims.claim(cid)
  let gone: boolean | undefined
  const coming = claims.holding(cid, async () => {
    gone = slow.done
  })
  await new Promise<void>((resolve) => setImmediate(resolve))
  assert.equal(gone, undefined)
  slow.end()
  assert.equal(await deleting, true)
  await coming
  assert.equal(gone, true)
})

test('a claimed block, or one an object is made of, is not deleted', async () => {
  const { cid } = blockOf(text('kept'))
  const refuse = {
    delete: async () => {
      throw new Error('deleted')
    }
  }
  const claimed = claimsOver(refuse, async () => false)
  claimed.claim(cid)
  claimed.claim(cid)
  claimed.release(cid)
  assert.equal(await claimed.deleteUnneeded(cid), false)
  const needed = claimsOver(refuse, async () => true)
  assert.equal(await needed.deleteUnneeded(cid), false)
})

test('an error while it is asked who needs the block deletes nothing', async () => {
  const { cid } = blockOf(text('unknown'))
  const store = { delete: async () => assert.fail('deleted') }
  const claims = claimsOver(store, async () => {
    throw new Error('index unreadable')
  })
  await assert.rejects(claims.deleteUnneeded(cid), /index unreadable/)
})
