// `commonhold import`: what others have built, as CAR archives, into the pool: one object per root. An archive that
// fails leaves nothing behind and does not keep the others from being imported.

import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { InvalidInputError, UnreachableError } from '@commonhold/core/errors'
import type { ImportRow } from '../control/protocol.ts'
import { exitCodeOf } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { formatBytes } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  paths: readonly string[],
  options: { copies?: number; visibility?: 'public' | 'members' }
): Promise<void> {
  const query = { copies: options.copies, visibility: options.visibility }
  for (const path of paths) {
    try {
      const { bytes, size } = await archiveOf(path)
      const rows = await node.upload<readonly ImportRow[]>('/imports', bytes, {
        query: { ...query, size },
        signal
      })
      if (terminal.json) terminal.document({ path, objects: rows })
      else for (const row of rows) terminal.line(lineOf(row))
    } catch (err) {
      if (paths.length === 1 || signal.aborted || err instanceof UnreachableError) throw err
      process.exitCode ??= exitCodeOf(err)
      terminal.note(`${path}: ${err instanceof Error ? err.message : String(err)}`)
    }
  }
}

async function archiveOf(path: string): Promise<{ bytes: AsyncIterable<Uint8Array>; size?: number }> {
  if (path === '-') return { bytes: process.stdin }
  try {
    const found = await stat(path)
    if (!found.isFile()) throw new InvalidInputError(`“${path}” is no file. Give a CAR archive.`)
    return { bytes: createReadStream(path), size: found.size }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    throw new InvalidInputError(`There is no file “${path}”.`, { cause: err })
  }
}

function lineOf({ cid, kind, size, url, copies, existed }: ImportRow): string {
  const what = kind === 'dag' ? 'folder or document' : 'file'
  const copiesSoFar = `${copies} ${copies === 1 ? 'copy' : 'copies'} promised so far`
  return (
    `${cid}  ${what}, ${formatBytes(size)}${existed ? '  (was here already)' : ''}\n` +
    `  url     ${url}\n  copies  ${copiesSoFar}; follow with: commonhold pin status ${cid}`
  )
}
