// @commonhold/core: the vocabulary every package shares. Pure values and functions, no I/O.

export { type AbortOptions, unlessAborted } from './abort.ts'
export { type BlockLink, linksOf } from './block-links.ts'
export { type Clock, scaledClock, systemClock } from './clock.ts'
export {
  type ContentName,
  digestBytes,
  digestOf,
  fromHex,
  parseCid,
  parseContentName,
  rawCidOf,
  sha256Code,
  toHex
} from './content-name.ts'
export {
  allowEverything,
  allowed,
  type ContentPolicy,
  type ContentSubject,
  type Decision,
  type Verdict
} from './content-policy.ts'
export {
  BusyError,
  ConflictError,
  CorruptBlockError,
  DeniedError,
  InvalidInputError,
  MalformedRecordError,
  NoSpaceError,
  NotAFileError,
  NotFoundError,
  OperatingError,
  type OperatingErrorName,
  PoolTooSmallError,
  StoreMismatchError,
  TooLargeError,
  UnauthorizedError,
  UnreachableError
} from './errors.ts'
export {
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  publicKeyBytes,
  publicKeyOfNode,
  publicKeyOfOperator,
  type SigningKey,
  signatureBytes,
  signingKeyFromSeed,
  verifySignature
} from './identity.ts'
export { limits } from './limits.ts'
export { type Log, type LogFields, silentLog } from './log.ts'
export { type Random, seededRandom, systemRandom } from './random.ts'
export { decodeRecord, encodeRecord, type RecordType } from './record.ts'
export { openSigned, type Signed, signRecord } from './signed.ts'
export { VirtualClock } from './virtual-clock.ts'
