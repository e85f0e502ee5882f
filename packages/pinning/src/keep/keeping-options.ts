// Delays and limits of the keeping half: when copies are made, proven, released and collected.
// Every delay runs on the Clock port, so a test or a demo scales all of them with one factor.

export interface KeepingOptions {
  /**
   * How long an absence is waited out before copies are made for it, in ms. Most absences are
   * restarts: shorter makes copies nobody needs (28.7 instead of 1.8 per object-year when combined
   * with eager trimming), longer leaves the object below its promise. @default 900000 (15 min)
   */
  readonly repairDelayMs: number
  /** The same while at most one live copy is left, in ms. @default 60000 (1 min) */
  readonly lastCopyDelayMs: number
  /**
   * The same while no more than one live copy is missing and more than `copiesTarget` are there or expected back, in ms:
   * they are away and not gone. Shorter makes a fifth copy whenever two of four keepers are away, longer leaves the
   * object one below its promise for that time. @default 21600000 (6 h)
   */
  readonly spareDelayMs: number
  /**
   * Wait between candidates for one repair, in ms: each counts again before it acts, so that one
   * copy is made and not five. Shorter makes surplus copies, longer delays the second repair.
   * @default 30000 (30 s)
   */
  readonly repairStaggerMs: number
  /**
   * How long a member outside the placement waits, beyond its stagger, for placed members that are
   * reachable but do not act, in ms. @default 900000 (15 min)
   */
  readonly walkOnDelayMs: number
  /** Wait before copies above `copiesMin` are filled up to the target, in ms. @default 3600000 (1 h) */
  readonly fillDelayMs: number
  /**
   * How long a server that is away is still expected back with its copies, in ms, when it is decided what to have beyond
   * `copiesMin`. Below the minimum an absence is waited out for `repairDelayMs` and no longer. Shorter makes copies
   * for absences, longer leaves the object at its minimum for that time. @default 259200000 (3 days)
   */
  readonly returnServerMs: number
  /** The same of a home machine, in ms: one that is off over a week's end is no loss. @default 604800000 (7 days) */
  readonly returnHomeMs: number
  /** Age of membership after which existing objects are moved to a newcomer, in ms. @default 86400000 (24 h) */
  readonly newcomerAgeMs: number
  /** Fewest operators lost together that make a mass loss: then it is our network that failed, not they. @default 5 */
  readonly massLossOperatorsMin: number
  /** The same as a share of all operators; the larger of both counts. @default 0.2 */
  readonly massLossShare: number
  /** Losses within this window are together, in ms. @default 300000 (5 min) */
  readonly massLossWindowMs: number
  /** How long a mass loss holds back repairs that are not urgent, in ms. @default 3600000 (1 h) */
  readonly massLossHoldMs: number
  /** Pulls at once. More saturates a home line, fewer lengthens a repair, 0 repairs nothing here. @default 4 */
  readonly repairConcurrency: number
  /** Pulls waiting at once; more urgent ones take the place of others, which are planned again later. @default 4096 */
  readonly repairQueueMax: number
  /** Bytes per second of repairs, averaged; urgent ones are not limited. @default 33554432 (32 MiB/s) */
  readonly repairBytesPerSecondMax: number
  /** First wait after a failed pull, in ms; doubles up to `repairRetryMsMax`. @default 5000 */
  readonly repairRetryMs: number
  /** Longest wait between tries of one pull that fails, or that a source says others are making, in ms. @default 600000 (10 min) */
  readonly repairRetryMsMax: number
  /**
   * A source remembers an intent to fetch for so long, in ms, beside the time the object takes at
   * `offerBytesPerSecondMin`, and counts it as a copy. @default 120000 (2 min)
   */
  readonly fetchIntentMs: number

