// The other keepers of a pool of many pins: real networks that greet and report as a keeper does that holds
// all it is placed for, without a disk or a pin set behind them. What they say is computed from the roots.

import { createHash } from 'node:crypto'
import {
  type NodeId,
  nodeIdOf,
  operatorIdOf,
  silentLog,
  systemClock,
  systemRandom,
  UnreachableError
} from '@commonhold/core'
import { Libp2pPoolNetwork, Network } from '@commonhold/node'
import { Dialogue, type Member, type PinningComponents, Ranking } from '@commonhold/pinning'
import { greetRequest, type Standing } from '../../../packages/pinning/src/census/presence.ts'
import { type GroupReport, reportRequest } from '../../../packages/pinning/src/census/report.ts'
import { rosterRequest } from '../../../packages/pinning/src/journal/sync-requests.ts'
import { receiptsRequest } from '../../../packages/pinning/src/proof/challenge.ts'
import { groupOf, rootKey } from '../../../packages/pinning/src/root-key.ts'
import { until } from '../../processes/until.ts'
import { copiesMin, keeperKeys, type Plenty, rootOfObject } from './data-folder.ts'

const gib = 2 ** 30
const groupsPerPage = 1024
const dialMs = 600_000

/** What each keeper holds, group by group: the hash over all keys of the group, in order. */
export function setHashes(pins: number, k: number): Uint8Array[] {
  const keys = Array.from({ length: 2 ** k }, (): Uint8Array[] => [])
  for (let i = 0; i < pins; i++) {
    const root = rootOfObject(i)
    keys[groupOf(root, k)]?.push(rootKey(root))
  }
  return keys.map((own) => {
    const hash = createHash('sha256')
    for (const key of own.sort(Buffer.compare)) hash.update(key)
    return new Uint8Array(hash.digest())
  })
}

export interface PoolOfPins extends Plenty {
  readonly poolId: Uint8Array
  readonly k: number
  /** The node that is measured. */
  readonly subject: Member
  readonly setHashes: readonly Uint8Array[]
}

/** A keeper's answers, without a network. */
export function respondAs(
  i: number,
  init: PoolOfPins
): { nodeId: NodeId; handler: (from: NodeId, message: Uint8Array) => Promise<Uint8Array> } {
  let handler: (from: NodeId, message: Uint8Array) => Promise<Uint8Array> = async () => new Uint8Array()
  const wire: PinningComponents['network'] = {
    request: async (to) => {
      throw new UnreachableError(`${to} is not asked by a keeper that only answers.`)
    },
    handle: (given) => {
      handler = given
    },
    async announce() {},
    subscribe() {},
    unsubscribe() {},
    onPeer() {},
    async addAddresses() {},
    addresses: () => []
  }
  const { nodeId } = respondOver(wire, i, init)
  return { nodeId, handler: (from, message) => handler(from, message) }
}

function respondOver(
  network: PinningComponents['network'],
  i: number,
  init: PoolOfPins
): { nodeId: NodeId; groups: readonly number[] } {
  const members = membersOf(init)
  const { node, seed } = keeperKeys(i)
  const nodeId = nodeIdOf(node.publicKey)
  const isMember = (peer: NodeId): boolean => members.some((member) => member.node === peer)
  const dialogue = new Dialogue({ network, pool: init.poolId, isMember, log: silentLog })
  const ranking = new Ranking(init.poolId, members)
  const groups = Array.from({ length: 2 ** init.k }, (_, group) => group).filter((group) =>
    ranking
      .of(group)
      .counted.slice(0, copiesMin)
      .some((member) => member.node === nodeId)
  )
  respond(dialogue, seed, groups, init.setHashes)
  return { nodeId, groups }
}

export class LightKeeper implements AsyncDisposable {
  readonly groups: readonly number[]
  readonly #network: Network
  readonly #pool: Libp2pPoolNetwork

  private constructor(network: Network, pool: Libp2pPoolNetwork, groups: readonly number[]) {
    this.#network = network
    this.#pool = pool
    this.groups = groups
  }

  static async start(i: number, init: PoolOfPins, address: string): Promise<LightKeeper> {
    const members = membersOf(init)
    const base = { clock: systemClock, log: silentLog }
    const network = await Network.create({
      ...base,
      seed: keeperKeys(i).seed,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      random: systemRandom
    })
    const isMember = (peer: NodeId): boolean => members.some((member) => member.node === peer)
    const pool = new Libp2pPoolNetwork({ ...base, network, isMember })
    const { groups } = respondOver(pool, i, init)
    await network.start()
    await pool.start()
    // As members do, for as long as it takes: a machine that does other things as well may be slow to answer.
    await network.addAddresses(init.subject.node, [address])
    await network.keepConnected([init.subject.node])
    await until(
      'the node is reached',
      dialMs,
      async () => network.isConnected(init.subject.node) || undefined
    )
    return new LightKeeper(network, pool, groups)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.stop()
    await this.#network.stop()
  }
}

function membersOf({ keepers, subject }: PoolOfPins): Member[] {
  const others = Array.from({ length: keepers }, (_, i): Member => {
    const { node, operator } = keeperKeys(i)
    const ids = { node: nodeIdOf(node.publicKey), operator: operatorIdOf(operator.publicKey) }
    return { ...ids, class: 'server', capacityBytes: 1200 * gib, counted: true }
  })
  return [...others, subject].sort((a, b) => (a.node < b.node ? -1 : 1))
}

function respond(
  dialogue: Dialogue,
  seed: Uint8Array,
  groups: readonly number[],
  hashes: readonly Uint8Array[]
): void {
  const storeEpoch = seed.slice(0, 16)
  const run = systemRandom.bytes(16)
  const standing: Standing = {
    storeEpoch,
    run,
    reportSeq: groups.length,
    receiptSeq: 0,
    full: false,
    usedBytes: 600 * gib,
    freeBytes: 600 * gib,
    capacityBytes: 1200 * gib
  }
  dialogue.on(greetRequest, async () => standing)
  dialogue.on(receiptsRequest, async () => ({ receipts: [], upTo: 0, more: false }))
  dialogue.on(rosterRequest, async (_from, { ranges }) => ({ ranges: ranges.map(() => null) }))
  dialogue.on(reportRequest, async (_from, { after }) => {
    const told = groups.slice(after, after + groupsPerPage).map(
      (group): GroupReport => ({
        group,
        copiesMinFrom: 1,
        except: [],
        plus: [],
        setHash: hashes[group] ?? new Uint8Array(32)
      })
    )
    const seq = Math.min(after + groupsPerPage, groups.length)
    return { storeEpoch, run, seq, more: seq < groups.length, groups: told }
  })
}
