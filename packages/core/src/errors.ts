// Operating errors: one class per decision a caller can take. The rims (HTTP status, CLI exit code,
// wire error code) each have one table keyed by `name`; a test holds those tables complete.
// Programmer errors are not here: they are assertions. Absence is a value, not an error, except at a
// rim where the caller has nothing else to be told.

export type OperatingErrorName =
  | 'InvalidInputError'
  | 'MalformedRecordError'
  | 'NotFoundError'
  | 'NotAFileError'
  | 'DeniedError'
  | 'UnauthorizedError'
  | 'UnreachableError'
  | 'CorruptBlockError'
  | 'NoSpaceError'
  | 'TooLargeError'
  | 'BusyError'
  | 'PoolTooSmallError'
  | 'ConflictError'
  | 'StoreMismatchError'

/** Base of all operating errors: the message is a full sentence that says what to do next. */
export abstract class OperatingError extends Error {
  abstract override readonly name: OperatingErrorName
}

/** What the caller gave can never work: wrong type, wrong form, out of bounds. */
export class InvalidInputError extends OperatingError {
  override readonly name = 'InvalidInputError'
}

/** Bytes from outside (wire, disk, file) are not the record they claim to be. */
export class MalformedRecordError extends OperatingError {
  override readonly name = 'MalformedRecordError'
  readonly kind: string

  constructor(kind: string, reason: string, options?: ErrorOptions) {
    super(`Not a valid ${kind}: ${reason}.`, options)
    this.kind = kind
  }
}

/** Nobody that was asked has it, and everybody worth asking was asked. */
export class NotFoundError extends OperatingError {
  override readonly name = 'NotFoundError'
}

/** It is here, and is a folder or a document with links: it has no bytes of its own to be read as a file. */
export class NotAFileError extends OperatingError {
  override readonly name = 'NotAFileError'

  constructor(subject: string) {
    super(
      `${subject} is a folder or a document of links, not a file. Ask for a path in it, or for its blocks.`
    )
  }
}

/** This operator decided not to serve, store or fetch it. */
export class DeniedError extends OperatingError {
  override readonly name = 'DeniedError'
  readonly reasons: readonly string[]

  constructor(subject: string, reasons: readonly string[]) {
    super(`${subject} is denied here: ${reasons.join('; ')}.`)
    this.reasons = reasons
  }
}

/** A token, key or membership is missing, wrong or expired. */
export class UnauthorizedError extends OperatingError {
  override readonly name = 'UnauthorizedError'
}

/** It may well exist, but nobody who could have it answered in time. Trying again can work. */
export class UnreachableError extends OperatingError {
  override readonly name = 'UnreachableError'
}

/** Bytes do not hash to the name they were asked for by. */
export class CorruptBlockError extends OperatingError {
  override readonly name = 'CorruptBlockError'
  readonly cid: string

  constructor(cid: string, where: string, options?: ErrorOptions) {
    super(`The bytes of block ${cid} ${where} do not match its hash.`, options)
    this.cid = cid
  }
}

/** The disk, the quota or the pool is full. Nothing of the attempt was kept. */
export class NoSpaceError extends OperatingError {
  override readonly name = 'NoSpaceError'
}

/** Larger than a named limit allows. */
export class TooLargeError extends OperatingError {
  override readonly name = 'TooLargeError'
  readonly limitBytes: number

  constructor(subject: string, limitBytes: number) {
    super(`${subject} is larger than the limit of ${limitBytes} bytes.`)
    this.limitBytes = limitBytes
  }
}

/** A named limit on work in flight is reached. Trying again later can work. */
export class BusyError extends OperatingError {
  override readonly name = 'BusyError'
}

/** Fewer operators than the copies asked for. */
export class PoolTooSmallError extends OperatingError {
  override readonly name = 'PoolTooSmallError'
  readonly operators: number
  readonly needed: number

  constructor(operators: number, needed: number) {
    super(
      `${operators} ${operators === 1 ? 'operator' : 'operators'}, ${needed} needed: ` +
        'admit more operators to the pool, or ask for fewer copies with --copies.'
    )
    this.operators = operators
    this.needed = needed
  }
}

/** The state has moved on: already exists, already running, or somebody else holds it. */
export class ConflictError extends OperatingError {
  override readonly name = 'ConflictError'
}

/** The data folder is not the one this node wrote: not mounted, swapped, or of another version. */
export class StoreMismatchError extends OperatingError {
  override readonly name = 'StoreMismatchError'
}
