// Runs one command of the CLI as a user would: a process of its own, told which data folder it is about.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The launcher: with a fitting Node it runs the program in its own process, so a signal reaches it. */
export const program = fileURLToPath(new URL('../../packages/cli/bin/commonhold.js', import.meta.url))

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly tookMs: number
}

export interface CommandOptions {
  readonly dataFolder?: string
  readonly stdin?: string | Uint8Array
  readonly env?: NodeJS.ProcessEnv
  /** A command that takes longer is killed, and its result says so by `code: null`. */
  readonly timeoutMs?: number
}

export async function runCommand(
  args: readonly string[],
  options: CommandOptions = {}
): Promise<CommandResult> {
  const started = performance.now()
  const child = spawn(process.execPath, [program, ...args], {
    env: {
      ...process.env,
      ...options.env,
      ...(options.dataFolder === undefined ? {} : { COMMONHOLD_DATA: options.dataFolder })
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL'
  })
  // A command that ends without reading its input closes the pipe; that is its right.
  child.stdin.on('error', () => {})
  child.stdin.end(options.stdin)
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => stdout.push(part))
  child.stderr.on('data', (part: Buffer) => stderr.push(part))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return {
    code,
    stdout: Buffer.concat(stdout).toString('utf8'),
    stderr: Buffer.concat(stderr).toString('utf8'),
    tookMs: performance.now() - started
  }
}

/** The JSON answer of a command that must succeed. */
export async function answerOf<A>(args: readonly string[], options: CommandOptions = {}): Promise<A> {
  const result = await runCommand([...args, '--json'], options)
  if (result.code !== 0) {
    throw new Error(
      `commonhold ${args.join(' ')} ended with ${result.code}: ${result.stderr.trim() || result.stdout.trim()}`
    )
  }
  return JSON.parse(result.stdout) as A
}