  /** Age at which a proof no longer makes a live copy, in ms. @default 2592000000 (30 days) */
  readonly proofAgeMsMax: number
  /** Age at which a challenger asks again, in ms: enough below `proofAgeMsMax` for many tries. @default 1555200000 (18 days) */
  readonly proofEveryMs: number
  /** A new copy is challenged this long after its claim, in ms: time to drop what was never meant to be kept. @default 300000 (5 min) */
  readonly proofSettleMs: number
  /**
   * How long beyond that an unproven claim still keeps others from making a copy, in ms, beside the time for
   * reading the object at `proofBytesPerSecondMin`. @default 600000 (10 min)
   */
  readonly proofPatienceMs: number
  /** Wait before a copy that gave no answer, or a wrong one, is asked again, in ms. @default 300000 (5 min) */
  readonly proofRetryMs: number
  /**
   * Silences about one object, each after answers about others, that make its copy a mere claim again. Fewer
   * doubts a keeper over one lost packet, more lets it park an object longer. @default 3
   */
  readonly silenceStrikesMax: number
  /** Slowest disk, in bytes per second: a right answer about `proofTellBytesMin` or more that took longer is late, and no proof. 100 Mbit/s bring 12.5 MB/s. Higher leaves large copies on old home disks uncounted, lower counts on who fetches what it should keep. @default 20971520 (20 MiB/s) */
  readonly proofDiskBytesPerSecondMin: number
  /** What such an answer may take beside reading, in ms: the way there and back, twice. More hides the fetching of smaller objects, less takes far keepers for fetchers. @default 300 */
  readonly proofWayMs: number
  /** Part of `proofEveryMs` over which renewals are spread, earlier, by a hash of challenger and object: what came in one day must not be asked for in one day. @default 0.25 */
  readonly proofSpreadShare: number
  /**
   * How long a renewal waits for others that are due at the same keeper, in ms: 64 in one question cost 149 bytes
   * each, one alone 618. Long before the proof lapses; shorter makes more questions. @default 86400000 (24 h)
   */
  readonly proofGatherMs: number
  /** Bytes of objects we challenge about per second, which we read ourselves to compare: twice what a keeper of 6 TB needs. Less leaves proofs overdue, more is felt by readers. @default 16777216 (16 MiB/s) */
  readonly challengeBytesPerSecondMax: number
  /** Burst of the same, in bytes; a larger object is begun and waited off afterwards. @default 268435456 (256 MiB) */
  readonly challengeBurstBytesMax: number
  /** Bytes of objects in one challenge, unless a single one is larger: bounds the time to an answer. @default 67108864 (64 MiB) */
  readonly challengeBytesMax: number
  /** Objects in one challenge. More saves messages, fewer bounds the time to an answer. @default 64 */
  readonly proofObjectsMax: number
  /** Objects waiting to be challenged at one keeper; further ones are planned again after `proofRetryMs`. @default 4096 */
  readonly challengesMax: number
  /** Time for an answer before its reading, in ms; late is silence, not failure. @default 10000 */
  readonly proofAnswerMs: number
  /** Slowest reading we wait for, in bytes per second of what was challenged. @default 8388608 (8 MiB/s) */
  readonly proofBytesPerSecondMin: number
  /** Bytes read per second to answer challenges, all challengers together: an audit must not starve readers. @default 67108864 (64 MiB/s) */
  readonly answerBytesPerSecondMax: number
  /** Burst of the same, in bytes, and the most that one larger object takes from everybody's budget. @default 1073741824 (1 GiB) */
  readonly answerBurstBytesMax: number
  /** Challenges answered at once; the rest is told `busy`, which is no failure. @default 4 */
  readonly answerConcurrency: number
  /** Part of bytes, burst and answers at once that one operator's nodes get, however many there are. More lets two challengers use up what is there for all, less makes a pool of three wait. @default 0.5 */
  readonly answerOperatorShare: number
  /**
   * Bytes of an object from which on a late answer says something, in bytes: fetching so much over
   * 100 Mbit/s takes 1.34 s, longer than any disk that is a disk. Also what makes a reading large: it is
   * asked for alone, and a keeper does one at a time. @default 16777216 (16 MiB)
   */
  readonly proofTellBytesMin: number
  /** Bytes of blocks in the answer to one who has no copy, at most. @default 3145728 (3 MiB) */
  readonly pathBytesMax: number
  /** Right answers in a row, of random objects, that clear a group under suspicion. @default 20 */
  readonly suspectProofs: number
  /** Challengers each copy needs per proof period. @default 2 */
  readonly challengersPerCopy: number

  /** Copies promised before a put is acknowledged, our own included. @default 2 */
  readonly ackCopies: number
  /** Longest wait for them, in ms; Mastodon gives up at 5 s. @default 3000 */
  readonly ackWaitMs: number
  /** What a put answers when they did not come: the number really promised, or a refusal. @default 'accept' */
  readonly ackWhenShort: 'accept' | 'refuse'
  /** Time for a keeper to make an offered object durable, in ms, before its reading. @default 30000 */
  readonly offerAnswerMs: number
  /** Slowest keeper we wait for, in bytes per second. @default 1048576 (1 MiB/s) */
  readonly offerBytesPerSecondMin: number
  /** Offers being fetched at once by a keeper; the rest is told `busy`. @default 16 */
  readonly offersConcurrency: number

