// Real libp2p nodes on loopback for tests, each with the exchange, retrieval and pool messages on top.

import { type NodeId, seededRandom, silentLog, systemClock } from '@commonhold/core'
import { DhtDiscovery } from '../src/discover.ts'
import { ExchangeClient } from '../src/exchange/client.ts'
import { type ExchangeAccess, openAccess } from '../src/exchange/server.ts'
import { exchangeProtocol } from '../src/exchange/wire.ts'
import { Network } from '../src/network.ts'
import { Libp2pPoolNetwork } from '../src/pool-network.ts'
import { Providing } from '../src/provide.ts'
import { Retrieval } from '../src/retrieve.ts'
import { MemoryObjects, serverOver } from './exchange-loopback.ts'

export interface TestNode extends AsyncDisposable {
  readonly id: NodeId
  readonly network: Network
  readonly objects: MemoryObjects
  readonly exchange: ExchangeClient
  readonly retrieval: Retrieval
  readonly providing: Providing
  readonly pool: Libp2pPoolNetwork
}

export interface TestNodeInit {
  readonly seed: number
  readonly bootstrap?: readonly string[]
  readonly providing?: boolean
  readonly access?: ExchangeAccess
  readonly isMember?: (peer: NodeId) => boolean
}

export async function startNode(init: TestNodeInit): Promise<TestNode> {
  const shared = { clock: systemClock, random: seededRandom(init.seed), log: silentLog }
  const network = await Network.create({
    ...shared,
    seed: seededRandom(init.seed).bytes(32),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    ...(init.bootstrap === undefined ? {} : { bootstrap: init.bootstrap })
  })
  const objects = new MemoryObjects()
  const server = serverOver(objects, { access: init.access ?? openAccess })
  const exchange = new ExchangeClient({
    clock: systemClock,
    openStream: (peer, protocol, options) => network.openStream(peer, protocol, options)
  })
  const retrieval = new Retrieval({ ...shared, exchange, discovery: new DhtDiscovery(network, systemClock) })
  const providing = new Providing({ ...shared, network, enabled: init.providing ?? true })
  const pool = new Libp2pPoolNetwork({ ...shared, network, isMember: init.isMember ?? (() => true) })
  await network.handle(exchangeProtocol, (peer, stream) => server.accept(peer, stream))
  await network.start()
  await pool.start()
  providing.start()
  return {
    id: network.nodeId,
    network,
    objects,
    exchange,
    retrieval,
    providing,
    pool,
    [Symbol.asyncDispose]: async () => {
      await providing.stop()
      await pool.stop()
      await exchange[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await network.stop()
    }
  }
}

export function addressOf(node: TestNode): string {
  const [address] = node.network.addresses()
  if (address === undefined) throw new Error('the node listens nowhere')
  return address
}

/** Resolves when `from` is connected to `to`. */
export async function connected(from: TestNode, to: TestNode): Promise<void> {
  if (from.network.isConnected(to.id)) return
  await new Promise<void>((resolve) => {
    from.network.onPeer((peer, isConnected) => {
      if (peer === to.id && isConnected) resolve()
    })
  })
}
