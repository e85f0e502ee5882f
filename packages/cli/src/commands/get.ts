// `commonhold get`: an object's bytes, from this disk or from wherever they are. A file appears under
// its name only when it is whole.

import { open, rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { InvalidInputError } from '@commonhold/core/errors'
import type { StatAnswer } from '../control/protocol.ts'
import type { Session } from '../session.ts'
import { formatBytes } from '../units.ts'

export async function run(
  { node, terminal, signal }: Session,
  [name = '']: readonly string[],
  options: { output?: string; range?: string }
): Promise<void> {
  const { output } = options
  const range = options.range === undefined ? {} : parseRange(options.range)
  const path = `/objects/${encodeURIComponent(name)}`
  if (output === undefined && terminal.stdoutTTY) {
    throw new InvalidInputError(
      `This would pour binary data over your terminal. Write it to a file: commonhold get ${name} -o FILE`
    )
  }
  const response = await node.download(`${path}/bytes`, { query: range, signal })
  if (output === undefined) return pipeline(response, process.stdout, { end: false })

  const partial = `${output}.${process.pid}.part`
  let written = 0
  try {
    const file = await open(partial, 'wx')
    try {
      for await (const part of response) {
        await file.writeFile(part as Buffer)
        written += (part as Buffer).length
        terminal.progress(
          `${formatBytes(written)} of ${formatBytes(Number(response.headers['content-length'] ?? 0))}`
        )
      }
      // Before the rename: a crash must not leave the final name on an empty file.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(partial, output)
  } catch (err) {
    await rm(partial, { force: true })
    throw err
  } finally {
    terminal.progressDone()
  }
  if (!terminal.json) return terminal.line(`${output}  ${formatBytes(written)}`)
  const stat = await node.get<StatAnswer>(path, { signal })
  terminal.document({ output, bytes: written, ...stat })
}

/** `from-to`, both included as in HTTP; either may be left out at the end: `100-`. */
function parseRange(text: string): { from: number; to?: number } {
  const found = /^(\d{1,15})-(\d{1,15})?$/.exec(text)
  const from = Number(found?.[1])
  const last = found?.[2] === undefined ? undefined : Number(found[2])
  if (found === null || (last !== undefined && last < from)) {
    throw new InvalidInputError(
      `“${text.slice(0, 40)}” is not a range of bytes: write it like 0-1023 or 1024-.`
    )
  }
  return last === undefined ? { from } : { from, to: last + 1 }
}
