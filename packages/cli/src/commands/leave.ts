// `commonhold leave`: takes this node out of its pool, without a copy missing for a moment. The node does
// the work and goes on when this command ends; asked again, it shows how far it has come.

import { InvalidInputError } from '@commonhold/core/errors'
import type { LeaveStep } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { counted, formatBytes } from '../units.ts'

interface LeaveOptions {
  readonly now?: boolean
  readonly cancel?: boolean
}

export async function run(session: Session, _args: readonly string[], options: LeaveOptions): Promise<void> {
  const { node, terminal, signal } = session
  if (options.now === true && options.cancel === true)
    throw new InvalidInputError('Leave now, or cancel leaving: not both.')
  if (options.cancel === true) {
    const step = await node.delete<LeaveStep>('/leave', { signal })
    if (terminal.json) return terminal.document(step)
    return terminal.line(
      step.state === 'left'
        ? 'This node has left already. Join again with: commonhold join <multiaddr>'
        : 'This node stays, and keeps for the pool again.'
    )
  }
  let last = await node.post<LeaveStep>('/leave', { body: { now: options.now === true }, signal })
  if (last.state === 'leaving') {
    terminal.note(
      'Leaving: this node serves until others have proven each copy. It goes on without this command; take it back with: commonhold leave --cancel'
    )
    if (last.blocked > 0) terminal.note(blocked(last))
    for await (const step of node.lines<LeaveStep>('/leave', { signal })) {
      last = step
      terminal.progress(
        `leaving: ${counted(step.objects, 'object')} (${formatBytes(step.bytes)}) still here` +
          (step.blocked > 0 ? `, ${step.blocked} of them for want of keepers` : '')
      )
    }
    terminal.progressDone()
  }
  if (terminal.json) return terminal.document(last)
  terminal.line('This node has left the pool. Its own wishes stand until they lapse.')
  if (last.objects > 0)
    terminal.line(
      `  ${counted(last.objects, 'object')} (${formatBytes(last.bytes)}) went with it before others had proven enough copies; they are repaired from what others have.`
    )
  terminal.line('  Stop it and delete its data folder, or join another pool: commonhold join <multiaddr>')
}

function blocked({ blocked: objects, keepers }: LeaveStep): string {
  return (
    `${counted(objects, 'object')} here ${objects === 1 ? 'asks' : 'ask'} for more copies than the ${counted(keepers, 'operator')} that would be left can keep. ` +
    'Ask somebody to join, ask for fewer copies of your own with: commonhold pin add <cid> --copies, or go at once, and lose what only this node has, with: commonhold leave --now'
  )
}
