// Kills a running process at a named point of its work, by two means. At a system call: strace is attached
// and sends SIGKILL at its entry, so the call itself never happens and the trace's last line says which it
// was. At a word of a protocol, which has no call of its own: `blow-preload.ts` inside the process waits
// for it. Either way the process has no chance to do anything more.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'

export interface SystemCall {
  readonly call: 'rename' | 'fsync' | 'fdatasync' | 'pwrite64'
  /** Only calls on one of these paths; on any when empty. */
  readonly paths: readonly string[]
  /** The n-th such call of one thread. */
  readonly when: number
}

/** An armed blow. It falls, or is called off. */
export interface Blow {
  /** What the process was doing when it was killed, in the words of trace or preload. Asked after its end. */
  callOff(): Promise<string | undefined>
}

export async function armSystemCall(pid: number, target: SystemCall, tracePath: string): Promise<Blow> {
  const child = spawn(
    'strace',
    [
      ...['-f', '-yy', '-s', '0', '-p', String(pid), '-o', tracePath],
      ...['-e', `trace=${target.call}`, '-e', 'signal=none'],
      ...['-e', `inject=${target.call}:signal=SIGKILL:when=${target.when}`],
      ...target.paths.flatMap((path) => ['-P', path])
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] }
  )
  await attached(child)
  return {
    async callOff() {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGINT')
        await ended
      }
      return lastWords(await readFile(tracePath, 'utf8'))
    }
  }
}

export async function armPreload(blowPath: string, point: string): Promise<Blow> {
  const saidPath = `${blowPath}.said`
  await rm(saidPath, { force: true })
  await writeFile(blowPath, point)
  return {
    async callOff() {
      await rm(blowPath, { force: true })
      return readFile(saidPath, 'utf8').catch(() => undefined)
    }
  }
}

async function attached(child: ChildProcess): Promise<void> {
  const said: string[] = []
  const { stderr } = child
  if (stderr === null) throw new Error('strace has no stderr.')
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`strace ended with ${code}: ${said.join(' ')}`)))
    createInterface({ input: stderr }).on('line', (line) => {
      said.push(line)
      if (/attached/.test(line)) resolve()
    })
  })
}

/** The call that never returned: no other ends without a result. */
function lastWords(trace: string): string | undefined {
  const open = trace.split('\n').filter((line) => /^\d+ +\w+\(.*( = \?|<unfinished \.\.\.>)$/.test(line))
  return open
    .at(-1)
    ?.replace(/^\d+ +/, '')
    .replace(/ *(= \?|<unfinished \.\.\.>)$/, '')
    .trim()
}
