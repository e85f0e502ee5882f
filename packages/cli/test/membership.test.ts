// Moving between pools: at every call to the disk the node is in one pool with all its wishes, whether the
// call fails or the process dies there.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  allowEverything,
  nodeIdOf,
  operatorIdOf,
  rawCidOf,
  signingKeyFromSeed,
  silentLog,
  systemClock,
  systemRandom,
  UnreachableError
} from '@commonhold/core'
import { type FileSystem, nodeFileSystem } from '@commonhold/node'
import type { PinningComponents, Wish } from '@commonhold/pinning'
import { Membership } from '../src/membership.ts'

const terms = { class: 'server' as const, capacityBytes: 1e9 }
const founding = { name: 'old', ...terms }
const node = signingKeyFromSeed(randomBytes(32))
const operator = signingKeyFromSeed(randomBytes(32))
const storeEpoch = new Uint8Array(16)

let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'commonhold-membership-'))
})

after(() => rm(folder, { recursive: true, force: true }))

/** A node that reaches nobody, and whose disk has every object that is asked for. */
function aloneInTheWorld(): Omit<PinningComponents, 'database' | 'logs'> {
  const unreachable = async (): Promise<never> => {
    throw new UnreachableError('There is nobody.')
  }
  return {
    keys: { node, nodeId: nodeIdOf(node.publicKey), operator },
    network: {
      request: unreachable,
      handle: () => {},
      announce: async () => {},
      subscribe: () => {},
      unsubscribe: () => {},
      onPeer: () => {},
      addAddresses: async () => {},
      addresses: () => []
    },
    objects: {
      storeEpoch,
      heldOf: async () => [],
      has: async () => true,
      roots: async function* () {},
      size: async () => 0,
      blocks: async function* () {},
      block: async () => undefined,
      fetch: unreachable,
      remove: async () => true,
      seal: async () => undefined,
      unseal: async () => undefined,
      isSealed: async () => false,
      sealed: async function* () {},
      erase: async () => false,
      quarantine: async () => {},
      provide: async () => {},
      space: async () => ({
        usedBytes: 0,
        freeBytes: 1e9,
        capacityBytes: 1e9,
        uploads: { freeBytes: 1e9, capacityBytes: 1e9 }
      }),
      openSegments: unreachable
    },
    policy: allowEverything,
    clock: systemClock,
    random: systemRandom,
    log: silentLog
  }
}

function membershipOn(logsPath: string, fileSystem: FileSystem = nodeFileSystem): Membership {
  return new Membership(
    {
      pinning: aloneInTheWorld(),
      operatorId: operatorIdOf(operator.publicKey),
      storeEpoch,
      fileSystem,
      log: silentLog
    },
    logsPath,
    {}
  )
}

async function logsFolder(name: string): Promise<string> {
  const path = join(folder, name)
  await nodeFileSystem.makeFolder(path)
  return path
}

function someWish(): Wish {
  return { root: rawCidOf(randomBytes(32)), size: 1000, copiesMin: 1, visibility: 'public' }
}

async function namesOf(membership: Membership): Promise<string[]> {
  const names: string[] = []
  for await (const { root, origin } of membership.wantedNames()) {
    assert.equal(origin, 'upload')
    names.push(root.toString())
  }
  return names.sort()
}

/** Opens a copy of a logs folder, as a start after a crash would, and says which pool it is in. */
async function afterRestart(logsPath: string): Promise<{ pool: string; wishes: string[]; founded: boolean }> {
  await using membership = membershipOn(logsPath)
  const { founded } = await membership.open(founding)
  return { pool: membership.pool.name, wishes: await namesOf(membership), founded }
}

test('the first start founds a pool, the next one opens it', async () => {
  const path = await logsFolder('first')
  assert.equal((await afterRestart(path)).founded, true)
  assert.deepEqual(await afterRestart(path), { pool: 'old', wishes: [], founded: false })
})

test('a crash at any call of a move leaves the node in one pool, with all its wishes', async () => {
  const path = await logsFolder('crash')
  const wishes = [someWish(), someWish(), someWish()]
  const expected = wishes.map(({ root }) => root.toString()).sort()
  const snapshots: string[] = []
  let recording = false
  const watched: FileSystem = new Proxy(nodeFileSystem, {
    get(target, key: keyof FileSystem) {
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(target[key], target, args)
        if (recording && key !== 'stat' && key !== 'read') {
          const snapshot = join(folder, `crash-${snapshots.length}`)
          snapshots.push(snapshot)
          await cp(path, snapshot, { recursive: true })
        }
        return answer
      }
    }
  })
  await using membership = membershipOn(path, watched)
  await membership.open(founding)
  await membership.start()
  for (const wish of wishes) await membership.pool.want(wish)
  recording = true
  const moved = await membership.found({ name: 'new', ...terms })
  recording = false
  assert.equal(moved.wishes, wishes.length)
  assert.equal(membership.pool.name, 'new')
  assert.deepEqual(await namesOf(membership), expected)

  const pools: string[] = []
  for (const snapshot of snapshots) {
    const found = await afterRestart(snapshot)
    assert.deepEqual(found.wishes, expected, `in the pool ${found.pool}`)
    assert.equal(found.founded, false)
    pools.push(found.pool)
  }
  assert.ok(pools.length > 5, `${pools.length} calls`)
  // Old until one instant, new from then on.
  assert.match(pools.join(' '), /^(old )+(new ?)+$/)
})

test('a move that fails at its last step returns to the old pool, wishes and all', async () => {
  const path = await logsFolder('fails')
  const wish = someWish()
  let failing = false
  const broken: FileSystem = {
    ...nodeFileSystem,
    rename: (from, to) => {
      if (failing && to.endsWith('current-pool')) throw new Error('the disk is gone')
      return nodeFileSystem.rename(from, to)
    }
  }
  await using membership = membershipOn(path, broken)
  await membership.open(founding)
  await membership.start()
  await membership.pool.want(wish)
  failing = true
  await assert.rejects(membership.found({ name: 'new', ...terms }), /the disk is gone/)
  assert.equal(membership.pool.name, 'old')
  const other = someWish()
  await membership.pool.want(other)
  assert.deepEqual(await namesOf(membership), [wish.root.toString(), other.root.toString()].sort())
  const folders = (await readdir(path, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  assert.equal(folders.length, 1, 'the new membership was removed')
})

test('joining somebody who cannot be reached changes nothing', async () => {
  const path = await logsFolder('unreachable')
  const wish = someWish()
  await using membership = membershipOn(path)
  await membership.open(founding)
  await membership.start()
  await membership.pool.want(wish)
  const stranger = nodeIdOf(signingKeyFromSeed(randomBytes(32)).publicKey)
  await assert.rejects(membership.join(stranger, terms), { name: 'UnreachableError' })
  assert.equal(membership.pool.name, 'old')
  assert.deepEqual(await namesOf(membership), [wish.root.toString()])
})
