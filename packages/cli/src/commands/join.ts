// `commonhold join`: into somebody's pool, with everything this node wishes for. When no node is running
// it starts one: one command is all a volunteer has to type.

import { UnreachableError } from '@commonhold/core/errors'
import { type Override, parseOverride } from '../config.ts'
import type { JoinAnswer } from '../control/protocol.ts'
import { poolView } from '../render/pool-view.ts'
import { runNode } from '../run-node.ts'
import type { Session } from '../session.ts'
import { counted, formatBytes, parseBytes } from '../units.ts'

export async function run(
  session: Session,
  [address = '']: readonly string[],
  options: { keep?: string; set?: readonly string[] }
): Promise<void> {
  const { node, terminal, signal } = session
  const keepBytes = options.keep === undefined ? undefined : parseBytes(options.keep, '--keep')
  let joined: JoinAnswer
  try {
    joined = await node.post<JoinAnswer>('/join', { body: { address, keepBytes }, signal })
  } catch (err) {
    if (!(err instanceof UnreachableError)) throw err
    const overrides: Override[] = (options.set ?? []).map(parseOverride)
    if (keepBytes !== undefined) overrides.push(['node.keep', keepBytes])
    return runNode(session, {
      overrides,
      join: { address, ...(keepBytes === undefined ? {} : { keepBytes }) }
    })
  }
  if (terminal.json) return terminal.document(joined)
  terminal.line(poolView(terminal, joined))
  if (keepBytes !== undefined)
    terminal.line(`  Keeps up to ${formatBytes(keepBytes)} from its next start on.`)
  if (joined.wishesCarried > 0) {
    terminal.line(`  Took along ${counted(joined.wishesCarried, 'wish', 'wishes')} of this node.`)
  }
}
