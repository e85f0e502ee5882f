// `commonhold pool set`: an administrator's assent to a change of the pool's rules.

import { InvalidInputError } from '@commonhold/core/errors'
import type { PoolSetAnswer } from '../control/protocol.ts'
import { poolView } from '../render/pool-view.ts'
import type { Session } from '../session.ts'

export async function run(
  session: Session,
  _args: readonly string[],
  options: { copies?: number }
): Promise<void> {
  const { node, terminal, signal } = session
  if (options.copies === undefined) throw new InvalidInputError('Say what to set, like: --copies 3')
  const answer = await node.post<PoolSetAnswer>('/pool/policy', {
    body: { copiesMin: options.copies },
    signal
  })
  if (terminal.json) return terminal.document(answer)
  if (!answer.inForce) {
    terminal.note(
      'Assented. It is in force when a majority of the administrators has said the same: each types this command.'
    )
  }
  terminal.line(poolView(terminal, answer))
}
