// Where a node is put together: every part made and started here, in ordinary code from top to bottom,
// from the disk upwards. Each part that runs is put on one stack as it starts, so that stopping — after
// a day, or because the next line failed — is the same walk downwards. Decides nothing else.

import { hostname } from 'node:os'
import { join } from 'node:path'
import { type AbortOptions, type Log, scaledClock, systemClock, systemRandom } from '@commonhold/core'
import { BridgeServer } from '@commonhold/http-bridge'
import {
  DhtDiscovery,
  DiskSpace,
  ExchangeClient,
  ExchangeServer,
  exchangeProtocol,
  FileBlockStore,
  FileRecordLogs,
  HeldSegments,
  Libp2pPoolNetwork,
  LocalDenyList,
  migrateIndex,
  Network,
  type NodeTables,
  nodeFileSystem,
  nodeMigrations,
  ObjectFetcher,
  Objects,
  openDataFolder,
  openIdentity,
  openIndexDatabase,
  openNetworkRecords,
  Providing,
  Retrieval,
  Scrub,
  ServedSegments
} from '@commonhold/node'
import type { KeeperTerms, PoolFounding } from '@commonhold/pinning'
import type { Config } from './config.ts'
import { ControlServer } from './control/server.ts'
import { ComposedNode } from './controlled-node.ts'
import { NodeIntake } from './intake.ts'
import { NodeLibrary } from './library.ts'
import { listening } from './listening.ts'
import { memberConnections } from './member-connections.ts'
import { Membership } from './membership.ts'
import { NodeHealth } from './node-health.ts'
import { pinnedObjects } from './pinned-objects.ts'
import { keepingAt } from './time-scale.ts'
import { StoredTokens, type TokenTables, tokenMigrations } from './tokens.ts'

export interface ComposeInit {
  readonly dataFolder: string
  readonly socketPath: string
  readonly config: Config
  readonly log: Log
}

export interface RunningNode extends AsyncDisposable {
  readonly node: ComposedNode
  /** Whether this start founded the pool the node is in. */
  readonly founded: boolean
}

