// What the control socket needs from the node: one method per question a command asks. compose.ts has
// the real one; tests have a small one in memory. Answers are the shapes of protocol.ts.

import type { AbortOptions, ContentName } from '@commonhold/core'
import type {
  AboutAnswer,
  AddAnswer,
  CreatePoolAnswer,
  DenialRow,
  DoctorFinding,
  ImportRow,
  JoinAnswer,
  KeeperRecordAnswer,
  LeaveStep,
  MemberRow,
  NeedyAnswer,
  PeerRow,
  PinRow,
  PinStatusAnswer,
  PinsAnswer,
  PoolAnswer,
  PoolSetAnswer,
  ProveAnswer,
  SettleStep,
  StatAnswer,
  StatusAnswer,
  TokenAddAnswer,
  TokenRow,
  TokenScope,
  WhyAnswer
} from './protocol.ts'

export interface WishOptions extends AbortOptions {
  readonly copiesMin?: number
  readonly visibility?: 'public' | 'members'
}

export interface ControlledNode {
  about(): AboutAnswer
  status(options?: AbortOptions): Promise<StatusAnswer>
  /** Objects below their promise, worst first; `after` is the `next` of the page before. */
  needy(after: string | undefined, limit: number): Promise<NeedyAnswer>
  doctor(options?: AbortOptions): Promise<readonly DoctorFinding[]>
  peers(): readonly PeerRow[]

  pool(): PoolAnswer
  members(): readonly MemberRow[]
  /** @param node id of a member, or an end of it that fits one only */
  keeperRecord(node: string): Promise<KeeperRecordAnswer>
  createPool(
    options: {
      name: string
      admission: 'open' | 'vouch'
      copiesMin: number
      groupBits: number
    } & AbortOptions
  ): Promise<CreatePoolAnswer>
  /** @throws UnauthorizedError for who is no administrator. */
  setPool(change: { copiesMin: number } & AbortOptions): Promise<PoolSetAnswer>
  admit(operator: string, options?: AbortOptions): Promise<PoolAnswer>
  join(address: string, options: { keepBytes?: number } & AbortOptions): Promise<JoinAnswer>

  /** Begins to leave the pool, or leaves it at once. */
  leave(options: { now: boolean } & AbortOptions): Promise<LeaveStep>
  /** Takes that back. */
  stay(): Promise<LeaveStep>
  /** Reports until it has left. */
  leaving(options?: AbortOptions): AsyncIterable<LeaveStep>

  /** @throws PoolTooSmallError before a byte is read, when `mustSettle` and operators are too few. */
  put(
    bytes: AsyncIterable<Uint8Array>,
    options: WishOptions & { mustSettle: boolean; sizeMax?: number }
  ): Promise<AddAnswer>
  /** Every root of a CAR as an object. */
  import(
    car: AsyncIterable<Uint8Array>,
    options: WishOptions & { sizeMax?: number }
  ): Promise<readonly ImportRow[]>
  /** Reports until the object has its copies; ends after a step with `done`. */
  settle(name: ContentName, options?: AbortOptions): AsyncIterable<SettleStep>
  stat(name: ContentName, options?: AbortOptions): Promise<StatAnswer>
  read(
    name: ContentName,
    range: { from: number; to: number },
    options?: AbortOptions
  ): AsyncIterable<Uint8Array>

  pin(name: ContentName, options: WishOptions): Promise<PinRow>
  /** @returns false when this node had no wish for it. */
  unpin(name: ContentName, options?: AbortOptions): Promise<boolean>
  pins(after: string | undefined, limit: number, options?: AbortOptions): Promise<PinsAnswer>
  pinStatus(name: ContentName, options?: AbortOptions): Promise<PinStatusAnswer>
  why(name: ContentName, options?: AbortOptions): Promise<WhyAnswer>
  prove(name: ContentName, options?: AbortOptions): Promise<ProveAnswer>

  addToken(name: string, scopes: readonly TokenScope[], expiresAt: Date | undefined): Promise<TokenAddAnswer>
  removeToken(name: string): Promise<boolean>
  tokens(): Promise<readonly TokenRow[]>

  /** @param now erase its bytes at once instead of after the hold. */
  deny(name: ContentName, reason: string, now: boolean): Promise<DenialRow>
  undoDenial(name: ContentName): Promise<boolean>
  denials(): Promise<readonly DenialRow[]>
}
