// The blows of the soak: SIGKILL, SIGSTOP for a while, a restart, a polite stop; where there is ground for it, a pulled
// cable, a wall around one or two, a full disk, flipped bits. Says at any moment who is down and what is
// therefore still owed to a reader. The seed decides what is chosen, not how long things
// take, so a run is repeated in kind and not to the letter. Ends nothing but the nodes of its own pool.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '@commonhold/core'
import type { NodeProcess } from '../processes/node-process.ts'
import { Broken } from './broken.ts'
import type { Flips } from './flips.ts'
import type { Ground } from './ground.ts'

/** Copies that every upload of a soak asks for. */
export const copies = 3

/**
 * The rule. An acknowledgement for n copies promises the object while at most n − 1 operators are lost; whoever is
 * dead, frozen, starting, cut off or has damaged blocks counts as lost here. So no more than `copies` − 1 are ever down at once, and an object
 * acknowledged for fewer is owed to readers only while fewer are down: see `isOwed`.
 */
const downMax = copies - 1

export function isOwed(promised: number, downAtOnce: number): boolean {
  return downAtOnce <= promised - 1
}

const processBlows = ['SIGKILL', 'SIGSTOP', 'restart', 'stop'] as const
/** A wall stands around one or two nodes, which still see one another. */
const groundBlows = ['cable', 'wall', 'full disk', 'flipped bits'] as const
export type Kind = (typeof processBlows)[number] | (typeof groundBlows)[number]

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
  /** What more than processes can be hit. */
  readonly ground?: Ground
  readonly flips?: Flips
}

export class Blows {
  readonly counts: Map<Kind, number>
  readonly peakBytes: Map<string, number> = new Map()
  startMsMax = 0
  readonly #init: BlowsInit
  readonly #kinds: readonly Kind[]
  readonly #down = new Set<NodeProcess>()
  /** With damaged blocks: to be asked, but not to be counted on. */
  readonly #maimed = new Set<NodeProcess>()
  #diskIsFull = false
  readonly #hits = new Map<NodeProcess, number>()
  readonly #watches = new Set<{ worst: number }>()

  constructor(init: BlowsInit) {
    this.#init = init
    const { ground } = init
    this.#kinds = [
      ...processBlows,
      ...groundBlows.filter((kind) => {
        if (kind === 'cable') return ground?.hasCables === true
        return kind === 'full disk' ? (ground?.smallDisks.size ?? 0) > 0 : ground !== undefined
      })
    ]
    this.counts = new Map(this.#kinds.map((kind) => [kind, 0]))
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
    const watch = { worst: this.#lost, [Symbol.dispose]: () => void this.#watches.delete(watch) }
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
      if (signal.aborted || this.#lost >= downMax) continue
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

  /** Operators that count as lost. */
  get #lost(): number {
    return new Set([...this.#down, ...this.#maimed]).size
  }

  async #blow(revive: AbortSignal): Promise<void> {
    const { random, ground } = this.#init
    const kind = this.#kinds[Math.floor(random.unit() * this.#kinds.length)] ?? 'SIGKILL'
    const standing = this.standing.filter((node) => !this.#maimed.has(node))
    const first = Math.floor(random.unit() * standing.length)
    const victim = standing[first]
    // Mostly short, now and then long enough to be repaired around.
    const awayMs = kind === 'restart' ? 0 : random.unit() ** 2 * awayMsMax
    const two = random.unit() < 0.5 && this.#lost + 2 <= downMax
    if (victim === undefined) return
    if (kind === 'full disk') return await this.#fillDisk(awayMs, revive)
    this.#count(kind)
    const other = kind === 'wall' && two ? standing[(first + 1) % standing.length] : undefined
    const victims = other === undefined || other === victim ? [victim] : [victim, other]
    const where = kind === 'flipped bits' ? this.#maimed : this.#down
    for (const node of victims) {
      this.#hit(node)
      where.add(node)
    }
    for (const watch of this.#watches) watch.worst = Math.max(watch.worst, this.#lost)
    this.#say(kind, victims, awayMs)
    await this.notePeaks([victim])
    await this.#strike(kind, victim, victims, awayMs, revive, ground)
    for (const node of victims) {
      // Once more: who asked it just now may have asked it as it was.
      this.#hit(node)
      where.delete(node)
    }
  }

  async #strike(
    kind: Kind,
    victim: NodeProcess,
    victims: readonly NodeProcess[],
    awayMs: number,
    revive: AbortSignal,
    ground: Ground | undefined
  ): Promise<void> {
    switch (kind) {
      case 'SIGSTOP':
        victim.freeze(true)
        await pause(awayMs, revive)
        victim.freeze(false)
        return
      case 'cable':
        ground?.cable(victim.name, false)
        await pause(awayMs, revive)
        ground?.cable(victim.name, true)
        return
      case 'wall': {
        const names = victims.map(({ name }) => name)
        ground?.wall(names, true)
        await pause(awayMs, revive)
        ground?.wall(names, false)
        return
      }
      case 'flipped bits': {
        const { flips } = this.#init
        const hit = (await flips?.strike(victim)) ?? []
        this.#init.say(`        ${hit.length} objects of ${victim.name} have a flipped bit`)
        await pause(awayMs, revive)
        // Not cut short by the end of the storm: what is not found then is not found at all.
        await flips?.healed(victim, hit)
        return
      }
      case 'SIGKILL':
        await victim.kill()
        break
      default:
        await this.stopPolitely(victim)
    }
    await pause(awayMs, revive)
    await this.#start(victim)
  }

  /** Nobody is down for it: what is on a full disk is still served. */
  async #fillDisk(awayMs: number, revive: AbortSignal): Promise<void> {
    const { ground } = this.#init
    const victim = this.standing.find(({ name }) => ground?.smallDisks.has(name) === true)
    if (ground === undefined || victim === undefined || this.#diskIsFull) return
    this.#diskIsFull = true
    this.#count('full disk')
    this.#hit(victim)
    this.#say('full disk', [victim], awayMs)
    const makeRoom = await ground.fillDisk(victim.dataFolder)
    await pause(awayMs, revive)
    await makeRoom()
    this.#hit(victim)
    this.#diskIsFull = false
  }

  #count(kind: Kind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
  }

  #hit(node: NodeProcess): void {
    this.#hits.set(node, this.hits(node) + 1)
  }

  #say(kind: Kind, victims: readonly NodeProcess[], awayMs: number): void {
    const lost = [...this.#down, ...this.#maimed].map(({ name }) => name).join(' ')
    const names = victims.map(({ name }) => name).join(' ')
    this.#init.say(
      `${kind.padEnd(13)}${names.padEnd(7)} for ${(awayMs / 1000).toFixed(0)} s (lost: ${lost || 'nobody'})`
    )
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