  /** Files coming in segments at once at a keeper; a further one is told `busy`. Each holds the room for all of it. @default 8 */
  readonly segmentedUploadsMax: number
  /** The same of one author: nobody may hold all the room with files that never end. @default 2 */
  readonly segmentedUploadsPerMemberMax: number
  /** How long a keeper waits for the next segment before it drops what came, in ms: a slow uploader needs minutes for one. @default 600000 (10 min) */
  readonly segmentIdleMs: number

  /** How long an answer to prove-and-hold binds the keeper, in ms, beside the time for the object's size. @default 600000 (10 min) */
  readonly holdMs: number
  /**
   * A hold is longer by the time this takes for the object, in bytes per second: it has to outlast the keepers'
   * reading and then our own. Like `holdMs` a rule between members, so that both sides count alike. Higher makes
   * the release of a film impossible on slow disks, lower holds films longer. @default 4194304 (4 MiB/s)
   */
  readonly holdBytesPerSecond: number
  /** A release is called off when this little of the hold is left, in ms: delivery and scheduling. @default 60000 (1 min) */
  readonly holdMarginMs: number
  /** Wait before a release that was refused is tried again, in ms, jittered. @default 900000 (15 min) */
  readonly releaseRetryMs: number
  /** Releases under way at once: each makes keepers read the whole object, and they answer `answerConcurrency` at once. @default 4 */
  readonly releaseConcurrency: number
  /** Used share of the room for uploads above which they go at `copiesMin` proven copies elsewhere instead of the target. Higher leaves less room for a burst, lower gives up spare copies sooner. @default 0.5 */
  readonly stageShare: number
  /** Wait before a refused release is tried again while the stage is filling, in ms, jittered. @default 10000 (10 s) */
  readonly stageRetryMs: number
  /** Holds remembered at once; a further one is refused. @default 100000 */
  readonly holdsMax: number

  /**
   * How long the bytes of a denied object stay sealed before they are erased, in ms. Shorter loses what was denied
   * by mistake, longer keeps what nobody may see; a legal order does not wait for it. @default 604800000 (7 days)
   */
  readonly takedownHoldMs: number
  /** Grace between noting that nobody wants an object and dropping it, in ms. @default 604800000 (7 days) */
  readonly collectGraceMs: number
  /** Oldest confirmation of every author's head that still permits collection, in ms. @default 86400000 (24 h) */
  readonly headAgeMsMax: number
  /** Time between sweeps for unwanted objects and for denied ones whose hold is over, in ms. @default 3600000 (1 h) */
  readonly collectIntervalMs: number

  /** Share of capacity at which we say `full`. @default 0.9 */
  readonly fullShare: number
  /** Share at which we withdraw it. Close to `fullShare` makes it flap. @default 0.8 */
  readonly roomShare: number
  /**
   * Time between greetings with each member that is near, whoever begins them, in ms: what notices a silent
   * peer. @default 20000
   */
  readonly presenceIntervalMs: number
  /** Members up to which everybody is near everybody. @default 64 */
  readonly nearMembersMax: number
  /**
   * In a larger pool those are near who share so many first places of a group: as many as may hold an object,
   * for it is their absence that gives us work. @default 7
   */
  readonly nearPlaces: number
  /** Greetings per second, at most, to all who are not near: what we know of them is that much older. @default 2 */
  readonly presenceFarPerSecondMax: number
  /** Time for the answer to a greeting, in ms. @default 5000 */
  readonly presenceAnswerMs: number
  /** Greetings in a row that must fail before a connected peer is away. @default 2 */
  readonly presenceMissesMax: number
  /** Greetings, pulls of reports and challenges in flight at once. @default 16 */
  readonly talkConcurrency: number

