// What every station of the keeping half stands on: the ports, the durable wishes, the members, and
// this node's own time. Put together once, in `pool.ts`.

import type { PinningComponents } from '../components.ts'
import type { Dialogue } from '../dialogue.ts'
import type { Wanted } from '../journal/wanted.ts'
import type { Readings } from '../proof/readings.ts'
import type { LeavingMark } from '../release/leaving-mark.ts'
import type { RootLocks } from '../root-locks.ts'
import type { Roster } from '../roster/roster.ts'
import type { KeepingOptions } from './keeping-options.ts'
import type { OwnTime } from './own-time.ts'

export interface KeepingParts {
  readonly components: PinningComponents
  readonly roster: Roster
  readonly wanted: Wanted
  readonly dialogue: Dialogue
  readonly options: KeepingOptions
  readonly time: OwnTime
  readonly locks: RootLocks
  readonly readings: Readings
  readonly leaving: LeavingMark
}
