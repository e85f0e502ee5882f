// `commonhold init`: keys, data folder and a config file to read and change, without starting anything.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { silentLog, systemRandom } from '@commonhold/core'
import { nodeFileSystem, openDataFolder, openIdentity } from '@commonhold/node'
import { configFileName, configTemplate, readConfig } from '../config.ts'
import type { Session } from '../session.ts'

export async function run({ terminal, dataFolder }: Session): Promise<void> {
  // An unreadable config is said before anything is made.
  await readConfig(dataFolder)
  await using folder = await openDataFolder(dataFolder, nodeFileSystem)
  const identity = await openIdentity(folder.keysPath, nodeFileSystem, {
    random: systemRandom,
    log: silentLog
  })
  const configPath = join(folder.path, configFileName)
  const created = await writeFile(configPath, configTemplate, { flag: 'wx' }).then(
    () => true,
    (err: NodeJS.ErrnoException) => {
      if (err.code === 'EEXIST') return false
      throw err
    }
  )
  const { nodeId, operatorId } = identity
  if (terminal.json) return terminal.document({ dataFolder: folder.path, configPath, nodeId, operatorId })
  terminal.line(`  ${terminal.paint('dim', 'data      ')}${folder.path}`)
  terminal.line(`  ${terminal.paint('dim', 'config    ')}${configPath}${created ? '' : ' (as it was)'}`)
  terminal.line(`  ${terminal.paint('dim', 'node      ')}${nodeId}`)
  terminal.line(`  ${terminal.paint('dim', 'operator  ')}${operatorId}`)
  terminal.line()
  terminal.line('Start it with: commonhold start')
}
