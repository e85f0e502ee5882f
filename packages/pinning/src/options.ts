// Options and limits of the pinning layer, in one place, each with its reason; docs/limits.md is generated
// from the comments. Every delay is measured on the Clock port, so a test or demo scales all of them at once.

/** Options of journals, roster and sync: the durable wishes. */
export interface SyncOptions {
  /**
   * Milliseconds between two exchanges of heads with the same few members. Announcements make heads known
   * in about a second; this is the net under lost announcements. Lower: traffic grows with members × this.
   * Higher: a wish whose announcement was lost is seen later.
   * @default 60_000
   */
  readonly syncIntervalMs: number
  /**
   * Members asked for their heads per interval, at random. With 3 a head known to one member reaches a
   * thousand in about seven intervals. Higher costs traffic, lower only time.
   * @default 3
   */
  readonly syncPeers: number
  /**
   * Milliseconds a node waits, before its first append after a start, for members to tell the newest head
   * of its own journals they know. Lower: a restored backup opens a new journal more often. Higher: the
   * first pin after a start waits longer while nobody is reachable.
   * @default 10_000
   */
  readonly ownHeadWaitMs: number
  /**
   * Milliseconds a delegation of a node key is valid from its signing. Shorter: a stolen node key is worth
   * less. Longer: an operator whose key is kept offline has to sign less often. Renewed at half.
   * @default 90 days
   */
  readonly delegationLifeMs: number
  /**
   * Milliseconds the writer waits for more changes to share one batch, one fsync and one head. 0: whatever
   * waits while the previous batch is being written, which adds no latency and suits a single user.
   * @default 0
   */
  readonly appendGatherMs: number
}

/** Bounds on what is accepted from others. Changing one that is part of a format changes the format. */
export interface SyncLimits {
  /**
   * Largest message between members, in bytes: room for one full batch and its head, small enough that a
   * hundred in flight fit in memory. Both sides refuse longer ones before parsing.
   * @default 4 MiB
   */
  readonly messageBytesMax: number
  /**
   * Requests by non-members answered at once. Joining needs two; more only serves floods.
   * @default 8
   */
  readonly strangerRequestsMax: number
  /**
   * Changes in one batch. Bounds memory per batch (about 0.5 MiB) and the loss when one is refused; a larger
   * import is split. Part of the format: a batch with more is malformed.
   * @default 4096
   */
  readonly batchEntriesMax: number
  /**
   * Bytes of batches in one answer. Half of a message, so that the last batch added never exceeds it.
   * @default 2 MiB
   */
  readonly batchPageBytesMax: number
  /**
   * Journals one operator may open. Each restore or rebuild opens one; a flood of them would make every
   * exchange of heads longer for all. Over it the operator's new journals are refused.
   * @default 256
   */
  readonly journalsPerOperatorMax: number
  /**
   * Journals one journal may import: all that its node left behind, after any number of accidents.
   * Part of the format.
   * @default 256
   */
  readonly importsMax: number
  /**
   * Batches of one journal kept although the ones before them are missing: offers bring the newest batch
   * before the sync brings the rest. Over it, offers of that author wait for the sync.
   * @default 1024
   */
  readonly detachedBatchesMax: number
  /**
   * Branch ends of one journal that are told and followed. A fork is an accident or an attack by its own
   * author; it merges, but a thousand of them need not be carried about.
   * @default 16
   */
  readonly branchesMax: number
  /**
   * Heads in one answer: 4,096 are about 0.4 MiB.
   * @default 4096
   */
  readonly headsPerMessageMax: number
  /**
   * Names of one range that are told instead of the digests of the ranges within. Sixteen digests are as long as
   * sixteen names; fewer names mean one question more, more of them a longer answer for one difference. Part of the format.
   * @default 64
   */
  readonly rangeNamesMax: number
  /**
   * Ranges in one question when sets are compared: 256 answered with 64 names each are 0.6 MiB.
   * @default 256
   */
  readonly rangesPerMessageMax: number
  /**
   * Ranges asked for in one comparison. Two sets of 100,000 names that share nothing need some 4,400; who makes us ask
   * for more is hostile, or we go on with him another time.
   * @default 16_384
   */
  readonly rangesPerExchangeMax: number
  /**
   * Delegations, and likewise vouches, of one operator that count: those with the highest seq. More nodes
   * than this run behind one key is not what a key is for; and one key must not fill everybody's roster.
   * @default 64
   */
  readonly entriesPerOperatorMax: number
  /**
   * Operators in the roster. A flood of joins to an open pool stops here; entries of known operators are
   * always taken. Higher: a flood costs every member more memory (about 2 KiB each).
   * @default 16_384
   */
  readonly operatorsMax: number
}

export type PinningDefaults = SyncOptions & SyncLimits

const dayMs = 86_400_000

export const defaults: Readonly<PinningDefaults> = Object.freeze({
  syncIntervalMs: 60_000,
  syncPeers: 3,
  ownHeadWaitMs: 10_000,
  delegationLifeMs: 90 * dayMs,
  appendGatherMs: 0,
  messageBytesMax: 4 * 1024 * 1024,
  strangerRequestsMax: 8,
  batchEntriesMax: 4096,
  batchPageBytesMax: 2 * 1024 * 1024,
  journalsPerOperatorMax: 256,
  importsMax: 256,
  detachedBatchesMax: 1024,
  branchesMax: 16,
  headsPerMessageMax: 4096,
  rangeNamesMax: 64,
  rangesPerMessageMax: 256,
  rangesPerExchangeMax: 16_384,
  entriesPerOperatorMax: 64,
  operatorsMax: 16_384
})
