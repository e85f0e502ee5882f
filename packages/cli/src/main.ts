// The program: reads the command line, runs one command, ends with its exit code. It loads the one
// command that was asked for and nothing else, because a command that only asks the running node
// should answer before anybody notices that it started.

import { InvalidInputError } from '@commonhold/core/errors'
import { CommanderError } from 'commander'
import { readEnvironment } from './environment.ts'
import { exitCodeOf, exitCodes, interruptedExitCode, unexpectedExitCode } from './exit-codes.ts'
import { createProgram } from './program.ts'

const json = process.argv.includes('--json')
const interrupted = new AbortController()

// `| head` closes the pipe early: that is how a reader says “enough”, not an error.
process.stdout.on('error', (err: NodeJS.ErrnoException) => {
  if (err.code === 'EPIPE') process.exit(0)
  throw err
})

const stop = (): void => {
  // The second signal means “at once”.
  if (interrupted.signal.aborted) process.exit(interruptedExitCode)
  interrupted.abort(new DOMException('Interrupted.', 'AbortError'))
}
process.on('SIGINT', stop)
process.on('SIGTERM', stop)

try {
  await createProgram({ environment: readEnvironment(), json, signal: interrupted.signal }).parseAsync(
    process.argv
  )
} catch (err) {
  process.exitCode = report(err)
}
// Handles of a failed command (an open socket, a timer) must not keep a terminal waiting.
if (process.exitCode !== undefined && process.exitCode !== 0) await flushed()

function report(err: unknown): number {
  if (err instanceof CommanderError) {
    // Help and version are “errors” to commander, which have been printed already.
    if (err.exitCode === 0) return 0
    // A command group without a command: its help stands there already.
    if (err.code === 'commander.help') return exitCodes.InvalidInputError
    return say(new InvalidInputError(sentence(err.message)))
  }
  if (interrupted.signal.aborted) return interruptedExitCode
  return say(err)
}

function say(err: unknown): number {
  const name = err instanceof Error ? err.name : 'Error'
  const message = err instanceof Error ? err.message : String(err)
  const code = exitCodeOf(err)
  // A fault of ours: whoever reports it needs to say where.
  const stack = code === unexpectedExitCode && err instanceof Error ? err.stack : undefined
  if (json) process.stderr.write(`${JSON.stringify({ error: { name, message, exitCode: code, stack } })}\n`)
  else process.stderr.write(`${message}\n${stack === undefined ? '' : `${stack}\n`}`)
  return code
}

/** Commander says `error: unknown option '--x'`, with its suggestion on a second line. */
function sentence(text: string): string {
  const plain = text.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/s, '. Did you mean “$1”?')
  const capital = plain.charAt(0).toUpperCase() + plain.slice(1)
  return `${capital.replace(/([^.?!])$/, '$1.')} See: commonhold --help`
}

async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((out) => new Promise((resolve) => out.write('', resolve)))
  )
  process.exit()
}