/** A running node; disposing of it stops everything in reverse, the newest part first. */
export async function startNode(init: ComposeInit, options?: AbortOptions): Promise<RunningNode> {
  const { config, log } = init
  const clock = systemClock
  const random = systemRandom
  const fileSystem = nodeFileSystem
  await using stack = new AsyncDisposableStack()

  // The disk. The folder's lock comes first: nothing is read before this process owns it.
  const folder = stack.use(await openDataFolder(init.dataFolder, fileSystem))
  const identity = await openIdentity(folder.keysPath, fileSystem, { random, log })
  const { storeEpoch } = folder
  const index = stack.use(await openIndexDatabase({ path: folder.indexPath, storeEpoch, fileSystem, log }))
  await migrateIndex(index.tables<NodeTables>(), 'node', nodeMigrations)
  await migrateIndex(index.tables<TokenTables>(), 'cli', tokenMigrations)
  const blocks = await FileBlockStore.open({ path: folder.blocksPath, fileSystem, log })
  const space = new DiskSpace({
    blocks,
    fileSystem,
    path: folder.blocksPath,
    capacityBytes: config.node.keep,
    stageBytes: config.node.stage
  })
  const objects = new Objects({ storeEpoch, blocks, database: index.tables<NodeTables>(), space, log })
  const scrub = new Scrub(
    { objects, database: index.tables<NodeTables>(), clock, log },
    {
      ...(config.node.scrubPeriod === undefined ? {} : { scrubPeriodMs: config.node.scrubPeriod }),
      ...(config.node.scrubRate === undefined ? {} : { scrubBytesPerSecondMax: config.node.scrubRate })
    }
  )
  const denyList = stack.use(
    await LocalDenyList.open({
      database: index.tables<NodeTables>(),
      logs: new FileRecordLogs(folder.logsPath, fileSystem),
      clock
    })
  )
  const tokens = new StoredTokens({
    database: index.tables<TokenTables>(),
    random,
    wallMs: () => clock.wallMs()
  })

  // The network, constructed; it listens further down, when there is somebody to answer.
  const records = stack.use(await openNetworkRecords(join(folder.path, 'network'), log))
  const network = await Network.create({
    seed: identity.nodeSeed,
    listen: config.network.listen,
    ...(config.network.announce.length === 0 ? {} : { announce: config.network.announce }),
    bootstrap: config.network.bootstrap,
    mdns: config.network.mdns,
    datastore: records.datastore,
    clock,
    random,
    log
  })
  const isMember = (peer: string): boolean => membership.pool.member(peer) !== undefined
  const poolNetwork = new Libp2pPoolNetwork({ network, isMember, clock, log })
  const exchange = new ExchangeClient({
    openStream: (peer, protocol, abort) => network.openStream(peer, protocol, abort),
    clock
  })
  const served = new ServedSegments()
  const exchangeServer = new ExchangeServer({
    // By the objects, so that a damaged block found while serving is known as such from then on.
    blocks: { get: (cid, abort) => objects.block(cid, abort) },
    objects: {
      has: async (root) => served.has(root) || (await objects.has(root)),
      contains: (root, block) => objects.contains(root, block)
    },
    policy: denyList,
    access: {
      isMember,
      // What the pool does not want in public is between members: uploads on their way, members-only objects.
      // And who owes us an answer about its own copy does not get ours to compute it from.
      mayServe: async (root, peer) =>
        !membership.pool.isChallenging(peer, root) &&
        (isMember(peer) || (await membership.pool.wanted(root))?.visibility === 'public'),
      // Who means to keep a copy has asked the pool of its source before it fetches (docs/protocol/offers.md).
      enough: async () => false
    },
    clock,
    log
  })
  const discovery = new DhtDiscovery(network, clock)
  const retrieval = new Retrieval({
    exchange,
    discovery,
    connected: (peer) => network.isConnected(peer),
    clock,
    log
  })
  const fetcher = new ObjectFetcher({ objects, retrieval, clock, log })
  const providing = new Providing({ network, clock, log, enabled: config.network.provide })

  // The pool.
  const founding: PoolFounding = { ...termsOf(config), name: config.pool.name ?? hostname() }
  const membership: Membership = new Membership(
    {
      pinning: {
        keys: { node: identity.node, nodeId: identity.nodeId, operator: identity.operator },
        network: poolNetwork,
        objects: pinnedObjects({
          objects,
          fetcher,
          providing,
          openSegments: (bytes) => HeldSegments.open({ objects, retrieval }, bytes),
          log
        }),
        policy: denyList,
        clock: scaledClock(clock, config.pool.timeScale),
        random,
        log
      },
      operatorId: identity.operatorId,
      storeEpoch,
      fileSystem,
      log
    },
    folder.logsPath,
    { keeping: keepingAt(config.pool) }
  )

  // The doors.
  const library = new NodeLibrary({ membership, objects, retrieval })
  const intake = new NodeIntake({ membership, policy: denyList, objects, served, clock }, config.pool.copies)
  const health = new NodeHealth({
    membership,
    nodeId: identity.nodeId,
    objects,
    scrub,
    retrieval,
    peers: () => network.peers().length,
    clock,
    log
  })
  const bridge = new BridgeServer(
    {
      library,
      intake,
      pins: {
        unpin: (root) => membership.pool.unwant(root),
        status: (root) => membership.pool.status(root)
      },
      tokens,
      policy: denyList,
      health,
      clock,
      log
    },
    {
      bridgeScope: config.http.scope,
      cacheBytesMax: config.http.cache,
      cacheAgeMsMax: config.http.cacheAge,
      uploadBytesMax: config.http.uploadMax,
      trustProxy: config.http.trustProxy,
      clientRequestsPerMinute: config.http.clientRequests,
      clientBurst: Math.ceil(config.http.clientRequests / 2),
      ...(config.http.url === undefined ? {} : { publicUrl: config.http.url }),
      ...(config.http.variantKey === undefined ? {} : { variantKey: config.http.variantKey })
    }
  )
  const httpUrl = (): string => config.http.url ?? urlOf(bridge, config.http.host)
  const node = new ComposedNode({
    folder,
    nodeId: identity.nodeId,
    operatorId: identity.operatorId,
    network,
    objects,
    scrub,
    fetcher,
    discovery,
    denyList,
    membership,
    library,
    intake,
    tokens,
    terms: () => termsOf(config),
    httpUrl,
    clock
  })
  const control = new ControlServer({ node, log }, init.socketPath)

  // Running, from the bottom. The membership is open before the network listens, so that no peer is
  // answered by a node that does not know its own members; and index and blocks agree before anything
  // is brought in.
  const { founded } = await membership.open(founding, options)
  stack.use(membership)
  await objects.reconcile(membership.wantedNames(), options)
  fetcher.start()
  stack.use(fetcher)
  await listening(network.start(), {
    where: config.network.listen.join(', '),
    setting: '--listen /ip4/0.0.0.0/tcp/4421'
  })
  stack.use(network)
  await network.handle(exchangeProtocol, (peer, stream) => exchangeServer.accept(peer, stream))
  exchangeServer.start()
  stack.use(exchangeServer)
  exchange.start()
  stack.use(exchange)
  await poolNetwork.start()
  stack.use(poolNetwork)
  providing.start()
  stack.use(providing)
  await membership.start()
  stack.defer(() => membership.fallSilent())
  await membership.pledge(termsOf(config))
  stack.use(memberConnections({ network, membership, clock, log }))
  objects.onDamage((roots) => void membership.pool.noteDamage(roots))
  await scrub.start()
  stack.use(scrub)
  denyList.onChange((name) => membership.reconsider(name, library, objects))
  await listening(bridge.start({ host: config.http.host, port: config.http.port }), {
    where: `${config.http.host}:${config.http.port}`,
    setting: '--http 127.0.0.1:8421'
  })
  stack.use(bridge)
  await control.start()
  stack.use(control)
  health.start()
  stack.use(health)
  // First of all when it stops: what the other parts then call off is gone on with at the next start.
  stack.defer(() => fetcher.stop())

  const running = stack.move()
  return { node, founded, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

function termsOf({ node }: Config): KeeperTerms {
  return {
    class: node.class,
    capacityBytes: node.keep,
    ...(node.zone === undefined ? {} : { zone: node.zone })
  }
}

/** Where a browser on this machine finds the bridge: a wildcard address is no address to go to. */
function urlOf(bridge: BridgeServer, host: string): string {
  const { address } = bridge
  const reachable =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  return `http://${reachable}:${address?.port ?? 0}/`
}