  /** Time between two looks at the work, in ms, when no event comes first. @default 5000 */
  readonly tickMs: number
  /** Objects looked at per tick, at most. @default 256 */
  readonly objectsPerTick: number
  /** Time between full rounds over all wanted objects, in ms; a round takes as long as its pace makes it. @default 600000 (10 min) */
  readonly roundIntervalMs: number
  /**
   * Objects per second of the round, averaged: it only finds what events and reviews missed. 500 looks at a
   * million objects in 33 minutes for some percent of a processor; more costs more, for ever. @default 500
   */
  readonly roundObjectsPerSecondMax: number
  /** Objects remembered for an early look; beyond it the round finds them. @default 65536 */
  readonly wakesMax: number
  /** Changes are collected for so long before a report is announced, in ms. @default 1000 */
  readonly reportDelayMs: number
  /** Objects listed by name in one group of a report (`except` or `plus`). @default 16384 */
  readonly reportListMax: number
  /** Bytes of groups in one answer with reports; the rest is asked for next. @default 524288 */
  readonly reportBytesMax: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const mebibyte = 1024 * 1024

export const keepingDefaults: KeepingOptions = Object.freeze({
  repairDelayMs: 15 * minuteMs,
  lastCopyDelayMs: minuteMs,
  spareDelayMs: 6 * hourMs,
  repairStaggerMs: 30_000,
  walkOnDelayMs: 15 * minuteMs,
  fillDelayMs: hourMs,
  returnServerMs: 3 * dayMs,
  returnHomeMs: 7 * dayMs,
  newcomerAgeMs: dayMs,
  massLossOperatorsMin: 5,
  massLossShare: 0.2,
  massLossWindowMs: 5 * minuteMs,
  massLossHoldMs: hourMs,
  repairConcurrency: 4,
  repairQueueMax: 4096,
  repairBytesPerSecondMax: 32 * mebibyte,
  repairRetryMs: 5000,
  repairRetryMsMax: 10 * minuteMs,
  fetchIntentMs: 2 * minuteMs,
  proofAgeMsMax: 30 * dayMs,
  proofEveryMs: 18 * dayMs,
  proofSettleMs: 5 * minuteMs,
  proofPatienceMs: 10 * minuteMs,
  proofRetryMs: 5 * minuteMs,
  silenceStrikesMax: 3,
  proofDiskBytesPerSecondMin: 20 * mebibyte,
  proofWayMs: 300,
  proofSpreadShare: 0.25,
  proofGatherMs: dayMs,
  challengeBytesPerSecondMax: 16 * mebibyte,
  challengeBurstBytesMax: 256 * mebibyte,
  challengeBytesMax: 64 * mebibyte,
  proofObjectsMax: 64,
  challengesMax: 4096,
  proofAnswerMs: 10_000,
  proofBytesPerSecondMin: 8 * mebibyte,
  answerBytesPerSecondMax: 64 * mebibyte,
  answerBurstBytesMax: 1024 * mebibyte,
  answerConcurrency: 4,
  answerOperatorShare: 0.5,
  proofTellBytesMin: 16 * mebibyte,
  pathBytesMax: 3 * mebibyte,
  suspectProofs: 20,
  challengersPerCopy: 2,
  ackCopies: 2,
  ackWaitMs: 3000,
  ackWhenShort: 'accept',
  offerAnswerMs: 30_000,
  offerBytesPerSecondMin: mebibyte,
  offersConcurrency: 16,
  segmentedUploadsMax: 8,
  segmentedUploadsPerMemberMax: 2,
  segmentIdleMs: 10 * minuteMs,
  holdMs: 10 * minuteMs,
  holdBytesPerSecond: 4 * mebibyte,
  holdMarginMs: minuteMs,
  releaseRetryMs: 15 * minuteMs,
  releaseConcurrency: 4,
  stageShare: 0.5,
  stageRetryMs: 10_000,
  holdsMax: 100_000,
  takedownHoldMs: 7 * dayMs,
  collectGraceMs: 7 * dayMs,
  headAgeMsMax: dayMs,
  collectIntervalMs: hourMs,
  fullShare: 0.9,
  roomShare: 0.8,
  presenceIntervalMs: 20_000,
  nearMembersMax: 64,
  nearPlaces: 7,
  presenceFarPerSecondMax: 2,
  presenceAnswerMs: 5000,
  presenceMissesMax: 2,
  talkConcurrency: 16,
  tickMs: 5000,
  objectsPerTick: 256,
  roundIntervalMs: 10 * minuteMs,
  roundObjectsPerSecondMax: 500,
  wakesMax: 65_536,
  reportDelayMs: 1000,
  reportListMax: 16_384,
  reportBytesMax: 512 * 1024
})
