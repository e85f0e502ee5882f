// `commonhold status --member <node>`: what one member made of this node's challenges, and why it is in doubt.

import type { KeeperRecordAnswer } from '../control/protocol.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'
import { formatAge } from '../units.ts'

export async function showMember({ node, terminal, signal }: Session, member: string): Promise<void> {
  const record = await node.get<KeeperRecordAnswer>('/status/member', { query: { node: member }, signal })
  if (terminal.json) return terminal.document(record)
  const { lastRightAgeMs, lastWrong, overdue, silentAbout, suspectGroups, suspectProofsLeft } = record
  const rows = (['right', 'late', 'wrong', 'silent', 'declined', 'busy', 'absent'] as const).map(
    (outcome) => [outcome, String(record[outcome])]
  )
  terminal.line(record.node)
  terminal.line(renderTable(terminal, [{ title: 'ANSWER' }, { title: 'OBJECTS', align: 'right' }], rows))
  if (lastRightAgeMs !== undefined) terminal.line(`Last right answer ${formatAge(lastRightAgeMs)} ago.`)
  if (lastWrong !== undefined) {
    terminal.line(
      `Last wrong answer ${formatAge(lastWrong.ageMs)} ago, by ${lastWrong.by}, about ${lastWrong.cid}.`
    )
  }
  if (suspectGroups > 0) {
    terminal.line(
      `${suspectGroups} of its groups are in doubt until ${suspectProofsLeft} more answers are right.`
    )
  }
  if (overdue > 0) terminal.line(`It still owes answers about ${overdue} objects: overdue, and no fault.`)
  if (silentAbout.length > 0) {
    terminal.line('Silent about these, while it answers about others; not counted after three times:')
    for (const cid of silentAbout) terminal.line(`  ${cid}`)
  }
  if (record.storeChanges > 0) terminal.line(`It came back with another disk ${record.storeChanges} times.`)
}
