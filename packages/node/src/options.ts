// Every limit and default of this package, each with its unit, its reason and what hurts when it is
// lower or higher. docs/limits.md is generated from here.

export interface NodeOptions {
  // Storage.
  /** Damaged blocks kept aside for inspection, newest first. More helps nobody who looks for the cause, and takes up to 2 MiB each. @default 32 */
  readonly quarantineBlocksMax: number
  /** Blocks of one file made durable at once while it is ingested. Each holds up to 1 MiB of memory; fewer leave the disk waiting for the hash, more only wait for the disk. @default 8 */
  readonly ingestPutsMax: number
  /** Bytes left free on the disk for logs, index and keys when blocks no longer fit, in bytes. Lower risks a node that cannot even record an unpin; higher wastes disk. @default 268435456 */
  readonly diskReserveBytes: number
  /** Block bytes stored between two looks at the free space of the disk, in bytes. Lower asks more often for the same answer; higher can eat further into the reserve. @default 67108864 */
  readonly diskCheckBytes: number
  /** Bytes of one frame of a record log, in bytes: what one fsync makes durable, and what is held in memory while a log is read. Larger appends are split; a single larger record is refused. @default 8388608 */
  readonly logFrameBytesMax: number
  /** Prepared statements kept by the index database. The queries of this program fit; higher keeps statements nobody uses again. @default 512 */
  readonly statementsMax: number
  /** Size of the index database above which its pages are not all checked after an unclean stop, in bytes. Higher finds damage earlier, and makes a start after a crash slower by about a second per GiB. @default 1073741824 */
  readonly indexCheckBytesMax: number

  // Checking our own blocks.
  /** Time over which one check of all stored blocks is spread, in milliseconds. A block that comes early in one pass and late in the next waits two of them, so half a month keeps every byte younger than a month. Lower reads the disk more often, higher lets rot wait until the other copies may have rotted as well. @default 1209600000 (14 days) */
  readonly scrubPeriodMs: number
  /** Bytes read per second by that check at most, in bytes per second: what a home disk gives away beside its readers. It reads that fast only to catch up; a store of more than `scrubPeriodMs` times this cannot be checked in time, and says so. @default 16777216 */
  readonly scrubBytesPerSecondMax: number
  /** Longest wait between two looks at which blocks are due, in milliseconds. Lower asks the index more often, higher reads in larger bursts. @default 60000 */
  readonly scrubLookMs: number
  /** Blocks checked between two notes of how far it came. Lower writes the index more often, higher reads more again after a crash. @default 64 */
  readonly scrubBlocksPerNote: number

  // The walk through a file's blocks.
  /** Levels of links accepted above the leaves. Ours need two for 1 TiB; 256 KiB leaves with 174 links need three. Lower refuses files of other programs, higher lets a hostile chain of single links cost more. @default 8 */
  readonly walkLevelsMax: number
  /** Levels of links accepted in a folder or document, files in it included. People nest a few dozen; each level is a block to read before the next is known. Lower refuses deep ones, higher lets a hostile chain cost more. @default 256 */
  readonly dagLevelsMax: number
  /** Bytes of the blocks whose links lead to the present one, for one walk. Links keep their block in memory, about six times its bytes when it is full of them. 1.75 MiB: with a leaf of 2 MiB a path fits into one answer to a challenge; lower refuses large flat folders. @default 1835008 */
  readonly walkHeldBytesMax: number
  /** Blocks an import looks at, per block it brought: a DAG that links the same blocks over and over is larger to walk than to store, without bound. Lower refuses archives with many versions of one folder. @default 16 */
  readonly importRepeatsMax: number
  /** Blocks of one import. It remembers each until the last: 900 bytes with its links, measured, so 59 MB. Lower refuses folders of many small files. @default 65536 */
  readonly importBlocksMax: number

