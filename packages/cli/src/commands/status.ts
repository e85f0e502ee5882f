// `commonhold status`: the pool at a glance.

import { setTimeout as sleep } from 'node:timers/promises'
import type { StatusAnswer } from '../control/protocol.ts'
import { statusView } from '../render/status-view.ts'
import type { Session } from '../session.ts'
import { showAtRisk } from './status-at-risk.ts'
import { showMember } from './status-member.ts'

/** Slow enough to read, quick enough to watch a repair. */
const watchEveryMs = 2000

export async function run(
  session: Session,
  _args: readonly string[],
  options: { watch?: boolean; atRisk?: boolean; member?: string }
): Promise<void> {
  if (options.atRisk === true) return await showAtRisk(session)
  if (options.member !== undefined) return await showMember(session, options.member)
  const { node, terminal, signal } = session
  for (;;) {
    const status = await node.get<StatusAnswer>('/status', { signal })
    if (terminal.json) terminal.document(status)
    else {
      const view = statusView(terminal, status)
      // Home, the new picture, then clear what is left of the old one: nothing flickers.
      terminal.line(
        options.watch === true && terminal.stdoutTTY ? `\u001b[H${clearedLines(view)}\u001b[J` : view
      )
    }
    if (options.watch !== true) return
    await sleep(watchEveryMs, undefined, { signal })
  }
}

function clearedLines(view: string): string {
  return view.replaceAll('\n', '\u001b[K\n')
}
