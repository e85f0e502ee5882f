// `commonhold peers`: how others reach this node, and whom it is connected to.

import type { AboutAnswer, PeerRow } from '../control/protocol.ts'
import { renderTable } from '../render/table.ts'
import type { Session } from '../session.ts'

export async function run({ node, terminal, signal }: Session): Promise<void> {
  const [about, peers] = await Promise.all([
    node.get<AboutAnswer>('/about', { signal }),
    node.get<readonly PeerRow[]>('/peers', { signal })
  ])
  if (terminal.json) return terminal.document({ addresses: about.addresses, peers })
  terminal.line(terminal.paint('dim', 'Others join this node’s pool with:'))
  for (const address of about.addresses) terminal.line(`  commonhold join ${address}`)
  terminal.line()
  if (peers.length === 0) return terminal.line('Connected to nobody.')
  terminal.line(
    renderTable(
      terminal,
      [{ title: 'PEER' }, { title: 'MEMBER' }, { title: 'ADDRESS' }],
      peers.map((peer) => [
        peer.node,
        peer.member ? 'yes' : 'no',
        (peer.addresses[0] ?? '').replace(/\/p2p\/[^/]+$/, '')
      ])
    )
  )
}
