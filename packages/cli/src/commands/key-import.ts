// `commonhold key import`: a node rebuilt from its keys alone. Its pool brings back what it wished for.

import { createReadStream } from 'node:fs'
import { InvalidInputError, silentLog, systemRandom } from '@commonhold/core'
import { importKeys, nodeFileSystem, openDataFolder } from '@commonhold/node'
import type { Session } from '../session.ts'

/** An export is under 200 characters. */
const bytesMax = 4096

export async function run(
  { terminal, dataFolder }: Session,
  [source = '-']: readonly string[]
): Promise<void> {
  const text = await readText(source)
  // Under the folder's lock: the keys of a running node are not changed behind its back.
  await using folder = await openDataFolder(dataFolder, nodeFileSystem)
  const options = { random: systemRandom, log: silentLog }
  const { nodeId, operatorId } = await importKeys(folder.keysPath, nodeFileSystem, text, options)
  if (terminal.json) return terminal.document({ nodeId, operatorId })
  terminal.line(`This is node ${nodeId} now.`)
  terminal.line('Bring back what it wished for: commonhold join <address of a member of its pool>')
}

async function readText(source: string): Promise<string> {
  let text = ''
  try {
    for await (const part of source === '-' ? process.stdin : createReadStream(source)) {
      text += String(part)
      if (text.length > bytesMax) throw new InvalidInputError(`${source} is too long for exported keys.`)
    }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    throw new InvalidInputError(`There is no file “${source}”.`, { cause: err })
  }
  return text
}
