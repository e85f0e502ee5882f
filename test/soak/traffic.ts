// Uploads and reads, all the while: new objects through `add` and `POST /media`, whole reads and ranges through any
// bridge. A wrong byte ends the soak at once; so does a read that was owed and does not come.

import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from '@commonhold/core'
import type { AddAnswer, SettleStep, TokenAddAnswer } from '../../packages/cli/src/control/protocol.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import type { ProcessPool } from '../processes/process-pool.ts'
import { type Blows, copies, isOwed, pause } from './blows.ts'
import { Broken } from './broken.ts'
import type { Acknowledged, Draft, Objects } from './objects.ts'

/** One request; longer than any freeze. */
const requestTimeoutMs = 60_000
/** How long an owed read may be tried, through whichever bridge: for a busy machine, not for a user. */
const readBoundMs = 120_000
const retryMs = 300
const uploadGapMs = 1500
const readGapMs = 400

export interface Counts {
  add: number
  post: number
  refused: number
  reads: number
  ranges: number
  retries: number
  notOwed: number
  readMsMax: number
}

export interface TrafficInit {
  readonly pool: ProcessPool
  readonly blows: Blows
  readonly objects: Objects
  /** One for each of the three streams, so that none shifts the choices of another. */
  readonly randoms: { readonly adds: Random; readonly posts: Random; readonly reads: Random }
  readonly say: (line: string) => void
}

export class Traffic {
  readonly counts: Counts = {
    add: 0,
    post: 0,
    refused: 0,
    reads: 0,
    ranges: 0,
    retries: 0,
    notOwed: 0,
    readMsMax: 0
  }
  readonly refusals: Map<string, number> = new Map()
  readonly #init: TrafficInit
  readonly #tokens = new Map<string, string>()

  constructor(init: TrafficInit) {
    this.#init = init
  }

  async prepare(): Promise<void> {
    for (const node of this.#init.pool.nodes) {
      const { token } = await node.ask<TokenAddAnswer>('token', 'add', 'soak', '--scope', 'upload')
      this.#tokens.set(node.name, token)
    }
  }

  /** Until the signal; what is under way is finished. */
  async run(signal: AbortSignal): Promise<void> {
    const { adds, posts, reads } = this.#init.randoms
    const again = async (gapMs: number, random: Random, work: () => Promise<void>): Promise<void> => {
      while (!signal.aborted) {
        await work()
        await pause(random.unit() * 2 * gapMs, signal)
      }
    }
    await Promise.all([
      again(uploadGapMs, adds, () => this.#upload(adds, 'add')),
      again(uploadGapMs, posts, () => this.#upload(posts, 'POST /media')),
      again(readGapMs, reads, () => this.#readAny(reads, signal)),
      again(readGapMs, reads, () => this.#readAny(reads, signal))
    ])
  }

  /** Asks once, and whatever comes must be right: for what may be damaged where it is read. */
  async touch(node: NodeProcess, object: Acknowledged): Promise<void> {
    await this.#attempt(node, object, `/ipfs/${object.cid}`)
  }

  /** All of it through this bridge, byte for byte. */
  async readWhole(node: NodeProcess, object: Acknowledged): Promise<void> {
    const endMs = performance.now() + readBoundMs
    for (;;) {
      const problem = await this.#attempt(node, object, `/ipfs/${object.cid}`)
      if (problem === undefined) return
      if (performance.now() > endMs) {
        throw new Broken('bridges', `${node.name} does not serve ${named(object)}: ${problem}`)
      }
      this.counts.retries++
      await pause(retryMs, AbortSignal.timeout(retryMs))
    }
  }

  async #upload(random: Random, how: 'add' | 'POST /media'): Promise<void> {
    const { blows, objects, say } = this.#init
    const { draft, bytes } = objects.draft(random)
    const node = pick(random, blows.standing)
    const hits = blows.hits(node)
    this.counts[how === 'add' ? 'add' : 'post']++
    // A command that waits until the copies are proven promises them.
    const waits = random.unit() < 0.15
    const result = how === 'add' ? await this.#add(node, draft, bytes, waits) : await this.#post(node, bytes)
    if (typeof result === 'string') {
      objects.unanswered.push(draft)
      if (blows.hits(node) !== hits) return
      this.counts.refused++
      this.refusals.set(result, (this.refusals.get(result) ?? 0) + 1)
      say(`${how} of ${draft.size} bytes refused by ${node.name}: ${result}`)
      return
    }
    const { answer, promised } = result
    if (answer.sha256 !== draft.sha256 || answer.size !== draft.size) {
      throw new Broken(
        'bytes',
        `${node.name} acknowledged other bytes than ${named(draft)}: ${answer.sha256}`
      )
    }
    objects.acknowledge({ ...draft, cid: answer.cid, author: node.name, how, promised })
  }

  async #add(
    node: NodeProcess,
    { number }: Draft,
    bytes: Uint8Array,
    waits: boolean
  ): Promise<string | { answer: AddAnswer; promised: number }> {
    const path = join(this.#init.pool.folder, `upload-${number}`)
    await writeFile(path, bytes)
    const flags = ['--copies', String(copies), '--json', ...(waits ? ['--wait'] : [])]
    const { code, stdout, stderr } = await node.command('add', path, ...flags)
    await rm(path)
    if (code !== 0) return `${code === null ? 'no answer' : `exit ${code}`} ${lastLine(stderr || stdout)}`
    const answer = JSON.parse(stdout) as AddAnswer & { settled?: SettleStep }
    const proven = answer.settled?.copiesLive ?? 0
    return { answer, promised: Math.max(answer.copies, Math.min(proven, copies)) }
  }

  async #post(node: NodeProcess, bytes: Buffer): Promise<string | { answer: AddAnswer; promised: number }> {
    try {
      // Random bytes that look like a picture would otherwise be cleaned, and become others.
      const response = await node.fetch(`/media?copies=${copies}&metadata=keep`, {
        method: 'POST',
        headers: { authorization: `Bearer ${this.#tokens.get(node.name)}` },
        body: new Uint8Array(bytes),
        signal: AbortSignal.timeout(requestTimeoutMs)
      })
      const text = await response.text()
      if (!response.ok) return `${response.status} ${text.slice(0, 200)}`
      const answer = JSON.parse(text) as AddAnswer
      return { answer, promised: answer.copies }
    } catch (err) {
      return reasonOf(err)
    }
  }

  async #readAny(random: Random, signal: AbortSignal): Promise<void> {
    const { objects, blows } = this.#init
    if (objects.unanswered.length > 0 && random.unit() < 0.1) {
      const draft = pick(random, objects.unanswered)
      await this.#attempt(pick(random, blows.standing), draft, `/media/${draft.sha256}`)
      this.counts.reads++
      return
    }
    const all = [...objects.acknowledged.values()]
    if (all.length === 0) return
    // Half of the reads go to what is young: there the copies are still being made.
    const object = random.unit() < 0.5 ? pick(random, all.slice(-10)) : pick(random, all)
    await this.#readOwed(random, object, signal)
  }

  async #readOwed(random: Random, object: Acknowledged, signal: AbortSignal): Promise<void> {
    const { blows } = this.#init
    const path = random.unit() < 0.5 ? `/ipfs/${object.cid}` : `/media/${object.sha256}`
    const range = random.unit() < 0.5 ? rangeIn(random, object.size) : undefined
    this.counts[range === undefined ? 'reads' : 'ranges']++
    using watch = blows.watch()
    let startedMs = performance.now()
    const problems: string[] = []
    for (;;) {
      const bridge = pick(random, blows.standing)
      const hits = blows.hits(bridge)
      const askedMs = performance.now()
      const problem = await this.#attempt(bridge, object, path, range)
      // A reader whose bridge was struck down while it was asked has waited for nothing.
      if (problem !== undefined && blows.hits(bridge) !== hits) startedMs += performance.now() - askedMs
      const tookMs = performance.now() - startedMs
      if (problem === undefined) {
        this.counts.readMsMax = Math.max(this.counts.readMsMax, tookMs)
        return
      }
      if (!isOwed(object.promised, watch.worst)) {
        this.counts.notOwed++
        return
      }
      if (blows.hits(bridge) === hits) problems.push(`${bridge.name}: ${problem}`)
      if (tookMs > readBoundMs) {
        throw new Broken(
          'reads',
          `${named(object)}, promised ${object.promised} copies by ${object.author} (${object.how}), at most ${watch.worst} ` +
            `down, not read within ${Math.round(tookMs)} ms. ${problems.slice(-6).join('; ')}`
        )
      }
      this.counts.retries++
      await pause(retryMs, signal)
      // Nobody is down any more then, and the end reads everything through everybody.
      if (signal.aborted) return
    }
  }

