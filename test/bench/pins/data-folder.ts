// The data folder of a node in a pool of many pins: roster, journals and index made by the production code
// that a real node would have made them with, batch by batch; only the bytes of its own objects are put
// under their final names without an fsync each.

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  rawCidOf,
  type SigningKey,
  signingKeyFromSeed,
  silentLog,
  systemClock,
  systemRandom,
  toHex,
  UnreachableError
} from '@commonhold/core'
import {
  FileRecordLogs,
  type IndexDatabase,
  migrateIndex,
  type NodeTables,
  nodeFileSystem,
  nodeMigrations,
  openDataFolder,
  openIdentity,
  openIndexDatabase
} from '@commonhold/node'
import { Commons, type PinningComponents, type PinningTables, Ranking } from '@commonhold/pinning'
import { NextToLast } from 'blockstore-fs/sharding'
import type { CID } from 'multiformats/cid'
import { Membership } from '../../../packages/cli/src/membership.ts'
import { sealBatch, signOpening } from '../../../packages/pinning/src/journal/journal-records.ts'
import { OwnTime } from '../../../packages/pinning/src/keep/own-time.ts'
import { groupOf, rootKey } from '../../../packages/pinning/src/root-key.ts'
import { consentTo, signRosterEntry } from '../../../packages/pinning/src/roster/roster-entries.ts'

export interface Plenty {
  readonly pins: number
  readonly keepers: number
}

export interface Keeper {
  readonly node: SigningKey
  readonly operator: SigningKey
  readonly seed: Uint8Array
}

export const copiesMin = 3
const batchPins = 4096
const rowsPerInsert = 1000
const gib = 2 ** 30

/** Little, beside the others: it holds some ten thousands of a million. */
export const subjectRoom: number = 100 * gib
const hourMs = 3_600_000
const dayMs = 24 * hourMs

export function keeperKeys(i: number): Keeper {
  const seed = (role: string): Uint8Array =>
    new Uint8Array(createHash('sha256').update(`bench ${role} ${i}`).digest())
  return {
    node: signingKeyFromSeed(seed('node')),
    operator: signingKeyFromSeed(seed('operator')),
    seed: seed('node')
  }
}

/** The i-th object: its bytes are short, so that a disk of them fits anywhere. */
export function bytesOf(i: number): Uint8Array {
  return Buffer.from(`object ${i}`)
}

export function rootOfObject(i: number): CID {
  return rawCidOf(new Uint8Array(createHash('sha256').update(bytesOf(i)).digest()))
}

/** Makes the folder; the subject is one keeper of `keepers` + 1, with little room. */
export async function makeDataFolder(path: string, { pins, keepers }: Plenty): Promise<{ poolId: string }> {
  await using folder = await openDataFolder(path, nodeFileSystem)
  const { storeEpoch } = folder
  const log = silentLog
  const identity = await openIdentity(folder.keysPath, nodeFileSystem, { random: systemRandom, log })
  const components: Omit<PinningComponents, 'database' | 'logs'> = {
    keys: { node: identity.node, nodeId: identity.nodeId, operator: identity.operator },
    network: nobody,
    objects: { storeEpoch } as PinningComponents['objects'],
    policy: { decide: async () => ({ verdict: 'allow', reasons: [] }) },
    clock: systemClock,
    random: systemRandom,
    log
  }
  const init = {
    pinning: components,
    operatorId: identity.operatorId,
    storeEpoch,
    fileSystem: nodeFileSystem,
    log
  }
  {
    await using membership = new Membership(init, folder.logsPath, {})
    await membership.open({ name: 'plenty', class: 'server', capacityBytes: subjectRoom })
  }
  const place = join(folder.logsPath, (await readFile(join(folder.logsPath, 'current-pool'), 'utf8')).trim())
  await using index = await openIndexDatabase({
    path: join(place, 'index.db'),
    storeEpoch,
    fileSystem: nodeFileSystem,
    log
  })
  const database = index.tables<PinningTables>()
  await using commons = await Commons.open({
    ...components,
    database,
    logs: new FileRecordLogs(place, nodeFileSystem)
  })
  if (commons === undefined) throw new Error('the pool that was just founded is gone')
  const { roster } = commons

  const keys = Array.from({ length: keepers }, (_, i) => keeperKeys(i))
  const entries = keys.flatMap(({ node, operator }) => [
    signRosterEntry({ pool: roster.poolId, seq: 1, act: { is: 'join', domain: null } }, operator),
    signRosterEntry(
      {
        pool: roster.poolId,
        seq: 2,
        act: {
          is: 'delegate',
          node: node.publicKey,
          class: 'server',
          capacityBytes: 1200 * gib,
          zone: null,
          expiresAt: Math.round(Date.now() + 300 * dayMs),
          consent: consentTo(roster.poolId, operator.publicKey, node)
        }
      },
      operator
    )
  ])
  await roster.add(entries.map((entry) => entry.bytes))

  await writeJournals(commons, keys.slice(0, 4), pins)
  await using nodeIndex = await openIndexDatabase({
    path: folder.indexPath,
    storeEpoch,
    fileSystem: nodeFileSystem,
    log
  })
  await migrateIndex(nodeIndex.tables<NodeTables>(), 'node', nodeMigrations)
  const time = await OwnTime.open(systemClock, database, hourMs)
  await time.save()
  // It has been running for long: proofs are up to 15 days old.
  await database
    .updateTable('own_time')
    .set({ own_ms: 20 * dayMs })
    .execute()
  await writeCopies({ commons, database, index: nodeIndex, blocksPath: folder.blocksPath }, pins)
  return { poolId: toHex(roster.poolId) }
}

