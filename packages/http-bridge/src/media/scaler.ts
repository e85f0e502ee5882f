// Scaling processes, few and short-lived: started when there is work, ended when there is none, killed when one takes
// too long. Tasks wait in a bounded line. The bytes of a picture are read only when a process is free for it.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { type AbortOptions, BusyError } from '@commonhold/core'
import type { BridgeOptions } from '../options.ts'
import { HttpRefusal } from '../problems.ts'
import { frameOf, framesOf, type ScalerAnswer, type ScalerTask } from './scaler-wire.ts'

const program = fileURLToPath(
  new URL(`./scaler-process.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
)

/** `--permission`: reads its own code, and may do nothing else with files, children or threads. */
const confined = ['--permission', '--allow-fs-read=*', '--allow-addons', '--no-warnings']

export interface Scaled {
  readonly answer: Exclude<ScalerAnswer, { is: 'refused' }>
  readonly body: Uint8Array
}

export class Scaler {
  readonly #options: BridgeOptions
  readonly #idle: ScalerProcess[] = []
  readonly #all = new Set<ScalerProcess>()
  readonly #waiting: ((go: ScalerProcess) => void)[] = []

  constructor(options: BridgeOptions) {
    this.#options = options
  }

  /**
   * @param input read when a process is free
   * @throws BusyError when the line is full; HttpRefusal (422) for what cannot be decoded, 503 when it took too long
   */
  async run(
    task: ScalerTask,
    input: (options?: AbortOptions) => Promise<Uint8Array>,
    options?: AbortOptions
  ): Promise<Scaled> {
    const worker = await this.#worker()
    try {
      options?.signal?.throwIfAborted()
      return await worker.run(task, await input(options))
    } finally {
      this.#release(worker)
    }
  }

  #worker(): Promise<ScalerProcess> {
    const idle = this.#idle.pop()
    if (idle !== undefined) return Promise.resolve(idle.take())
    if (this.#all.size < this.#options.variantProcesses) return Promise.resolve(this.#start())
    if (this.#waiting.length >= this.#options.variantQueueMax) {
      throw new BusyError('Too many pictures are being scaled; try again in a moment.')
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #start(): ScalerProcess {
    const worker = new ScalerProcess(this.#options, () => {
      this.#all.delete(worker)
      const at = this.#idle.indexOf(worker)
      if (at !== -1) this.#idle.splice(at, 1)
    })
    this.#all.add(worker)
    return worker
  }

  #release(worker: ScalerProcess): void {
    const next = this.#waiting.shift()
    if (next !== undefined) next(worker.alive ? worker : this.#start())
    else if (worker.alive) {
      worker.rest()
      this.#idle.push(worker)
    }
  }
}

class ScalerProcess {
  readonly #options: BridgeOptions
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers: AsyncGenerator<{ head: unknown; body: Uint8Array }>
  #resting: NodeJS.Timeout | undefined
  #late = false
  alive = true

  constructor(options: BridgeOptions, onEnd: () => void) {
    this.#options = options
    this.#child = spawn(process.execPath, [...confined, program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      cwd: '/',
      env: {}
    })
    const over = (): void => {
      this.alive = false
      clearTimeout(this.#resting)
      onEnd()
    }
    this.#child.once('close', over)
    this.#child.once('error', over)
    // It ends by itself when our end of its pipe is gone, so nothing has to wait for it.
    this.#child.unref()
    unref(this.#child.stdin)
    unref(this.#child.stdout)
    // It died over its task: what is said of that comes from the answer that does not come.
    this.#child.stdin.on('error', () => {})
    this.#answers = framesOf(this.#child.stdout)
  }

  async run(task: ScalerTask, input: Uint8Array): Promise<Scaled> {
    const timer = setTimeout(() => {
      this.#late = true
      this.#child.kill('SIGKILL')
    }, this.#options.variantMsMax)
    try {
      this.#child.stdin.write(frameOf(task, input))
      const next = await this.#answers.next()
      if (next.done === true) throw this.#ended()
      const answer = next.value.head as ScalerAnswer
      if (answer.is === 'refused') {
        throw new HttpRefusal(
          422,
          'Not a picture that can be scaled',
          `The picture was not decoded: ${answer.why}.`
        )
      }
      return { answer, body: next.value.body }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Back from rest. */
  take(): this {
    clearTimeout(this.#resting)
    return this
  }

  /** It ends when nobody needs it for a while: a decoder in waiting is 60 MB. */
  rest(): void {
    this.#resting = setTimeout(() => this.#child.stdin.end(), this.#options.variantIdleMs).unref()
  }

  #ended(): HttpRefusal {
    // Before the system has told us: nobody else is given a dead process.
    this.alive = false
    return this.#late
      ? new HttpRefusal(
          422,
          'Scaling took too long',
          `Scaling this picture was given up after ${this.#options.variantMsMax} ms.`
        )
      : new HttpRefusal(422, 'Not a picture that can be scaled', 'Decoding this picture ended its decoder.')
  }
}

/** The pipes of a child are sockets. */
function unref(pipe: Readable | Writable): void {
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
}