  /** What kept it from coming, or nothing. Whatever does come is compared, be it cut off later. */
  async #attempt(
    bridge: NodeProcess,
    object: Draft,
    path: string,
    range?: readonly [number, number]
  ): Promise<string | undefined> {
    const [from, last] = range ?? [0, object.size - 1]
    const expected = this.#init.objects.bytes(object).subarray(from, last + 1)
    const wrong = (what: string): Broken =>
      new Broken('bytes', `${bridge.name} ${path} ${range ?? 'whole'} of ${named(object)}: ${what}`)
    let done = 0
    try {
      const response = await bridge.fetch(path, {
        headers: range === undefined ? {} : { range: `bytes=${from}-${last}` },
        signal: AbortSignal.timeout(requestTimeoutMs)
      })
      if (!response.ok) {
        const text = await response.text()
        // Temporary by their meaning; any other refusal of a right question is wrong.
        if (![404, 502, 503, 504].includes(response.status)) throw wrong(`${response.status} ${text}`)
        return `${response.status} ${text.slice(0, 200)}`
      }
      const spot = response.headers.get('content-range')
      if (response.status !== (range === undefined ? 200 : 206)) throw wrong(`status ${response.status}`)
      if (range !== undefined && spot !== `bytes ${from}-${last}/${object.size}`) throw wrong(String(spot))
      for await (const part of response.body ?? []) {
        const bytes = Buffer.from(part)
        if (!bytes.equals(expected.subarray(done, done + bytes.length))) {
          throw wrong(`other bytes between ${from + done} and ${from + done + bytes.length}`)
        }
        done += bytes.length
      }
    } catch (err) {
      if (err instanceof Broken) throw err
      return `after ${done} bytes: ${reasonOf(err)}`
    }
    if (done !== expected.length) throw wrong(`${done} bytes instead of ${expected.length}, and a proper end`)
    return undefined
  }
}

export function named({ number, size, sha256 }: Draft): string {
  return `object ${number} (${size} bytes, sha256 ${sha256})`
}

function rangeIn(random: Random, size: number): readonly [number, number] {
  const from = Math.floor(random.unit() * size)
  return [from, from + Math.floor(random.unit() * (size - from))]
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.unit() * from.length)] as T
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

function reasonOf(err: unknown): string {
  const { message, cause } = err as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