/** Several authors, each with a journal of full batches. */
async function writeJournals(commons: Commons, authors: readonly Keeper[], pins: number): Promise<void> {
  const { roster, journals } = commons
  const places = authors.map(({ node, operator }) => {
    const body = { pool: roster.poolId, operator: operator.publicKey, node: node.publicKey, imports: [] }
    return { node, opening: signOpening({ ...body, nonce: systemRandom.bytes(16) }, node) }
  })
  await journals.accept({ openings: places.map(({ opening }) => opening.bytes) })
  const ends = places.map(() => ({ seq: 0, prev: null as Uint8Array | null }))
  for (let from = 0, turn = 0; from < pins; from += batchPins, turn++) {
    const place = places[turn % places.length]
    const end = ends[turn % places.length]
    if (place === undefined || end === undefined) throw new Error('no author')
    const changes = Array.from({ length: Math.min(batchPins, pins - from) }, (_, i) => ({
      kind: 'pin' as const,
      wish: {
        root: rootOfObject(from + i),
        size: bytesOf(from + i).length,
        copiesMin,
        visibility: 'public' as const
      }
    }))
    const at = { journal: place.opening.hash, seq: end.seq + 1, prev: end.prev }
    const batch = sealBatch(at, changes, roster.k, place.node)
    await journals.accept({ batches: [batch.bytes] })
    end.seq = batch.seq
    end.prev = batch.hash
  }
}

interface Places {
  readonly commons: Commons
  readonly database: PinningComponents['database']
  readonly index: IndexDatabase
  readonly blocksPath: string
}

/** Every object where placement wants it: proven at others, or on this node's disk. One in a hundred is only claimed. */
async function writeCopies({ commons, database, index, blocksPath }: Places, pins: number): Promise<void> {
  const objects = index.tables<NodeTables>()
  const { roster, nodeId } = commons
  const ranking = new Ranking(roster.poolId, roster.members())
  const placed = new Map<number, readonly string[]>()
  const shards = new NextToLast()
  const made = new Set<string>()
  let held = 0
  for (let from = 0; from < pins; from += rowsPerInsert) {
    const copies: PinningTables['copy'][] = []
    const own: { i: number; root: CID }[] = []
    for (let i = from; i < Math.min(from + rowsPerInsert, pins); i++) {
      const root = rootOfObject(i)
      const group = groupOf(root, roster.k)
      const holders =
        placed.get(group) ??
        ranking
          .of(group)
          .counted.slice(0, copiesMin)
          .map((member) => member.node)
      placed.set(group, holders)
      for (const keeper of holders) {
        if (keeper === nodeId) own.push({ i, root })
        else copies.push(copyRow(rootKey(root), keeper, group, i))
      }
    }
    for (let at = 0; at < copies.length; at += rowsPerInsert) {
      await database
        .insertInto('copy')
        .values(copies.slice(at, at + rowsPerInsert))
        .execute()
    }
    if (own.length === 0) continue
    await objects.transaction().execute(async (trx) => {
      for (const { i, root } of own) {
        const { dir, file } = shards.encode(root)
        if (!made.has(dir)) mkdirSync(join(blocksPath, dir), { recursive: true })
        made.add(dir)
        writeFileSync(join(blocksPath, dir, file), bytesOf(i))
        const { digest } = root.multihash
        const row = { id: ++held, root: root.bytes, rootDigest: digest, digest, size: bytesOf(i).length }
        await trx
          .insertInto('objects')
          .values({ ...row, origin: 'repair', state: 'complete' })
          .execute()
        await trx.insertInto('object_blocks').values({ object: held, block: digest }).execute()
      }
    })
  }
}

function copyRow(root: Uint8Array, keeper: string, group: number, i: number): PinningTables['copy'] {
  const claimedMs = 4 * dayMs
  const provenMs =
    i % 100 === 0 ? null : 5 * dayMs + Math.round(((i * 7919) % 1_000_000) * 1.2e-6 * 10 * dayMs)
  return {
    root,
    keeper,
    hash_group: group,
    claimed_ms: provenMs === null ? 20 * dayMs : claimedMs,
    proven_ms: provenMs,
    asked_ms: provenMs,
    corrupt_ms: null,
    declined_ms: null,
    doubted: 0,
    late_ms: null
  }
}

/** A network that nobody is on. */
const nobody: PinningComponents['network'] = {
  request: async (to) => {
    throw new UnreachableError(`${to} is not reached while a folder is made.`)
  },
  handle() {},
  async announce() {},
  subscribe() {},
  unsubscribe() {},
  onPeer() {},
  async addAddresses() {},
  addresses: () => []
}
