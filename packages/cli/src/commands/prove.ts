// `commonhold prove`: challenges every holder now, over the bytes, and shows who answered what.

import type { ProveAnswer } from '../control/protocol.ts'
import { renderTable, shortName } from '../render/table.ts'
import type { Session } from '../session.ts'
import { counted } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[]
): Promise<void> {
  const proof = await node.post<ProveAnswer>(`/objects/${encodeURIComponent(name)}/proofs`, { signal })
  if (terminal.json) return terminal.document(proof)
  if (proof.answers.length > 0) {
    terminal.line(
      renderTable(
        terminal,
        [{ title: 'HOLDER' }, { title: 'OPERATOR' }, { title: 'ANSWER' }, { title: 'TOOK', align: 'right' }],
        proof.answers.map((answer) => [
          shortName(answer.node),
          shortName(answer.operator),
          terminal.paint(
            answer.outcome === 'proven' ? 'green' : answer.outcome === 'wrong' ? 'red' : 'yellow',
            answer.outcome
          ),
          answer.tookMs === undefined ? '' : `${Math.round(answer.tookMs)} ms`
        ])
      )
    )
    terminal.line()
  }
  terminal.line(
    `${counted(proof.proven, 'operator')} proved every byte just now; ${proof.copiesMin} are wanted.`
  )
}