  // Exchange.
  /** Most block bytes in one frame, in bytes, while one request has the stream to itself. Each frame costs three writes through TLS, so 64 KiB lose a fifth of the throughput of 256 KiB; larger gains nothing more and is memory per stream. @default 262144 */
  readonly exchangeFrameBytesMax: number
  /** Block bytes in one frame while several requests take turns, in bytes: how long a picture waits for a film's frame. Below 32 KiB the cost per frame shows, above 256 KiB the waiting does. @default 65536 */
  readonly exchangeSliceBytes: number
  /** Block bytes a server may send ahead of the reader, per request, in bytes. At least `blockBytesMax`, or a block could never complete. 4 MiB keeps 40 MiB/s at 100 ms of round trip; higher costs the requester that memory for every slow reader. @default 4194304 */
  readonly exchangeWindowBytes: number
  /** Sum of the windows of all requests under way here, in bytes; a request beyond it is refused with BusyError. Lower serves fewer readers at once, higher is memory that slow readers can hold. @default 67108864 */
  readonly exchangeReceiveBytesMax: number
  /** Bytes of blocks read from disk and not yet sent, over all peers, in bytes; further requests wait their turn. Lower makes readers wait for one another's disk, higher is memory that peers who read slowly can hold. @default 67108864 */
  readonly exchangeSendBytesMax: number
  /** Requests a member may have under way here at once. A bridge fetches one per open viewer, so it is generous; higher lets one member hold the send budget. @default 64 */
  readonly exchangeRequestsPerMemberMax: number
  /** The same for a peer that shares no pool with us: enough for a browser's worth of pictures, too little to live off us. @default 8 */
  readonly exchangeRequestsPerStrangerMax: number
  /** Bytes queued for a peer that does not read its answers, in bytes; more ends the stream. Data waits for credit, so only refusals can pile up; higher only helps an attacker. @default 1048576 */
  readonly exchangeQueuedBytesMax: number
  /** Roots in one have question. 1,024 make a frame of 37 KiB; more would delay the data between which it travels. @default 1024 */
  readonly haveRootsMax: number
  /** How long a request may lack credit before the server gives up its memory, in milliseconds. The reader resumes at the exact byte when it wants more; lower costs slow readers requests, higher lets idle ones hold memory. @default 30000 */
  readonly exchangeStallMs: number
  /** How long an asker keeps a stream on which it asks nothing, in milliseconds; a server waits twice as long. Opening another costs 5-9 ms: lower pays it more often, higher keeps memory for peers of yesterday. @default 300000 */
  readonly exchangeIdleMs: number
  /** Streams of one peer served at once, over all its connections; one more ends the oldest. An asker needs one, and another while a broken line has not been noticed. @default 4 */
  readonly exchangeStreamsPerPeerMax: number
  /** How long a source may send nothing of what is waited for before it is replaced, in milliseconds, dialling included. Lower abandons busy home lines, higher is how long a viewer looks at nothing. @default 2000 */
  readonly sourceBudgetMs: number

  // Files that go through in segments.
  /** Bytes of one segment of a file larger than the room there is: what is lost when a keeper refuses it. Lower costs round trips, higher room and waiting. @default 8388608 */
  readonly segmentBytesMax: number
  /** The same at least, in bytes: one leaf and its frame. @default 2097152 */
  readonly segmentBytesMin: number
  /** Segments handed on at once while the next one comes in. Fewer leave the line idle while keepers write, more take room. @default 3 */
  readonly segmentsInFlightMax: number

