// A small pool in one process: nodes with keys from a seed, durable logs, an index, one network and one
// virtual clock. Nodes can be killed, restarted, restored from a backup and rebuilt from their keys alone.

import {
  allowEverything,
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  type Random,
  type SigningKey,
  seededRandom,
  signingKeyFromSeed,
  silentLog,
  VirtualClock
} from '@commonhold/core'
import type { Kysely } from 'kysely'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { Commons, type KeeperTerms } from '../../src/commons.ts'
import type { ObjectStore, PinningComponents } from '../../src/components.ts'
import type { PinningTables } from '../../src/database.ts'
import type { Change } from '../../src/journal/journal-records.ts'
import { sha256 } from '../../src/journal/journal-records.ts'
import type { Wish } from '../../src/journal/wish.ts'
import type { SyncOptions } from '../../src/options.ts'
import type { FoundOptions } from '../../src/roster/genesis.ts'
import { memoryDatabase } from './memory-database.ts'
import { MemoryLogs } from './memory-logs.ts'
import { MemoryNetwork, type MemoryPeer } from './memory-network.ts'

export const terms: KeeperTerms = { class: 'server', capacityBytes: 2 ** 40 }

export class Town {
  readonly network = new MemoryNetwork()
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly options: Partial<SyncOptions>
  readonly nodes: TownNode[] = []

  constructor(seed: number, options: Partial<SyncOptions> = {}) {
    this.random = seededRandom(seed)
    this.options = options
  }

  node(operator: SigningKey = this.key()): TownNode {
    const node = new TownNode(this, this.key(), operator)
    this.nodes.push(node)
    return node
  }

  key(): SigningKey {
    return signingKeyFromSeed(this.random.bytes(32))
  }

  /** A pool of `count` operators, started, everybody knowing everybody. */
  async pool(count: number, found: Partial<FoundOptions> = {}): Promise<TownNode[]> {
    const first = this.node()
    await first.found(found)
    for (let i = 1; i < count; i++) await this.node().join(first)
    for (const node of this.nodes) await node.commons.start()
    await this.settle()
    return this.nodes
  }

  /** Everybody exchanges with everybody, twice: after it all are alike, whatever was missed. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (const a of this.nodes) {
        for (const b of this.nodes) {
          if (a === b || !a.alive || !b.alive) continue
          await a.commons.sync.syncWith(b.id)
        }
      }
    }
  }

  async close(): Promise<void> {
    for (const node of this.nodes) if (node.alive) await node.stop()
  }
}

export class TownNode {
  readonly town: Town
  readonly key: SigningKey
  readonly operatorKey: SigningKey
  readonly id: NodeId
  readonly operator: OperatorId
  logs = new MemoryLogs()
  #database: Kysely<PinningTables> | undefined
  #commons: Commons | undefined
  #peer: MemoryPeer | undefined

  constructor(town: Town, key: SigningKey, operatorKey: SigningKey) {
    this.town = town
    this.key = key
    this.operatorKey = operatorKey
    this.id = nodeIdOf(key.publicKey)
    this.operator = operatorIdOf(operatorKey.publicKey)
  }

  get commons(): Commons {
    if (this.#commons === undefined) throw new Error('the node is not running')
    return this.#commons
  }

  get alive(): boolean {
    return this.#commons !== undefined
  }

  get peer(): MemoryPeer {
    if (this.#peer === undefined) throw new Error('the node is not running')
    return this.#peer
  }

  async components(): Promise<PinningComponents> {
    const { clock, random, network } = this.town
    this.#peer = network.join(this.id)
    this.#database ??= await memoryDatabase()
    return {
      keys: { node: this.key, nodeId: this.id, operator: this.operatorKey },
      network: this.#peer,
      // This half of the package never touches objects.
      objects: {} as ObjectStore,
      database: this.#database,
      logs: this.logs,
      policy: allowEverything,
      clock,
      random,
      log: silentLog
    }
  }

  async found(found: Partial<FoundOptions> = {}): Promise<Uint8Array> {
    const options = { name: 'town', k: 4, ...found }
    const founded = await Commons.found(await this.components(), options, terms, this.town.options)
    this.#commons = founded.commons
    return founded.recoverySeed
  }

  async join(peer: TownNode): Promise<void> {
    this.#commons = await Commons.join(await this.components(), peer.id, terms, { sync: this.town.options })
  }

  async open(): Promise<void> {
    this.#commons = await Commons.open(await this.components(), this.town.options)
    await this.#commons?.start()
  }

  async stop(): Promise<void> {
    const commons = this.#commons
    this.#commons = undefined
    this.town.network.leave(this.id)
    await commons?.[Symbol.asyncDispose]()
  }

  /** SIGKILL: nothing is finished, nothing is said. The index stays as it was committed. */
  kill(): void {
    const commons = this.#commons
    this.#commons = undefined
    this.town.network.leave(this.id)
    this.logs.crash()
    void commons?.sync.stop()
  }

  /** Killed, and the disk is another: only the keys are left. */
  loseDisk(): void {
    this.kill()
    this.logs = new MemoryLogs()
    this.#database = undefined
  }

  /** Killed, and the folder is what it was at the time of the backup; the index is lost. */
  restore(backup: ReadonlyMap<string, readonly Uint8Array[]>): void {
    this.kill()
    this.logs = new MemoryLogs(backup)
    this.#database = undefined
  }

  loseIndex(): void {
    this.#database = undefined
  }

  async pin(...names: number[]): Promise<void> {
    await this.commons.own.append(names.map((name): Change => ({ kind: 'pin', wish: wish(name) })))
  }

  async unpin(...names: number[]): Promise<void> {
    await this.commons.own.append(names.map((name): Change => ({ kind: 'unpin', root: root(name) })))
  }

  /** Names of all objects in the pin set as this node sees it, of those made by `wish`. */
  async wanted(count = 64): Promise<number[]> {
    const wanted = await this.commons.wanted.list(undefined, 10_000)
    const texts = new Set(wanted.map((object) => object.root.toString()))
    return Array.from({ length: count }, (_, name) => name).filter((name) => texts.has(root(name).toString()))
  }
}

export function root(name: number): CID {
  return CID.createV1(0x70, createDigest(0x12, sha256(Uint8Array.of(name >> 8, name & 0xff))))
}

export function wish(name: number, terms: Partial<Wish> = {}): Wish {
  return { root: root(name), size: 1000 + name, copiesMin: 3, visibility: 'public', ...terms }
}
