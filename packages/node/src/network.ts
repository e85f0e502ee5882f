// The libp2p node: who we are, whom we are connected to, and streams to named peers. It knows nothing
// of objects or pools. Members are held connected for as long as they are members; strangers come and
// go within limits.

import {
  type AbortOptions,
  type Clock,
  InvalidInputError,
  type Log,
  type NodeId,
  nodeIdOf,
  type Random,
  signingKeyFromSeed,
  UnreachableError
} from '@commonhold/core'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub, StrictSign } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper, type SingleKadDHT } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import { KeptConnections } from './kept-connections.ts'
import { defaults } from './options.ts'
import { timelessTls } from './timeless-tls.ts'

const dhtProtocol = '/commonhold/kad/1.0.0'

export interface NetworkInit {
  /** Ed25519 seed of the node key, 32 bytes. */
  readonly seed: Uint8Array
  /** Multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/4711`. None: dials only. */
  readonly listen: readonly string[]
  /** Multiaddrs to tell others instead of those listened on, for a node behind a forwarded port. */
  readonly announce?: readonly string[]
  /** Multiaddrs with `/p2p/…` of nodes to meet the network by. */
  readonly bootstrap?: readonly string[]
  /** Finds nodes on the local network by multicast. @default false */
  readonly mdns?: boolean
  /** Where peer addresses and DHT records survive a restart. Absent: memory. */
  readonly datastore?: Datastore
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface NetworkServices extends Record<string, unknown> {
  identify: Identify
  ping: Ping
  dht: KadDHT
  gossip: GossipSub
}

export interface ConnectedPeer {
  readonly node: NodeId
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
}

export type StreamHandler = (peer: NodeId, stream: Stream) => void

export class Network implements AsyncDisposable {
  readonly nodeId: NodeId
  readonly libp2p: Libp2p<NetworkServices>
  readonly #clock: Clock
  readonly #kept: KeptConnections
  readonly #peerListeners: ((peer: NodeId, connected: boolean) => void)[] = []

