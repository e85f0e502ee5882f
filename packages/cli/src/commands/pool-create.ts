// `commonhold pool create`: founds a pool and moves this node, with its wishes, into it.

import type { CreatePoolAnswer } from '../control/protocol.ts'
import { poolView } from '../render/pool-view.ts'
import type { Session } from '../session.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { admission: string; copies: number; groupBits: number }
): Promise<void> {
  const body = { name, admission: options.admission, copiesMin: options.copies, groupBits: options.groupBits }
  const pool = await node.post<CreatePoolAnswer>('/pool', { body, signal })
  if (terminal.json) return terminal.document(pool)
  terminal.line(poolView(terminal, pool))
  if (pool.recoveryKey !== undefined) {
    terminal.line()
    terminal.line('Recovery key, shown this once. Write it down and keep it away from this machine:')
    terminal.line(`  ${terminal.paint('bold', pool.recoveryKey)}`)
  }
  terminal.line()
  terminal.line('Others join with one of the lines that this prints: commonhold peers')
}