  // Retrieval.
  /** Least time after which a second source is asked beside a slow one, in milliseconds; the 95th percentile of recent waits may make it longer. Lower asks twice for what a busy machine was about to send, higher is felt by viewers. @default 100 */
  readonly hedgeMsMin: number
  /** Longest such time, and the one while too little was seen, in milliseconds; below `sourceBudgetMs`, or nothing would be hedged. Higher leaves a viewer with a frozen source for longer, lower asks twice wherever all lines are slow. @default 1000 */
  readonly hedgeMsMax: number
  /** Share of all blocks that may be hedged, above `hedgeBurst`. Each can cost up to one block that comes twice; higher turns a slow day into twice the traffic. @default 0.05 */
  readonly hedgeShareMax: number
  /** Hedges at once beyond the share: as many readers as one frozen member may hold up together. @default 32 */
  readonly hedgeBurst: number
  /** How long a source that did not answer, stopped or was overtaken twice is asked after the others, in milliseconds. Lower tries a frozen member again and again at a viewer's cost, higher leaves one that recovered without work. @default 30000 */
  readonly slowSourceMs: number
  /** Peers remembered as liars or as slow; the longest unused are forgotten. More than a pool has keepers helps nobody. @default 1024 */
  readonly sourcesRememberedMax: number
  /** How long a source that sent wrong bytes is asked last, in milliseconds. Lower wastes requests on liars, higher punishes one bad disk for longer. @default 600000 */
  readonly distrustMs: number
  /** Root blocks kept in memory from `stat` to the `read` that follows, in bytes. Zero fetches the root twice; higher gains nothing, because the two come right after one another. @default 8388608 */
  readonly rootMemoBytesMax: number
  /** How often all sources are gone through before a read is given up. Two let a source that was busy or had just gone away come back. @default 2 */
  readonly retrieveRounds: number
  /** Blocks of one object being made durable at once while it is fetched. Folder fsyncs are shared, so a few together are quicker than one by one; each holds a block in memory. @default 4 */
  readonly fetchPutsMax: number
  /** How long the blocks of a fetch that all sources broke off are kept for the next attempt, in milliseconds: longer than a home line is usually away. Lower makes large objects begin anew, higher holds the room set aside for them. @default 1800000 */
  readonly fetchResumeMs: number
  /** Fetches broken off whose blocks are kept at once; one more undoes the oldest. Lower begins anew after an outage in mid-repair, higher sets more room aside for what may never come. @default 4 */
  readonly pausedFetchesMax: number

  // Discovery and providing.
  /** How long the DHT is searched for holders of one object, in milliseconds. Shorter misses records three hops away, longer makes a viewer of a missing picture wait. @default 10000 */
  readonly discoverMs: number
  /** Pause between two looks whether the DHT knows anybody yet, in milliseconds, only just after a start. Lower looks more often for nothing, higher delays the first search. @default 100 */
  readonly dhtLookMs: number
  /** Holders taken from the DHT for one object; more than placement ever makes copies, so a flood of false records ends here. @default 20 */
  readonly holdersMax: number
  /** Objects being announced to the DHT at once. Each opens about 40 streams; higher is felt by everything else this node does. @default 2 */
  readonly provideConcurrency: number
  /** Objects waiting to be announced. Beyond it the oldest waits for the next round of re-providing; higher costs memory only. @default 65536 */
  readonly provideQueueMax: number
  /** How long announcing one name may take, in milliseconds. A stock provide takes half a second on a good day; a hung peer must not hold the queue. @default 60000 */
  readonly provideMs: number
  /** Pause before an object that nobody was there to hear about is announced again, in milliseconds. Lower repeats itself to an empty room, higher leaves new objects unfound for longer after a start without network. @default 15000 */
  readonly provideRetryMs: number

  // Requests between members.
  /** Largest message between members, in bytes: a batch of some 50,000 wishes. Lower needs more round trips to sync, higher is memory a member can make us spend. @default 4194304 */
  readonly poolMessageBytesMax: number
  /** The same from a peer that is no member, in bytes: enough to ask to be let in. @default 262144 */
  readonly poolMessageFromStrangerBytesMax: number
  /** How long an answer is waited for when the asker set no end of its own, in milliseconds. Lower takes busy members for gone, higher keeps work waiting on dead ones. @default 30000 */
  readonly poolRequestMs: number
  /** Requests of ours a peer may have under way before more are refused with BusyError, and the same for its requests here. @default 16 */
  readonly poolRequestsPerPeerMax: number
  /** The same for a peer that is no member, which has little to ask. @default 4 */
  readonly poolRequestsPerStrangerMax: number
  /** Largest announcement, in bytes: a signed head fits many times. Gossip multiplies, so it stays small. @default 65536 */
  readonly announcementBytesMax: number

