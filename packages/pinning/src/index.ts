// @commonhold/pinning: keeps at least N live, proven copies of everything the pool wants.

export { Commons, type JoinOptions, type KeeperTerms } from './commons.ts'
export type {
  FetchOptions,
  HeldObject,
  HeldSegments,
  ObjectStore,
  PinningComponents,
  PoolKeys,
  PoolNetwork,
  RecordLog,
  RecordLogs,
  Space
} from './components.ts'
export { type Migration, type PinningTables, pinningMigrations } from './database.ts'
export { Dialogue, type RequestType } from './dialogue.ts'
export type { Cut, JournalId, Wanted } from './journal/wanted.ts'
export type { Visibility, WantedObject, Wish } from './journal/wish.ts'
export { type KeepingOptions, keepingDefaults } from './keep/keeping-options.ts'
export type { WantResult } from './keep/wishes.ts'
export { defaults, type SyncLimits, type SyncOptions } from './options.ts'
export { type Action, type Plan, planObject, type Reason, type Situation } from './plan/plan.ts'
export { groupOf, type RankedMembers, Ranking, rank } from './plan/ranking.ts'
export { type ReasonText, reasonTexts } from './plan/reasons.ts'
export type { Health } from './plan/tally.ts'
export { Pool, type PoolFounding, type PoolJoining, type PoolOptions } from './pool.ts'
export type { KeeperRecord } from './proof/keeper-records.ts'
export type { LeaveProgress } from './release/leave.ts'
export {
  type Admission,
  type Charter,
  defaultPolicy,
  type Founding,
  type FoundOptions,
  foundPool,
  type Genesis,
  openGenesis,
  type PoolPolicy,
  printRecoveryKey,
  readRecoveryKey
} from './roster/genesis.ts'
export type { KeeperClass, Member, Operator } from './roster/member.ts'
export type { Roster } from './roster/roster.ts'
export type { Passage, PassingSegment } from './segments/passage.ts'
export type {
  Explanation,
  Holder,
  MemberStatus,
  NeedyObject,
  PoolHealth,
  PoolReason,
  PoolSummary,
  ProofOutcome,
  ReplicationStatus
} from './status.ts'
