// A Commonhold node as a real operating-system process, for tests and the demo: started with a data
// folder of its own, known to be ready by what it says, killed by number, its disk looked at from
// outside. Ends nothing but what it started.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { base32upper } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import type { AboutAnswer } from '../../packages/cli/src/control/protocol.ts'
import { answerOf, type CommandResult, program, runCommand } from './command.ts'

export interface NodeProcessInit {
  /** How tests and the demo call it. */
  readonly name: string
  readonly dataFolder: string
  /** Settings as for `--set`, e.g. `{ 'http.cache': 0 }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean | readonly string[]>>
  /** Put before the node's own command line: `['strace', '-f', …]`. */
  readonly wrapper?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly readyTimeoutMs?: number
}

/** Loopback only, free ports, no multicast: many of them run beside one another. */
const isolation: NonNullable<NodeProcessInit['settings']> = {
  'network.listen': ['/ip4/127.0.0.1/tcp/0'],
  'network.mdns': false,
  'http.host': '127.0.0.1',
  'http.port': 0
}

export class NodeProcess implements AsyncDisposable {
  readonly name: string
  readonly dataFolder: string
  readonly #init: NodeProcessInit
  #child: ChildProcess | undefined
  #log: WriteStream | undefined
  #about: AboutAnswer | undefined
  #ending = false
  #fell: string | undefined

  constructor(init: NodeProcessInit) {
    this.#init = init
    this.name = init.name
    this.dataFolder = init.dataFolder
  }

  /** Who it is and where it listens, since it was ready last. */
  get about(): AboutAnswer {
    if (this.#about === undefined) throw new Error(`${this.name} was never ready.`)
    return this.#about
  }

  get nodeId(): string {
    return this.about.nodeId
  }

  get pid(): number {
    const pid = this.#child?.pid
    if (pid === undefined) throw new Error(`${this.name} is not running.`)
    return pid
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** How it ended, when it was neither killed nor stopped by us: a test that goes on without it misleads. */
  get fell(): string | undefined {
    return this.#fell
  }

  /** Everything it wrote to stderr, over all its lives. */
  get logPath(): string {
    return `${this.dataFolder}.log`
  }

  /** Resolves when the node says that it is ready; rejects with the end of its log when it ends before. */
  async start(args: readonly string[] = ['start']): Promise<AboutAnswer> {
    if (this.running) throw new Error(`${this.name} is running already.`)
    const settings = { ...isolation, ...this.#init.settings }
    const overrides = Object.entries(settings).flatMap(([key, value]) => [
      '--set',
      `${key}=${JSON.stringify(value)}`
    ])
    const command = [
      ...(this.#init.wrapper ?? []),
      process.execPath,
      program,
      ...args,
      '--json',
      '--data',
      this.dataFolder,
      ...overrides
    ]
    const child = spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { COMMONHOLD_LOG: 'info', ...process.env, ...this.#init.env }
    })
    this.#child = child
    this.#ending = false
    child.once('exit', (code, signal) => {
      if (!this.#ending) this.#fell = String(signal ?? code)
    })
    this.#log = createWriteStream(this.logPath, { flags: 'a' })
    child.stderr?.pipe(this.#log)
    const lines = createInterface({ input: child.stdout ?? process.stdin })
    const timeoutMs = this.#init.readyTimeoutMs ?? 180_000
    const ready = new Promise<AboutAnswer>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`${this.name} was not ready within ${timeoutMs} ms.`)),
        timeoutMs
      )
      lines.on('line', (line) => {
        const event = JSON.parse(line) as { event?: string } & AboutAnswer
        if (event.event !== 'ready') return
        clearTimeout(timer)
        resolve(event)
      })
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        reject(new Error(`${this.name} ended before it was ready (${signal ?? code}).`))
      })
    })
    try {
      this.#about = await ready
      return this.#about
    } catch (err) {
      await this.kill()
      throw new Error(`${(err as Error).message}\n${await this.logEnd()}`, { cause: err })
    }
  }

  /** As a power cut would, from the process's point of view. Resolves when the kernel has reaped it. */
  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** Resolves when somebody else has ended it, as a test expects. */
  async ended(options: { signal?: AbortSignal } = {}): Promise<void> {
    const child = this.#child
    if (child !== undefined && this.running) await once(child, 'exit', options)
    this.#fell = undefined
    this.#log?.end()
  }

  /** Asks it to end and waits; the exit code. */
  async stop(timeoutMs = 30_000): Promise<number | null> {
    const child = this.#child
    const timer = setTimeout(() => child?.kill('SIGKILL'), timeoutMs)
    await this.#end('SIGTERM')
    clearTimeout(timer)
    return child?.exitCode ?? null
  }

  /** Freezes it (true) or lets it go on: a peer that neither answers nor hangs up. */
  freeze(frozen: boolean): void {
    process.kill(this.pid, frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  command(...args: string[]): Promise<CommandResult> {
    return runCommand(args, { dataFolder: this.dataFolder })
  }

  ask<A>(...args: string[]): Promise<A> {
    return answerOf<A>(args, { dataFolder: this.dataFolder })
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.about.httpUrl), init)
  }

  /** Name of the file that holds the block of this hash, whichever way its CID is spelt. */
  static blockFileOf(cid: string): string {
    return `${base32upper.encode(CID.parse(cid).multihash.bytes)}.data`
  }

  /** Names of all block files, as the disk has them. Works on dead nodes. */
  async blockFiles(): Promise<string[]> {
    const entries = await readdir(join(this.dataFolder, 'blocks'), { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.data'))
      .map((entry) => entry.name)
      .sort()
  }

  /** Files in the block folder that are neither blocks nor markers: nothing may be left after a restart. */
  async strayFiles(): Promise<string[]> {
    const entries = await readdir(join(this.dataFolder, 'blocks'), { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.data') && entry.name !== 'store-epoch')
      .map((entry) => entry.name)
  }

  async blockBytes(): Promise<number> {
    const folder = join(this.dataFolder, 'blocks')
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.data'))
    const sizes = await Promise.all(
      files.map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size)
    )
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  /** Peak resident memory of the running process in bytes (Linux). */
  async memoryPeakBytes(): Promise<number> {
    const text = await readFile(`/proc/${this.pid}/status`, 'utf8')
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(text)?.[1]
    if (kib === undefined) throw new Error('The kernel does not tell VmHWM here.')
    return Number(kib) * 1024
  }

  async logEnd(): Promise<string> {
    const text = await readFile(this.logPath, 'utf8').catch(() => '')
    return text.split('\n').slice(-25).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    if (child.exitCode === null && child.signalCode === null) {
      this.#ending = true
      const ended = once(child, 'exit')
      child.kill(signal)
      // A frozen process sees a polite signal only when it goes on; SIGKILL needs nobody's attention.
      if (signal === 'SIGTERM') child.kill('SIGCONT')
      await ended
    }
    this.#log?.end()
  }
}