  private constructor(nodeId: NodeId, libp2p: Libp2p<NetworkServices>, init: NetworkInit) {
    this.nodeId = nodeId
    this.libp2p = libp2p
    this.#clock = init.clock
    this.#kept = new KeptConnections({
      connected: (peer) => this.isConnected(peer),
      anyConnected: () => libp2p.getConnections().length > 0,
      dial: (target, options) =>
        this.#dial(typeof target === 'string' ? peerIdFromString(target) : target, options),
      bootstrap: (init.bootstrap ?? []).map(dialable),
      clock: init.clock,
      random: init.random,
      log: init.log
    })
    libp2p.addEventListener('peer:connect', ({ detail }) => this.#onPeer(detail, true))
    libp2p.addEventListener('peer:disconnect', ({ detail }) => this.#onPeer(detail, false))
  }

  /** Made, not started: nothing is listened to and nobody is dialled. */
  static async create(init: NetworkInit): Promise<Network> {
    const privateKey = await generateKeyPairFromSeed('Ed25519', init.seed)
    const libp2p = await createLibp2p<NetworkServices>({
      start: false,
      privateKey,
      nodeInfo: { name: 'commonhold', version: '0.1.0', userAgent: 'commonhold/0.1.0' },
      addresses: {
        listen: [...init.listen],
        ...(init.announce === undefined ? {} : { announce: [...init.announce] })
      },
      ...(init.datastore === undefined ? {} : { datastore: init.datastore }),
      // libp2p forgets addresses after an hour: a laptop that slept over night would know nobody.
      peerStore: { maxAddressAge: defaults.addressAgeMsMax, maxPeerAge: defaults.addressAgeMsMax },
      transports: [tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })],
      // TLS first: it moves a third more bytes per second than Noise, whose cipher here is JavaScript.
      connectionEncrypters: [timelessTls(), noise()],
      streamMuxers: [yamux()],
      // A pool on one machine or in one house dials private addresses; the default refuses none but
      // sorts them last, and the DHT's default mappers would drop them from every record.
      peerDiscovery: init.mdns === true ? [mdns({ serviceTag: '_commonhold._udp.local' })] : [],
      connectionManager: {
        maxConnections: defaults.connectionsMax,
        inboundConnectionThreshold: defaults.connectionsPerSecondPerHostMax,
        maxIncomingPendingConnections: defaults.handshakesMax,
        dialTimeout: defaults.dialMs,
        addressDialTimeout: defaults.dialMs,
        // Ours keep trying, with jitter, for as long as somebody is a member; libp2p's gives up.
        reconnectRetries: 0
      },
      connectionMonitor: { enabled: false },
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({
          protocol: dhtProtocol,
          clientMode: false,
          peerInfoMapper: passthroughMapper,
          allowQueryWithZeroPeers: true,
          initialQuerySelfInterval: 1_000
        }),
        gossip: gossipsub({
          globalSignaturePolicy: StrictSign,
          allowPublishToZeroTopicPeers: true,
          emitSelf: false,
          maxInboundDataLength: defaults.announcementBytesMax + 1024
        })
      }
    })
    return new Network(nodeIdOf(signingKeyFromSeed(init.seed).publicKey), libp2p, init)
  }

  async start(): Promise<void> {
    await this.libp2p.start()
    this.#kept.start()
  }

  async stop(): Promise<void> {
    await this.#kept.stop()
    await this.libp2p.stop()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Own multiaddrs with `/p2p/…`, loopback last, so that a list cut short keeps the useful ones. */
  addresses(): readonly string[] {
    const all = this.libp2p.getMultiaddrs().map(String)
    const isLoopback = (address: string): boolean => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address)
    return [...all.filter((address) => !isLoopback(address)), ...all.filter(isLoopback)]
  }

  peers(): readonly ConnectedPeer[] {
    return this.libp2p.getConnections().map((connection) => ({
      node: connection.remotePeer.toString(),
      address: connection.remoteAddr.toString(),
      direction: connection.direction
    }))
  }

  isConnected(peer: NodeId): boolean {
    return this.libp2p.getConnections(peerIdFromString(peer)).length > 0
  }

  /** Connects to `/…/p2p/<node id>` and returns whose node it is. @throws InvalidInputError, UnreachableError */
  async dial(address: string, options?: AbortOptions): Promise<NodeId> {
    const connection = await this.#dial(dialable(address), options)
    return connection.remotePeer.toString()
  }

  /** @throws UnreachableError */
  async openStream(peer: NodeId, protocol: string, options?: AbortOptions): Promise<Stream> {
    const connection = await this.#dial(peerIdOf(peer), options)
    try {
      return await connection.newStream(protocol, options)
    } catch (err) {
      options?.signal?.throwIfAborted()
      throw new UnreachableError(`${peer} does not speak ${protocol}, or not now.`, { cause: err })
    }
  }

  /**
   * Resolves when the DHT knows somebody to ask: some moments after the first connection, because it
   * checks that a peer answers before it believes in it. Until then every question finds nothing.
   */
  async dhtReady(options?: AbortOptions): Promise<void> {
    // What `kadDHT` makes is one; its declared type is the wider interface.
    const { routingTable } = this.libp2p.services.dht as SingleKadDHT
    while (routingTable.size === 0) await this.#clock.sleep(defaults.dhtLookMs, options)
  }

  /** At most two streams per peer: a second may open while the first one's end is still under way. */
  async handle(protocol: string, handler: StreamHandler): Promise<void> {
    await this.libp2p.handle(protocol, (stream, { remotePeer }) => handler(remotePeer.toString(), stream), {
      maxInboundStreams: 2,
      maxOutboundStreams: 2
    })
  }

  async unhandle(protocol: string): Promise<void> {
    await this.libp2p.unhandle(protocol)
  }

  onPeer(listener: (peer: NodeId, connected: boolean) => void): void {
    this.#peerListeners.push(listener)
  }

  /** Remembered for later dials. Addresses that are no multiaddrs are left out. */
  async addAddresses(peer: NodeId, addresses: readonly string[]): Promise<void> {
    const multiaddrs: Multiaddr[] = []
    for (const address of addresses.slice(0, defaults.addressesPerPeerMax)) {
      try {
        multiaddrs.push(multiaddr(address))
      } catch {
        // Addresses come from others; one that cannot be read is one that cannot be dialled.
      }
    }
    if (multiaddrs.length > 0) await this.libp2p.peerStore.merge(peerIdOf(peer), { multiaddrs })
  }

  /** The peers to hold connected from now on, and to keep when connections are closed for their number. */
  async keepConnected(peers: readonly NodeId[]): Promise<void> {
    const others = peers.filter((peer) => peer !== this.nodeId)
    const { added, removed } = this.#kept.replace(others)
    for (const peer of added) {
      await this.libp2p.peerStore.merge(peerIdOf(peer), { tags: { [memberTag]: { value: 100 } } })
    }
    for (const peer of removed) {
      await this.libp2p.peerStore.merge(peerIdOf(peer), { tags: { [memberTag]: undefined } })
    }
  }

  async #dial(target: PeerId | Multiaddr, options?: AbortOptions): Promise<Connection> {
    try {
      return await this.libp2p.dial(target, options)
    } catch (err) {
      options?.signal?.throwIfAborted()
      throw new UnreachableError(`${target} cannot be reached.`, { cause: err })
    }
  }

  #onPeer(peer: PeerId, connected: boolean): void {
    const node = peer.toString()
    if (!connected) this.#kept.wake(node)
    for (const listener of this.#peerListeners) listener(node, connected)
  }
}

const memberTag = 'commonhold-member'

function dialable(address: string): Multiaddr {
  let parsed: Multiaddr
  try {
    parsed = multiaddr(address)
  } catch (err) {
    throw new InvalidInputError(`“${address.slice(0, 200)}” is not a multiaddr.`, { cause: err })
  }
  return parsed
}

function peerIdOf(node: NodeId): PeerId {
  try {
    return peerIdFromString(node)
  } catch (err) {
    throw new InvalidInputError(`“${node.slice(0, 80)}” is not a node id.`, { cause: err })
  }
}
