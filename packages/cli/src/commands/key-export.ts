// `commonhold key export`: the private keys as one line of text. Whoever has it is this node.

import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog } from '@commonhold/core'
import { exportKeys, nodeFileSystem, readIdentity } from '@commonhold/node'
import { withoutKeys } from '../keys-folder.ts'
import type { Session } from '../session.ts'

export async function run(
  { terminal, dataFolder }: Session,
  _args: readonly string[],
  { output }: { output?: string }
): Promise<void> {
  const identity = await readIdentity(join(dataFolder, 'keys'), nodeFileSystem, silentLog)
  if (identity === undefined) throw withoutKeys(dataFolder)
  const keys = exportKeys(identity)
  if (output === undefined) {
    if (terminal.json) terminal.document({ keys })
    else terminal.line(keys)
    return terminal.note('Whoever has this line is your node. Keep it where you keep passwords.')
  }
  // Exclusive, so that neither another file nor another user's file is written over.
  const file = await open(output, 'wx', 0o600)
  try {
    await file.writeFile(`${keys}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  if (terminal.json) terminal.document({ output })
  else terminal.line(`Written to ${output}, readable by you alone.`)
}
