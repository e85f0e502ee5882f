// How healthy looks: one word and one colour per state, the same in every table.

import type { HealthState } from '../control/protocol.ts'
import type { Paint, Terminal } from '../terminal.ts'

const paints: Readonly<Record<HealthState, Paint>> = {
  healthy: 'green',
  degraded: 'yellow',
  'at risk': 'red',
  unreachable: 'red',
  lost: 'red'
}

export function paintHealth(terminal: Terminal, health: HealthState): string {
  return terminal.paint(paints[health], health)
}
