// The founding scenario: nine machines at home that go on and off, and a picture few people care about. Its uploader
// and all who held it first leave for good, two at a time; the others nap. The script is drawn from a seed before
// anything starts, and is the same whether the pool repairs or not: its pauses are parts of `repairDelayMs`.

import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random, seededRandom } from '@commonhold/core'
import { keepingDefaults } from '@commonhold/pinning'
import type { AddAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

const names = ['attic', 'cellar', 'desk', 'garage', 'kitchen', 'laptop', 'office', 'shelf', 'studio']
const pictureBytes = 300_000
const readEveryMs = 250
const requestTimeoutMs = 10_000
const patienceMs = 120_000

export interface FoundingOptions {
  readonly seed: number
  /** The one option that scales all delays, those of the script as well. */
  readonly timeScale: number
  /** Whether nodes make copies of their own accord. */
  readonly repairs: boolean
  /** A reader that has not got the picture for so long, through whichever bridge is up, has not got it. */
  readonly readBoundMs: number
  readonly say: (line: string) => void
}

export interface FoundingResult {
  readonly reads: number
  /** Reads that did not come within the bound. */
  readonly missed: number
  readonly readMsMax: number
  readonly firstHolders: readonly string[]
  /** Who has it in the end, of those who are left. */
  readonly lastHolders: readonly string[]
  /** Whether everybody was off at some time. */
  readonly nobodyAlwaysUp: boolean
  readonly upMin: number
}

export async function founding(options: FoundingOptions): Promise<FoundingResult> {
  const { seed, timeScale, repairs, say } = options
  await using pool = await ProcessPool.start({
    names,
    timeScale,
    settings: { 'node.class': 'home', 'http.cache': 0, ...(repairs ? {} : { 'pool.repairs': 0 }) }
  })
  const random = seededRandom(seed)
  const uploader = pick(random, pool.nodes)
  const bytes = randomBytes(pictureBytes)
  const path = join(pool.folder, 'picture')
  await writeFile(path, bytes)
  // Without repair an offer that came to nothing is not made good, so there is no healthy to wait for.
  const { cid } = await uploader.ask<AddAnswer>('add', path, ...(repairs ? ['--wait'] : []))
  const file = NodeProcess.blockFileOf(cid)
  const delayMs = keepingDefaults.repairDelayMs / timeScale
  await until(
    'three copies',
    patienceMs,
    async () => (await pool.holdersOnDisk(file)).length >= 3 || undefined
  )
  if (!repairs) await sleep(delayMs)
  const firstHolders = await pool.holdersOnDisk(file)
  say(`added by ${uploader.name}, held by ${firstHolders.map(({ name }) => name).join(' ')}`)

  const story = new Story(pool, random, delayMs, say)
  const over = new AbortController()
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const reader = new Reader(story, `/ipfs/${cid}`, sha256, options)
  const reading = reader.run(over.signal)
  try {
    await story.tell(uploader, firstHolders)
    // A last look, when all that was to happen has happened.
    await reader.read()
  } finally {
    over.abort()
    await reading
  }
  const left = await pool.holdersOnDisk(file)
  return {
    ...reader.counts,
    firstHolders: firstHolders.map(({ name }) => name),
    lastHolders: left.filter((node) => !story.gone.has(node)).map(({ name }) => name),
    nobodyAlwaysUp: pool.nodes.every((node) => story.wasOff.has(node)),
    upMin: story.upMin
  }
}

/** Who leaves, who naps, and for how long. */
class Story {
  readonly gone: Set<NodeProcess> = new Set()
  readonly wasOff: Set<NodeProcess> = new Set()
  readonly #off = new Set<NodeProcess>()
  readonly #pool: ProcessPool
  readonly #random: Random
  readonly #delayMs: number
  readonly #say: (line: string) => void
  upMin: number

  constructor(pool: ProcessPool, random: Random, delayMs: number, say: (line: string) => void) {
    this.#pool = pool
    this.#random = random
    this.#delayMs = delayMs
    this.#say = say
    this.upMin = pool.nodes.length
  }

  get up(): NodeProcess[] {
    return this.#pool.nodes.filter((node) => !this.#off.has(node))
  }

  async tell(uploader: NodeProcess, firstHolders: readonly NodeProcess[]): Promise<void> {
    const leaving = shuffled(this.#random, [...new Set([uploader, ...firstHolders])])
    const staying = shuffled(
      this.#random,
      this.#pool.nodes.filter((node) => !leaving.includes(node))
    )
    for (let i = 0; i < leaving.length; i += 2) {
      const pair = leaving.slice(i, i + 2)
      this.#say(`for good: ${pair.map(({ name }) => name).join(' ')}`)
      for (const node of pair) this.#turnOff(node)
      for (const node of pair) this.gone.add(node)
      await Promise.all(pair.map((node) => node.kill()))
      // As long as a repair may take: the delay, the staggers, the making. Then somebody naps.
      await sleep(2 * this.#delayMs)
      for (const node of staying.splice(0, 2)) await this.#nap(node)
    }
    for (const node of staying) await this.#nap(node)
    await sleep(this.#delayMs)
  }

  async #nap(node: NodeProcess): Promise<void> {
    const napMs = this.#delayMs * (0.2 + this.#random.unit())
    const frozen = this.#random.unit() < 0.5
    this.#say(`${node.name} ${frozen ? 'is suspended' : 'is off'} for ${Math.round(napMs)} ms`)
    this.#turnOff(node)
    if (frozen) node.freeze(true)
    else await node.kill()
    await sleep(napMs)
    if (frozen) node.freeze(false)
    else await node.start()
    this.#off.delete(node)
  }

  #turnOff(node: NodeProcess): void {
    this.#off.add(node)
    this.wasOff.add(node)
    this.upMin = Math.min(this.upMin, this.up.length)
  }
}

/** Somebody who looks at the picture again and again, through whichever bridge is up. */
class Reader {
  readonly counts: { reads: number; missed: number; readMsMax: number } = {
    reads: 0,
    missed: 0,
    readMsMax: 0
  }
  readonly #story: Story
  readonly #path: string
  readonly #sha256: string
  readonly #options: FoundingOptions
  readonly #random: Random

  constructor(story: Story, path: string, sha256: string, options: FoundingOptions) {
    this.#story = story
    this.#path = path
    this.#sha256 = sha256
    this.#options = options
    this.#random = seededRandom(options.seed + 1)
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.read()
      await sleep(readEveryMs, undefined, { signal }).catch(() => {
        // The story is over.
      })
    }
  }

  /** @throws when a bridge serves other bytes: no reader should ever see them. */
  async read(): Promise<void> {
    const startedMs = performance.now()
    this.counts.reads++
    for (;;) {
      const bridge = pick(this.#random, this.#story.up)
      const problem = await this.#ask(bridge)
      const tookMs = performance.now() - startedMs
      if (problem === undefined) {
        this.counts.readMsMax = Math.max(this.counts.readMsMax, tookMs)
        return
      }
      if (tookMs > this.#options.readBoundMs) {
        this.counts.missed++
        this.#options.say(`not read within ${Math.round(tookMs)} ms; last ${bridge.name}: ${problem}`)
        return
      }
      await sleep(readEveryMs)
    }
  }

  async #ask(bridge: NodeProcess): Promise<string | undefined> {
    let body: Buffer
    try {
      const response = await bridge.fetch(this.#path, { signal: AbortSignal.timeout(requestTimeoutMs) })
      if (!response.ok) return String(response.status)
      body = Buffer.from(await response.arrayBuffer())
    } catch (err) {
      return String(err)
    }
    const sha256 = createHash('sha256').update(body).digest('hex')
    if (sha256 !== this.#sha256) throw new Error(`${bridge.name} served other bytes.`)
    return undefined
  }
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.unit() * from.length)] as T
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, dice: random.unit() }))
    .sort((a, b) => a.dice - b.dice)
    .map(({ item }) => item)
}
