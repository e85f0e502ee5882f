// Every option and limit of the bridge, with its unit, its reason and what hurts when it is changed.
// docs/limits.md is generated from these comments.

export interface BridgeOptions {
  /**
   * Which objects are served: `pool` only those a pool of this node wants, `any` whatever can be found.
   * `any` makes the node an open proxy for the whole network: strangers then choose what it fetches.
   * @default 'pool'
   */
  readonly bridgeScope: 'pool' | 'any'
  /**
   * Origin (`https://media.example.org`, no trailing slash) written into the URLs that uploads answer. Without it
   * they use the Host header of the request, which is right behind a proxy that passes the header on.
   * @default undefined
   */
  readonly publicUrl?: string
  /**
   * Bytes of fetched objects kept in memory, those being fetched included. 0 keeps nothing. Higher spares the
   * other nodes repeated reads of one picture; it comes out of the memory of this process.
   * @default 50331648 (48 MiB)
   */
  readonly cacheBytesMax: number
  /**
   * How long fetched bytes may stay in the cache, in ms. It bounds how long a node holds what it does not keep.
   * @default 900000 (15 minutes)
   */
  readonly cacheAgeMsMax: number
  /**
   * How many bytes a reader may lag behind others of one shared fetch before it gets a fetch of its own. Lower
   * means more fetches, higher more memory per object.
   * @default 4194304 (4 MiB)
   */
  readonly flightLagBytesMax: number
  /**
   * Bytes handed to client sockets and not yet taken by the clients, over all responses. This bounds the memory
   * slow clients can hold. Responses beyond it wait, so lower lets fewer slow clients stall the others.
   * @default 33554432 (32 MiB)
   */
  readonly bodyBytesMax: number
  /**
   * While responses wait for `bodyBytesMax`, a client that has not taken its last piece within this time, in ms,
   * is cut off. Lower cuts honest slow clients sooner under load, higher lets stalled ones hold others up longer.
   * @default 5000
   */
  readonly pressureStallMsMax: number
  /**
   * How long to wait for the first, or the next, piece of an object from other nodes, in ms, before answering 504
   * or cutting the response. Several sources of about 2 s each fit in; people do not wait longer.
   * @default 15000
   */
  readonly upstreamWaitMsMax: number
  /**
   * Objects whose size and type are remembered. One takes about 300 bytes; fewer mean more index look-ups.
   * @default 10000
   */
  readonly cardsMax: number
  /**
   * Names on one page that lists a folder. A page of so many has about 400 KiB; the rest can be asked for by name.
   * @default 2000
   */
  readonly listingEntriesMax: number
  /**
   * Blocks read for such a page of a sharded folder. Each may be a question to another node, one after another.
   * @default 64
   */
  readonly listingBlocksMax: number
  /**
   * How long size, type and locality of an object are believed, in ms. Only locality can change: an object that
   * has just come to or left the disk is read the slower way for this long.
   * @default 60000
   */
  readonly cardAgeMsMax: number
  /**
   * Largest upload, in bytes. Mastodon allows 99 MB of video; higher means more staging space per request.
   * @default 4294967296 (4 GiB)
   */
  readonly uploadBytesMax: number
  /**
   * What may be uploaded: `any` bytes (what is not an image, video or audio is only ever served as a download),
   * or `media` only, so that a leaked token cannot turn the node into a file drop.
   * @default 'any'
   */
  readonly uploadTypes: 'any' | 'media'
  /**
   * Uploads at the same time. Each holds at most `stripBytesMax` plus a few chunks in memory.
   * @default 16
   */
  readonly uploadsMax: number
  /**
   * Slowest acceptable upload, in bytes per second, measured after `uploadGraceMs`. A slower client holds one of
   * `uploadsMax` places for hours; 1 KiB/s is below any real line.
   * @default 1024
   */
  readonly uploadBytesPerSecondMin: number
  /**
   * Time an upload has before its rate is looked at, in ms.
   * @default 30000
   */
  readonly uploadGraceMs: number
  /**
   * Largest header structure (`moov` of a video, `meta` of a HEIF image) that is held in memory to remove
   * metadata, in bytes. A two-hour film has 2-5 MiB; larger ones are refused unless `metadata=keep` is asked.
   * @default 16777216 (16 MiB)
   */
  readonly stripBytesMax: number
  /**
   * Largest `copies` an upload may ask for. More than a pool has operators is refused later anyway.
   * @default 32
   */
  readonly copiesAskedMax: number
  /**
   * Widths and heights of scaled pictures anybody may ask for, in pixels. Each more is another picture to make and
   * to cache per object.
   * @default [64, 96, 128, 256, 320, 480, 640, 960, 1280, 1920]
   */
  readonly variantSides: readonly number[]
  /**
   * Qualities anybody may ask for, beside the usual one of each format.
   * @default [50, 65, 80, 90]
   */
  readonly variantQualities: readonly number[]
  /**
   * Secret shared with the software of the instance, which signs what it asks for beyond those two lists
   * (docs/http-api.md). Without it nothing else is made.
   * @default undefined
   */
  readonly variantKey?: string
  /**
   * Largest side of a scaled picture, signed ones included, in pixels.
   * @default 4096
   */
  readonly variantSideMax: number
  /**
   * Largest picture that is decoded, in pixels, all frames together. A phone makes 50 million; each takes up to
   * four bytes in the scaling process.
   * @default 50331648 (48 Mi)
   */
  readonly variantPixelsMax: number
  /**
   * Largest picture that is decoded, in bytes of its file: held in memory here and in the scaling process.
   * @default 33554432 (32 MiB)
   */
  readonly variantInputBytesMax: number
  /**
   * Scaling processes at once, each of some 60 MB while it lives. More than cores only takes memory.
   * @default 2
   */
  readonly variantProcesses: number
  /**
   * Pictures waiting for a scaling process; further ones are answered 503.
   * @default 64
   */
  readonly variantQueueMax: number
  /**
   * Longest time one picture may take, in ms; then its process is killed and the answer is 422. AVIF of a large
   * picture takes seconds on a small machine.
   * @default 15000
   */
  readonly variantMsMax: number
  /**
   * How long a scaling process without work is kept, in ms. Starting one takes some 200 ms.
   * @default 30000
   */
  readonly variantIdleMs: number
  /**
   * Blocks of one CAR that are remembered so that none comes twice where `dups=n`; beyond it a repeated block may. One
   * takes about 80 bytes, and 65,536 are a file of 64 GiB.
   * @default 65536
   */
  readonly carBlocksMax: number
  /**
   * Who may read `/metrics`: holders of a token with the scope `metrics`, everybody, or nobody (404). Loopback is
   * no proof of anything behind a reverse proxy, so there is no such choice.
   * @default 'token'
   */
  readonly metrics: 'token' | 'public' | 'off'
  /**
   * Whether each request is logged, without the address of the client.
   * @default true
   */
  readonly accessLog: boolean
  /**
   * Requests a minute of one client (an IPv4 address, a /64 of IPv6), beyond which it is answered 429; 0 for no limit.
   * A page of previews is a hundred at once; another instance that fetches everything is slowed down, not turned away.
   * @default 1200
   */
  readonly clientRequestsPerMinute: number
  /**
   * Requests one client may make at once before that rate holds.
   * @default 600
   */
  readonly clientBurst: number
  /**
   * Requests a minute for one object by all clients, conditional ones not counted; 0 for no limit. Bounds what a link
   * from a large site takes from everybody else.
   * @default 12000
   */
  readonly objectRequestsPerMinute: number
  /**
   * Clients, and objects, whose rate is remembered. One takes about 150 bytes; when there are more, the one that
   * asked longest ago is forgotten.
   * @default 32768
   */
  readonly rateKeysMax: number
  /**
   * Addresses whose `X-Forwarded-For` is believed, as Express writes them (`loopback`, `uniquelocal`, a CIDR). What a
   * stranger writes there must not decide whom a limit falls on.
   * @default ['loopback']
   */
  readonly trustProxy: readonly string[]
  /**
   * Open connections. Each idle one takes some 20 KiB. Further ones are closed at once.
   * @default 2048
   */
  readonly connectionsMax: number
  /**
   * Time for a client to send its request headers, in ms (slow-loris bound).
   * @default 15000
   */
  readonly headersMsMax: number
  /**
   * Largest request line and headers, in bytes; larger ones are answered 431.
   * @default 16384
   */
  readonly headerBytesMax: number
  /**
   * How long a connection may go without one byte in either direction, in ms: the bound on stalled uploads and
   * stalled downloads. Must exceed `upstreamWaitMsMax`, or slow sources look like stalled clients.
   * @default 60000
   */
  readonly stallMsMax: number
  /**
   * How long an idle connection is kept for a further request, in ms. Longer than the 60 s of common reverse
   * proxies, which otherwise reuse a connection just as it closes and answer 502.
   * @default 65000
   */
  readonly keepAliveMs: number
  /**
   * How long `stop()` lets responses finish, in ms, before it cuts them.
   * @default 10000
   */
  readonly drainMsMax: number
  /**
   * How long the rest of a refused upload is read and thrown away, in ms, so that the client gets to see the
   * answer instead of a reset connection.
   * @default 5000
   */
  readonly lingerMsMax: number
}

