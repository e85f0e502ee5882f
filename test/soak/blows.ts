// The blows of the soak: SIGKILL, SIGSTOP for a while, a restart, a polite stop. Says at any moment who is down and
// what is therefore still owed to a reader. The seed decides what is chosen, not how long things
// take, so a run is repeated in kind and not to the letter. Ends nothing but the nodes of its own pool.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '@commonhold/core'
import type { NodeProcess } from '../processes/node-process.ts'
import { Broken } from './broken.ts'

/** Copies that every upload of a soak asks for. */
export const copies = 3

/**
 * The rule. An acknowledgement for n copies promises the object while at most n − 1 operators are lost; whoever is
 * dead, frozen or starting counts as lost here. So no more than `copies` − 1 are ever down at once, and an object
 * acknowledged for fewer is owed to readers only while fewer are down: see `isOwed`.
 */
const downMax = copies - 1

export function isOwed(promised: number, downAtOnce: number): boolean {
  return downAtOnce <= promised - 1
}

const kinds = ['SIGKILL', 'SIGSTOP', 'restart', 'stop'] as const
export type Kind = (typeof kinds)[number]

const gapMsMin = 1500
const gapMsSpan = 5000
/** Beyond the 15 s after which, at the time scale of the soak, copies are made for whoever is away. */
const awayMsMax = 40_000
const stopTimeoutMs = 120_000

/** The most that were down at once while somebody watched. */
export interface Watch extends Disposable {
  readonly worst: number
}

export interface BlowsInit {
  readonly nodes: readonly NodeProcess[]
  readonly random: Random
  readonly say: (line: string) => void
  readonly fail: (err: unknown) => void
}

export class Blows {
  readonly counts: Record<Kind, number> = { SIGKILL: 0, SIGSTOP: 0, restart: 0, stop: 0 }
  readonly peakBytes: Map<string, number> = new Map()
  startMsMax = 0
  readonly #init: BlowsInit
  readonly #down = new Set<NodeProcess>()
  readonly #hits = new Map<NodeProcess, number>()
  readonly #watches = new Set<{ worst: number }>()

  constructor(init: BlowsInit) {
    this.#init = init
  }

  /** Nodes that run and were not told otherwise. */
  get standing(): NodeProcess[] {
    return this.#init.nodes.filter((node) => !this.#down.has(node))
  }

  /** How often this node was hit: an answer across two numbers excuses itself. */
  hits(node: NodeProcess): number {
    return this.#hits.get(node) ?? 0
  }

  watch(): Watch {
    const watch = { worst: this.#down.size, [Symbol.dispose]: () => void this.#watches.delete(watch) }
    this.#watches.add(watch)
    return watch
  }

  /** Blow after blow for so long; then everybody is revived. */
  async storm(forMs: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const revive = AbortSignal.any([over.signal, signal])
    const blows: Promise<void>[] = []
    const endMs = performance.now() + forMs
    while (performance.now() < endMs && !signal.aborted) {
      await pause(gapMsMin + this.#init.random.unit() * gapMsSpan, signal)
      const fallen = this.#init.nodes.find(({ fell }) => fell !== undefined)
      if (fallen !== undefined) {
        this.#init.fail(new Broken('ends', `${fallen.name} ended by itself: ${fallen.fell}`))
      }
      if (signal.aborted || this.#down.size >= downMax) continue
      blows.push(this.#blow(revive).catch(this.#init.fail))
    }
    over.abort()
    await Promise.all(blows)
  }

  /** Highest memory of each process so far, whichever of its lives that was in. */
  async notePeaks(nodes: readonly NodeProcess[] = this.#init.nodes): Promise<void> {
    for (const node of nodes) {
      if (!node.running) continue
      const peak = await node.memoryPeakBytes()
      this.peakBytes.set(node.name, Math.max(peak, this.peakBytes.get(node.name) ?? 0))
    }
  }

  async stopPolitely(node: NodeProcess): Promise<void> {
    const code = await node.stop(stopTimeoutMs)
    if (code !== 0) throw new Broken('ends', `${node.name} was asked to stop and ended with ${code}.`)
  }

  async #blow(revive: AbortSignal): Promise<void> {
    const { random, say } = this.#init
    const kind = kinds[Math.floor(random.unit() * kinds.length)] ?? 'SIGKILL'
    const standing = this.standing
    const victim = standing[Math.floor(random.unit() * standing.length)]
    // Mostly short, now and then long enough to be repaired around.
    const awayMs = kind === 'restart' ? 0 : random.unit() ** 2 * awayMsMax
    if (victim === undefined) return
    this.counts[kind]++
    this.#hits.set(victim, this.hits(victim) + 1)
    this.#down.add(victim)
    for (const watch of this.#watches) watch.worst = Math.max(watch.worst, this.#down.size)
    const names = [...this.#down].map(({ name }) => name).join(' ')
    say(`${kind.padEnd(8)}${victim.name.padEnd(7)} for ${(awayMs / 1000).toFixed(0)} s (down: ${names})`)
    await this.notePeaks([victim])
    if (kind === 'SIGSTOP') victim.freeze(true)
    else if (kind === 'SIGKILL') await victim.kill()
    else await this.stopPolitely(victim)
    await pause(awayMs, revive)
    if (kind === 'SIGSTOP') victim.freeze(false)
    else await this.#start(victim)
    this.#down.delete(victim)
  }

  async #start(node: NodeProcess): Promise<void> {
    const startedMs = performance.now()
    try {
      await node.start()
    } catch (err) {
      throw new Broken('ends', (err as Error).message, { cause: err })
    }
    this.startMsMax = Math.max(this.startMsMax, performance.now() - startedMs)
  }
}

/** A wait that an abort cuts short, and that is no error. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}
