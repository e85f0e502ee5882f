// What each reason code of the plan means to somebody who runs a node, and what to type next. One table,
// so that status, `why` and docs/operations.md say the same (a test compares them).

import type { Reason } from './plan.ts'

export interface ReasonText {
  /** One sentence. */
  readonly text: string
  /** The next command to type, where typing helps; `<cid>` stands for the object. */
  readonly command?: string
}

export const reasonTexts: Readonly<Record<Reason, ReasonText>> = Object.freeze({
  POOL_TOO_SMALL: {
    text: 'Fewer operators than copies asked for: every member holds everything, and nothing is released.',
    command: 'commonhold peers'
  },
  BELOW_MIN: {
    text: 'Fewer live copies than promised; keepers that lack it fetch it.',
    command: 'commonhold status --watch'
  },
  BELOW_TARGET: {
    text: 'As many live copies as promised, and fewer than aimed at; filled up without haste.'
  },
  ONE_COPY_LEFT: {
    text: 'One live copy is left; it is copied before anything else.',
    command: 'commonhold status --watch'
  },
  NO_LIVE_COPY: {
    text: 'No holder that proved its copy can be reached.',
    command: 'commonhold pool members'
  },
  HOLDERS_AWAY: {
    text: 'Holders with proven copies are away; most come back, and their copies count again when they do.',
    command: 'commonhold pool members'
  },
  UNPROVEN_COPIES: {
    text: 'Keepers say they hold it and have not proven it yet.',
    command: 'commonhold prove <cid>'
  },
  CORRUPT_COPY: {
    text: 'A keeper answered a challenge wrongly; its copy is not counted.',
    command: 'commonhold prove <cid>'
  },
  DECLINED_BY_KEEPER: { text: 'A keeper decided not to hold it; the next in rank takes its place.' },
  NO_ROOM: {
    text: 'Fewer keepers with room than copies asked for: somebody has to offer more, or join.',
    command: 'commonhold pool members'
  },
  ISOLATED: {
    text: 'This node reaches no other operator, so it decides nothing.',
    command: 'commonhold doctor'
  },
  MASS_LOSS: {
    text: 'Many operators vanished at once, which is more likely our network than theirs; copies that can wait do.',
    command: 'commonhold doctor'
  },
  DENIED_HERE: {
    text: 'This node’s own policy denies it; others may keep it.',
    command: 'commonhold deny ls'
  },
  DISK_FULL_HERE: {
    text: 'This node should hold it and has no room.',
    command: 'commonhold status'
  },
  PLACED_HERE: { text: 'This node is among those that placement names, and fetches it.' },
  NEWCOMER_HERE: {
    text: 'This node joined and is placed for it, and fetches it when nothing is more urgent.'
  },
  UPLOAD_PLACED_ELSEWHERE: { text: 'It was uploaded here and is kept elsewhere; this copy may go.' },
  STAGE_FILLING: {
    text: 'The stage for uploads here is filling, and enough others hold it; this copy goes as soon as they prove it.'
  },
  LEAVING: {
    text: 'This node leaves the pool; this copy goes as soon as enough others prove theirs.',
    command: 'commonhold leave'
  },
  ABOVE_MAX: { text: 'More live copies than the maximum; this one is the lowest in rank and may go.' },
  DISK_CROWDED_HERE: {
    text: 'The disk here is filling up, and enough others have proven theirs; this copy may go.'
  }
})
