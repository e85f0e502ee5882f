// A pool's own data for people.

import type { PoolAnswer } from '../control/protocol.ts'
import type { Terminal } from '../terminal.ts'

export function poolView({ paint }: Terminal, pool: PoolAnswer): string {
  return [
    `  ${paint('dim', 'pool       ')}${paint('bold', pool.name)}`,
    `  ${paint('dim', 'id         ')}${pool.id}`,
    `  ${paint('dim', 'admission  ')}${pool.admission === 'open' ? 'open: everybody who joins counts' : 'vouch: operators count once vouched for'}`,
    `  ${paint('dim', 'operators  ')}${pool.operators}`,
    `  ${paint('dim', 'copies     ')}at least ${pool.copiesMin} of each object`,
    `  ${paint('dim', 'groups     ')}${pool.groups}`
  ].join('\n')
}