export const defaults: BridgeOptions = Object.freeze({
  bridgeScope: 'pool',
  cacheBytesMax: 48 * 1024 * 1024,
  cacheAgeMsMax: 15 * 60 * 1000,
  flightLagBytesMax: 4 * 1024 * 1024,
  bodyBytesMax: 32 * 1024 * 1024,
  pressureStallMsMax: 5000,
  upstreamWaitMsMax: 15_000,
  cardsMax: 10_000,
  listingEntriesMax: 2000,
  listingBlocksMax: 64,
  cardAgeMsMax: 60_000,
  uploadBytesMax: 4 * 1024 * 1024 * 1024,
  uploadTypes: 'any',
  uploadsMax: 16,
  uploadBytesPerSecondMin: 1024,
  uploadGraceMs: 30_000,
  stripBytesMax: 16 * 1024 * 1024,
  copiesAskedMax: 32,
  variantSides: [64, 96, 128, 256, 320, 480, 640, 960, 1280, 1920],
  variantQualities: [50, 65, 80, 90],
  variantSideMax: 4096,
  variantPixelsMax: 48 * 1024 * 1024,
  variantInputBytesMax: 32 * 1024 * 1024,
  variantProcesses: 2,
  variantQueueMax: 64,
  variantMsMax: 15_000,
  variantIdleMs: 30_000,
  carBlocksMax: 65_536,
  metrics: 'token',
  accessLog: true,
  clientRequestsPerMinute: 1200,
  clientBurst: 600,
  objectRequestsPerMinute: 12_000,
  rateKeysMax: 32_768,
  trustProxy: ['loopback'],
  connectionsMax: 2048,
  headersMsMax: 15_000,
  headerBytesMax: 16 * 1024,
  stallMsMax: 60_000,
  keepAliveMs: 65_000,
  drainMsMax: 10_000,
  lingerMsMax: 5000
})
