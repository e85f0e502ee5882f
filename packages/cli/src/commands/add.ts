// `commonhold add`: files, folders and standard input into the pool, one object per file. A file that
// fails does not keep the others from being added; the exit code is that of the first failure.

import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { InvalidInputError, UnreachableError } from '@commonhold/core/errors'
import type { AddAnswer, PoolAnswer, SettleStep } from '../control/protocol.ts'
import { exitCodeOf } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import type { Terminal } from '../terminal.ts'
import { formatBytes } from '../units.ts'

interface Source {
  readonly name: string
  /** Absent for standard input. */
  readonly size?: number
  bytes(): AsyncIterable<Uint8Array>
}

interface AddOptions {
  readonly copies?: number
  readonly visibility?: 'public' | 'members'
  readonly wait?: boolean
}

export async function run(session: Session, paths: readonly string[], options: AddOptions): Promise<void> {
  const { terminal } = session
  const sources: Source[] = []
  for (const path of paths) sources.push(...(await sourcesOf(path)))
  if (sources.length === 0) throw new InvalidInputError('There are no files in there to add.')
  const pool = await session.node.get<PoolAnswer>('/pool', { signal: session.signal })
  const bytesTotal = sources.reduce((sum, { size }) => sum + (size ?? 0), 0)
  let bytesDone = 0
  let failures = 0
  for (const source of sources) {
    try {
      const sent = counting(source.bytes(), (n) => {
        bytesDone += n
        terminal.progress(bar(source.name, bytesDone, bytesTotal))
      })
      const answer = await put(session, sent, source.size, options)
      const settled = options.wait === true ? await settle(session, answer) : undefined
      terminal.progressDone()
      show(terminal, source.name, answer, settled, options.copies ?? pool.copiesMin)
    } catch (err) {
      terminal.progressDone()
      // Alone, or with nobody to talk to: there is nothing to go on with.
      if (sources.length === 1 || session.signal.aborted || err instanceof UnreachableError) throw err
      failures++
      process.exitCode ??= exitCodeOf(err)
      terminal.note(`${source.name}: ${err instanceof Error ? err.message : String(err)}`)
    }
  }
  if (failures > 0) terminal.note(`${failures} of ${sources.length} files were not added.`)
}

async function put(
  session: Session,
  bytes: AsyncIterable<Uint8Array>,
  size: number | undefined,
  options: AddOptions
): Promise<AddAnswer> {
  return session.node.upload<AddAnswer>('/objects', bytes, {
    query: { copies: options.copies, visibility: options.visibility, settle: options.wait === true, size },
    signal: session.signal
  })
}

async function settle(session: Session, { cid }: AddAnswer): Promise<SettleStep | undefined> {
  let last: SettleStep | undefined
  for await (const step of session.node.lines<SettleStep>(`/objects/${cid}/settled`, {
    signal: session.signal
  })) {
    last = step
    session.terminal.progress(
      `waiting: ${step.copiesLive} of ${step.copiesTarget} copies proven (${step.health})`
    )
  }
  return last
}

function show(
  terminal: Terminal,
  path: string,
  answer: AddAnswer,
  settled: SettleStep | undefined,
  copiesMin: number
): void {
  if (terminal.json) {
    return terminal.document({ path, ...answer, ...(settled === undefined ? {} : { settled }) })
  }
  terminal.line(
    `${terminal.paint('bold', basename(path))}  ${formatBytes(answer.size)}${answer.existed ? '  (was here already)' : ''}`
  )
  terminal.line(`  cid     ${answer.cid}`)
  terminal.line(`  sha256  ${answer.sha256}`)
  terminal.line(`  url     ${answer.url}`)
  const promised =
    settled === undefined
      ? `${answer.copies} of ${copiesMin} promised so far${answer.copies < copiesMin ? `; follow with: commonhold pin status ${answer.cid}` : ''}`
      : `${settled.copiesLive} proven (${settled.health})`
  terminal.line(`  copies  ${promised}`)
}

async function sourcesOf(path: string): Promise<Source[]> {
  if (path === '-') return [{ name: '-', bytes: () => process.stdin }]
  let found: Awaited<ReturnType<typeof stat>>
  try {
    found = await stat(path)
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err
    throw new InvalidInputError(`There is no file “${path}”.`, { cause: err })
  }
  if (found.isFile()) return [{ name: path, size: found.size, bytes: () => createReadStream(path) }]
  if (!found.isDirectory()) throw new InvalidInputError(`“${path}” is neither a file nor a folder.`)
  const sources: Source[] = []
  for (const entry of (await readdir(path, { withFileTypes: true })).sort(byName)) {
    // Hidden files (.DS_Store, .git) are not what anybody means by a folder of pictures; links may lead anywhere.
    if (entry.name.startsWith('.') || !(entry.isFile() || entry.isDirectory())) continue
    sources.push(...(await sourcesOf(join(path, entry.name))))
  }
  return sources
}

async function* counting(
  bytes: AsyncIterable<Uint8Array>,
  onBytes: (n: number) => void
): AsyncGenerator<Uint8Array> {
  for await (const part of bytes) {
    onBytes(part.length)
    yield part
  }
}

function bar(name: string, done: number, total: number): string {
  if (total === 0) return `${basename(name)}  ${formatBytes(done)}`
  const part = Math.min(1, done / total)
  const filled = Math.round(part * 24)
  return `${'█'.repeat(filled)}${'░'.repeat(24 - filled)} ${String(Math.round(part * 100)).padStart(3)} %  ${formatBytes(done)}  ${basename(name)}`
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}
