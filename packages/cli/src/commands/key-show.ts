// `commonhold key show`: the public names of node and operator.

import { join } from 'node:path'
import { silentLog } from '@commonhold/core'
import { nodeFileSystem, readIdentity } from '@commonhold/node'
import { withoutKeys } from '../keys-folder.ts'
import type { Session } from '../session.ts'

export async function run({ terminal, dataFolder }: Session): Promise<void> {
  const identity = await readIdentity(join(dataFolder, 'keys'), nodeFileSystem, silentLog)
  if (identity === undefined) throw withoutKeys(dataFolder)
  const { nodeId, operatorId } = identity
  if (terminal.json) return terminal.document({ nodeId, operatorId })
  terminal.line(`  ${terminal.paint('dim', 'node      ')}${nodeId}`)
  terminal.line(`  ${terminal.paint('dim', 'operator  ')}${operatorId}`)
}
