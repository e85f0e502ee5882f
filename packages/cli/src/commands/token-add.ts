// `commonhold token add`: a bearer token for the bridge, shown this once.

import { InvalidInputError } from '@commonhold/core/errors'
import type { TokenAddAnswer } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { parseDurationMs } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { scope: readonly string[]; expires?: string }
): Promise<void> {
  if (name.trim() === '')
    throw new InvalidInputError('A token needs a name: commonhold token add my-instance')
  const expiresAt =
    options.expires === undefined
      ? undefined
      : new Date(Date.now() + parseDurationMs(options.expires, '--expires')).toISOString()
  const answer = await node.post<TokenAddAnswer>('/tokens', {
    body: { name, scopes: [...new Set(options.scope)], expiresAt },
    signal
  })
  if (terminal.json) return terminal.document(answer)
  // Alone on stdout, so that TOKEN=$(commonhold token add …) works.
  terminal.line(answer.token)
  terminal.note(
    `Allows: ${answer.scopes.join(', ')}. Shown this once; revoke it with: commonhold token rm ${name}`
  )
}
