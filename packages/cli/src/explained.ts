// What the pool knows about one object, as the answers of the control socket say it: codes become
// sentences with the next command, actions become what this node means to do.

import { type NodeId, toHex } from '@commonhold/core'
import { type Action, type Explanation, type ReplicationStatus, reasonTexts } from '@commonhold/pinning'
import type { PinStatusAnswer, WhyAnswer } from './control/protocol.ts'
import { shortName } from './render/table.ts'
import { counted, formatAge } from './units.ts'

export function pinStatusAnswer(status: ReplicationStatus, self: NodeId): PinStatusAnswer {
  const { root, digest, holders, ...rest } = status
  return {
    cid: root.toString(),
    ...(digest === undefined ? {} : { sha256: toHex(digest) }),
    ...rest,
    holders: holders.map((holder) => ({ ...holder, self: holder.node === self }))
  }
}

export function explained(explanation: Explanation, self: NodeId): WhyAnswer {
  const { status, authors, group, ranking, actions, repair } = explanation
  const cid = status.root.toString()
  return {
    status: pinStatusAnswer(status, self),
    authors,
    group,
    reasons: status.reasons.map((code) => {
      const { text, command } = reasonTexts[code]
      return {
        code,
        message: text,
        ...(command === undefined ? {} : { next: command.replace('<cid>', cid) })
      }
    }),
    ranking: ranking.map((keeper) => ({ ...keeper, self: keeper.node === self })),
    actions: actions.map((action) => sentence(action, repair))
  }
}

function sentence(action: Action, repair: Explanation['repair']): string {
  switch (action.kind) {
    case 'fetch': {
      const from = `from ${counted(action.from.length, 'holder')}`
      if (repair === undefined) return `fetches it ${from} in ${formatAge(action.afterMs)}`
      if (repair.running) return `is fetching it ${from} now`
      const tries =
        repair.failures === 0 ? '' : `, after ${counted(repair.failures, 'failed try', 'failed tries')}`
      return repair.dueInMs === 0
        ? `fetches it ${from} when its turn comes${tries}`
        : `fetches it ${from} in ${formatAge(repair.dueInMs)}${tries}`
    }
    case 'prove':
      return `challenges the copy at ${shortName(action.keeper)}`
    case 'release':
      return `releases the copy here, once ${counted(action.askHolds.length, 'holder')} asked have proven and promised theirs`
  }
}