  // Connections.
  /** Connections kept at most; beyond it those to peers that are no members are closed first. Members of a large pool and the DHT's neighbours fit; each costs about 100 KiB. @default 300 */
  readonly connectionsMax: number
  /** Connections accepted per second from one address. Several nodes behind one address (a household, a test on loopback) must get in; higher lets one host keep us busy with handshakes. @default 50 */
  readonly connectionsPerSecondPerHostMax: number
  /** Handshakes under way at once. A pool reconnecting after our restart comes all together; higher lets strangers fill memory with unfinished ones. @default 50 */
  readonly handshakesMax: number
  /** How long a dial may take, in milliseconds, handshake included. @default 5000 */
  readonly dialMs: number
  /** First delay before a lost member is dialled again, in milliseconds; it doubles, with jitter, so that a pool does not come back in step. @default 500 */
  readonly redialMs: number
  /** Longest delay between two dials of a member that stays away, in milliseconds. Longer notices a return later, shorter knocks on closed doors. @default 60000 */
  readonly redialMsMax: number
  /** Addresses remembered per call for one peer; a member with more is making us dial. @default 16 */
  readonly addressesPerPeerMax: number
  /** How long an address of a peer is remembered unseen, in milliseconds. libp2p's own hour would make a laptop that slept over night forget its whole pool; higher dials more addresses that moved on. @default 7776000000 (90 days) */
  readonly addressAgeMsMax: number
}

export const defaults: Readonly<NodeOptions> = Object.freeze({
  quarantineBlocksMax: 32,
  ingestPutsMax: 8,
  diskReserveBytes: 256 * 1024 * 1024,
  diskCheckBytes: 64 * 1024 * 1024,
  logFrameBytesMax: 8 * 1024 * 1024,
  statementsMax: 512,
  indexCheckBytesMax: 1024 * 1024 * 1024,

  scrubPeriodMs: 14 * 24 * 3_600_000,
  scrubBytesPerSecondMax: 16 * 1024 * 1024,
  scrubLookMs: 60_000,
  scrubBlocksPerNote: 64,

  walkLevelsMax: 8,
  dagLevelsMax: 256,
  walkHeldBytesMax: 1_835_008,
  importRepeatsMax: 16,
  importBlocksMax: 65_536,

  exchangeFrameBytesMax: 256 * 1024,
  exchangeSliceBytes: 64 * 1024,
  exchangeWindowBytes: 4 * 1024 * 1024,
  exchangeReceiveBytesMax: 64 * 1024 * 1024,
  exchangeSendBytesMax: 64 * 1024 * 1024,
  exchangeRequestsPerMemberMax: 64,
  exchangeRequestsPerStrangerMax: 8,
  exchangeQueuedBytesMax: 1024 * 1024,
  haveRootsMax: 1024,
  exchangeStallMs: 30_000,
  exchangeIdleMs: 5 * 60_000,
  exchangeStreamsPerPeerMax: 4,
  sourceBudgetMs: 2_000,

  hedgeMsMin: 100,
  hedgeMsMax: 1_000,
  hedgeShareMax: 0.05,
  hedgeBurst: 32,
  slowSourceMs: 30_000,
  sourcesRememberedMax: 1_024,
  distrustMs: 10 * 60_000,
  rootMemoBytesMax: 8 * 1024 * 1024,
  retrieveRounds: 2,
  fetchPutsMax: 4,
  fetchResumeMs: 30 * 60 * 1000,
  pausedFetchesMax: 4,

  segmentBytesMax: 8 * 1024 * 1024,
  segmentBytesMin: 2 * 1024 * 1024,
  segmentsInFlightMax: 3,

  discoverMs: 10_000,
  dhtLookMs: 100,
  holdersMax: 20,
  provideConcurrency: 2,
  provideQueueMax: 65_536,
  provideMs: 60_000,
  provideRetryMs: 15_000,

  poolMessageBytesMax: 4 * 1024 * 1024,
  poolMessageFromStrangerBytesMax: 256 * 1024,
  poolRequestMs: 30_000,
  poolRequestsPerPeerMax: 16,
  poolRequestsPerStrangerMax: 4,
  announcementBytesMax: 64 * 1024,

  connectionsMax: 300,
  connectionsPerSecondPerHostMax: 50,
  handshakesMax: 50,
  dialMs: 5_000,
  redialMs: 500,
  redialMsMax: 60_000,
  addressesPerPeerMax: 16,
  addressAgeMsMax: 90 * 24 * 3_600_000
})
