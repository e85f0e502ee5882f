// `commonhold pool admit`: makes an operator's copies count, as far as our own word goes.

import type { PoolAnswer } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { counted } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [operator = '']: readonly string[]
): Promise<void> {
  const pool = await node.post<PoolAnswer>('/pool/operators', { body: { operator }, signal })
  if (terminal.json) return terminal.document(pool)
  terminal.line(`Admitted. ${pool.name} has ${counted(pool.operators, 'operator')} now.`)
}
