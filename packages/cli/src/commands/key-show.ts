// `commonhold key show`: the public names of node and operator.

import { readIdentity } from '../offline-identity.ts'
import type { Session } from '../session.ts'

export async function run({ terminal, dataFolder }: Session): Promise<void> {
  const { nodeId, operatorId } = await readIdentity(dataFolder)
  if (terminal.json) return terminal.document({ nodeId, operatorId })
  terminal.line(`  ${terminal.paint('dim', 'node      ')}${nodeId}`)
  terminal.line(`  ${terminal.paint('dim', 'operator  ')}${operatorId}`)
}
