// The life of a node as a process: config, start, the lines that say where to look, and an orderly end
// at the first SIGINT or SIGTERM. The second one ends it at once (main.ts).

import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { type Override, readConfig } from './config.ts'
import type { AboutAnswer, PoolAnswer } from './control/protocol.ts'
import { defaults } from './options.ts'
import { processLog } from './process-log.ts'
import type { Session } from './session.ts'
import type { Terminal } from './terminal.ts'
import { counted } from './units.ts'

export interface RunOptions {
  readonly overrides: readonly Override[]
  /** A pool to join before the node is said to be ready, by the address of one of its nodes. */
  readonly join?: { readonly address: string; readonly keepBytes?: number }
}

export async function runNode(session: Session, { overrides, join }: RunOptions): Promise<void> {
  const { terminal, dataFolder, socketPath, signal, environment } = session
  const fromEnvironment: Override[] =
    environment.logLevel === undefined ? [] : [['node.logLevel', environment.logLevel]]
  const config = await readConfig(dataFolder, [...fromEnvironment, ...overrides])
  const log = processLog(config.node.logLevel)
  // Before the bulk of the program is loaded. Left alone, V8 lets the youngest objects fill 100 MiB before it
  // looks at them, and each may hold a buffer of a megabyte: measured, an upload of 800 MiB peaks at 212
  // instead of 294 MiB, at no cost in time.
  setFlagsFromString('--semi-space-growth-factor=1')
  // And objects that outlived a moment may grow to four times what is in use before V8 looks at all of them: in a
  // pool of a million pins 450 MiB resident with 50 in use.
  setFlagsFromString('--heap-growing-percent=30')
  const { startNode } = await import('./compose.ts')
  const running = await startNode({ dataFolder, socketPath, config, log }, { signal })
  try {
    if (join !== undefined) await running.node.join(join.address, { ...join, signal })
    const about = running.node.about()
    if (terminal.json) terminal.document({ event: 'ready', ...about })
    else greet(terminal, about, running.node.pool())
    if (!signal.aborted) await once(signal, 'abort')
    if (!terminal.json) terminal.note('Stopping…')
  } finally {
    // A part that hangs must not keep a service from being restarted; the log says that it did.
    const overdue = setTimeout(() => {
      log.error('stopping took too long; ending at once', { afterMs: defaults.stopTimeoutMs })
      process.exit(1)
    }, defaults.stopTimeoutMs)
    try {
      await running[Symbol.asyncDispose]()
    } catch (err) {
      // Told here, because what ended the run is what the caller hears of.
      log.error('a part of the node did not stop as it should', { err })
      process.exitCode = 1
    }
    clearTimeout(overdue)
  }
}

function greet(terminal: Terminal, about: AboutAnswer, pool: PoolAnswer): void {
  const row = (label: string, text: string): void =>
    terminal.line(`  ${terminal.paint('dim', label.padEnd(8))}${text}`)
  const first = pool.operators < pool.copiesMin ? ` --copies ${pool.operators}` : ''
  terminal.line(`${terminal.paint('bold', `Commonhold ${about.version}`)} is running. Stop it with Ctrl-C.`)
  row('bridge', terminal.paint('cyan', about.httpUrl))
  row(
    'pool',
    `${pool.name}, ${counted(pool.operators, 'operator')}, at least ${counted(pool.copiesMin, 'copy', 'copies')} of each object`
  )
  row('data', about.dataFolder)
  if (about.addresses[0] !== undefined) row('join me', `commonhold join ${about.addresses[0]}`)
  row('try', `commonhold add photo.jpg${first}   ·   commonhold status`)
}
