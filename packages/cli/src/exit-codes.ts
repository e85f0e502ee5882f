// The last station of a command: how it ends. Every operating error has one exit code, so that a
// script can tell “nobody has it” from “nobody answered” without reading sentences. The table is
// documented in docs/cli.md, and a test holds both complete.

import type { OperatingErrorName } from '@commonhold/core'

export const exitCodes: Readonly<Record<OperatingErrorName, number>> = Object.freeze({
  InvalidInputError: 2,
  MalformedRecordError: 3,
  NotFoundError: 4,
  DeniedError: 5,
  UnauthorizedError: 6,
  UnreachableError: 7,
  CorruptBlockError: 8,
  NoSpaceError: 9,
  TooLargeError: 10,
  BusyError: 11,
  PoolTooSmallError: 12,
  ConflictError: 13,
  StoreMismatchError: 14,
  NotAFileError: 15
})

/** A fault of ours: the error is none of the above. */
export const unexpectedExitCode = 1
/** `doctor` found something that keeps the node from doing its work. */
export const doctorExitCode = 20
/** Ended by Ctrl-C: 128 + SIGINT, as shells expect. */
export const interruptedExitCode = 130

export function exitCodeOf(err: unknown): number {
  if (err instanceof Error) {
    if (err.name === 'AbortError') return interruptedExitCode
    if (Object.hasOwn(exitCodes, err.name)) return exitCodes[err.name as OperatingErrorName]
  }
  return unexpectedExitCode
}
