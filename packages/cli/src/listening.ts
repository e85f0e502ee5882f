// A port that cannot be had is the commonest reason why a node does not start: said as what it is, with
// what to type instead.

import { ConflictError, UnauthorizedError } from '@commonhold/core'

export async function listening(
  starting: Promise<void>,
  to: { where: string; setting: string }
): Promise<void> {
  try {
    await starting
  } catch (err) {
    const codes = codesIn(err)
    if (codes.has('EADDRINUSE')) {
      throw new ConflictError(
        `Another program listens on ${to.where} already. Is a node running here? Otherwise choose another place: ${to.setting}`,
        { cause: err }
      )
    }
    if (codes.has('EACCES')) {
      throw new UnauthorizedError(
        `This user may not listen on ${to.where}. Choose a port above 1023: ${to.setting}`,
        {
          cause: err
        }
      )
    }
    if (codes.has('EADDRNOTAVAIL')) {
      throw new ConflictError(`This machine has no address ${to.where}. Choose one it has: ${to.setting}`, {
        cause: err
      })
    }
    throw err
  }
}

/** Error codes anywhere in an error made of errors. */
function codesIn(err: unknown, depth = 0): Set<string> {
  if (!(err instanceof Error) || depth > 4) return new Set()
  const code = (err as NodeJS.ErrnoException).code
  const inner = err instanceof AggregateError ? err.errors : []
  const found = [...inner, err.cause].flatMap((each) => [...codesIn(each, depth + 1)])
  // libp2p folds its listeners' errors into one message.
  const named = /\b(EADDRINUSE|EACCES|EADDRNOTAVAIL)\b/.exec(err.message)?.[1]
  return new Set([...found, ...(code === undefined ? [] : [code]), ...(named === undefined ? [] : [named])])
}
