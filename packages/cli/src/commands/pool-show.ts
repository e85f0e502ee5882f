// `commonhold pool show`: which pool this node is in, by which rules.

import type { PoolAnswer } from '../control/protocol.ts'
import { poolView } from '../render/pool-view.ts'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal }: Session): Promise<void> {
  const pool = await node.get<PoolAnswer>('/pool', { signal })
  if (terminal.json) return terminal.document(pool)
  terminal.line(poolView(terminal, pool))
}
