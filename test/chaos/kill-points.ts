// The kill loop: real operators on loopback, puts under way, SIGKILL at named points of the work, and after
// each kill the whole promise looked at: on the disks by reading them, in the pool by asking for proofs.
// One seed decides everything that is chosen; what the kernel's scheduler decides is in the record of each kill.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { rawCidOf, seededRandom } from '@commonhold/core'
import { NextToLast } from 'blockstore-fs/sharding'
import { ControlClient } from '../../packages/cli/src/control/client.ts'
import type {
  AddAnswer,
  PinsAnswer,
  ProveAnswer,
  StatusAnswer
} from '../../packages/cli/src/control/protocol.ts'
import { controlSocketPath } from '../../packages/cli/src/control/socket-path.ts'
import { readEnvironment } from '../../packages/cli/src/environment.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'
import { armPreload, armSystemCall, type Blow } from './blow.ts'
import { Disks } from './disks.ts'

type Role = 'author' | 'keeper'

/** The named points. Each has a way to be hit and says whose work it interrupts. */
const points = {
  'block written, not fsynced': ['author'],
  'block fsynced, before its rename': ['author', 'keeper'],
  'block renamed, folder not fsynced': ['author', 'keeper'],
  'folder fsynced, index commit not written': ['author', 'keeper'],
  'index commit written, not fsynced': ['author', 'keeper'],
  'journal append not written': ['author', 'keeper'],
  'journal append written, not fsynced': ['author', 'keeper'],
  'receipt: before': ['keeper'],
  'receipt: sent': ['keeper'],
  'ack: before': ['author'],
  'ack: after': ['author'],
  'in mid-repair': ['keeper']
} as const satisfies Record<string, readonly Role[]>

export type Point = keyof typeof points
export const pointNames: readonly Point[] = Object.keys(points) as Point[]

export interface Kill {
  readonly point: Point
  readonly role: Role
  readonly victim: string
  /** The call that did not happen, or the word that was (not) said. */
  readonly lastWords: string
  /** Whether a put or repair was unfinished when the process died. */
  readonly inFlight: boolean
  /** Copies the put was acknowledged for, when it was. */
  readonly acknowledged: number | undefined
  readonly restartMs: number
}

export interface KillLoopResult {
  readonly kills: readonly Kill[]
  readonly missed: number
  readonly objects: number
  readonly seed: number
  readonly tookMs: number
}

export interface KillLoopOptions {
  readonly seed: number
  /** How many kills there are to be at a point. @default `killsPlanned` */
  readonly kills?: (point: Point) => number
  readonly onKill?: (kill: Kill, count: number) => void
  readonly onMiss?: (point: Point) => void
  /** Ends early, whatever was reached, after so long. */
  readonly timeMsMax: number
  /** Keep what is on the disks, for looking into a failure. */
  readonly keepFolders?: boolean
}

interface Acknowledged {
  readonly cid: string
  readonly sha256: string
  readonly size: number
  readonly copies: number
  readonly author: string
}

/** 113 in all, so that a few blows that find nothing under way do not matter. Fewer where by nature nothing is unfinished any more: there the question is only what was promised. */
export function killsPlanned(point: Point): number {
  return point === 'ack: after' ? 6 : point === 'receipt: sent' ? 7 : 10
}

const names = ['ash', 'beech', 'elm']
const copies = 3
/** A blow that has not fallen so long after the put was answered has missed; the repair of a file takes longer. */
const blowTimeoutMs = 2_000
const repairTimeoutMs = 90_000
const shards = new NextToLast()

export async function killLoop(options: KillLoopOptions): Promise<KillLoopResult> {
  const startedMs = performance.now()
  await using pool = await ProcessPool.start({
    names,
    timeScale: 60,
    ...(options.keepFolders === undefined ? {} : { keepFolders: options.keepFolders }),
    // Answered when all have promised: so a put is in flight while any of them works on it.
    settings: { 'pool.ackCopies': copies, 'pool.ackWait': '4s' },
    env: () => ({ NODE_OPTIONS: `--import=${new URL('blow-preload.ts', import.meta.url).href}` })
  })
  const loop = new Loop(pool, options.seed)
  const kills: Kill[] = []
  let missed = 0
  const plan = pointNames.flatMap((point) =>
    Array.from({ length: (options.kills ?? killsPlanned)(point) }, () => point)
  )
  loop.shuffle(plan)
  while (plan.length > 0 && performance.now() - startedMs < options.timeMsMax) {
    const point = plan.pop() ?? 'ack: after'
    const kill = point === 'in mid-repair' ? await loop.killMidRepair() : await loop.killDuringPut(point)
    if (kill === undefined) {
      missed++
      options.onMiss?.(point)
      assert.ok(missed <= 30, `${missed} blows have missed, the last one: ${point}`)
      plan.unshift(point)
      continue
    }
    kills.push(kill)
    options.onKill?.(kill, kills.length)
  }
  await loop.verifyAll()
  return {
    kills,
    missed,
    objects: loop.acknowledged.length,
    seed: options.seed,
    tookMs: performance.now() - startedMs
  }
}

class Loop {
  readonly acknowledged: Acknowledged[] = []
  readonly #pool: ProcessPool
  readonly #random: ReturnType<typeof seededRandom>
  readonly #disks = new Disks()
  readonly #clients = new Map<string, ControlClient>()

  constructor(pool: ProcessPool, seed: number) {
    this.#pool = pool
    this.#random = seededRandom(seed)
  }

  shuffle(items: unknown[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#below(i + 1)
      const [a, b] = [items[i], items[j]]
      items[i] = b
      items[j] = a
    }
  }

  async killDuringPut(point: Exclude<Point, 'in mid-repair'>): Promise<Kill | undefined> {
    const author = this.#pick(this.#pool.nodes)
    const role = this.#pick<Role>(points[point])
    const victim = role === 'author' ? author : this.#pick(this.#pool.nodes.filter((node) => node !== author))
    const bytes = this.#bytes(1_000 + this.#below(300_000))
    const blow = await this.#arm(point, victim, bytes)
    const put = this.#put(author, bytes)
    const { pid } = victim
    let answeredFirst = false
    void put.then((answer) => {
      answeredFirst = answer !== undefined && isAlive(pid)
    })
    const fell = await this.#death(victim, put)
    const inFlight = !answeredFirst
    const lastWords = await blow.callOff()
    const answer = await put
    if (answer !== undefined) this.acknowledged.push(answer)
    if (!fell || lastWords === undefined) {
      if (fell) await victim.start()
      return undefined
    }
    const restartMs = await this.#reviveAndVerify(victim)
    return {
      point,
      role,
      victim: victim.name,
      lastWords: this.#shortened(lastWords),
      inFlight,
      acknowledged: answer?.copies,
      restartMs
    }
  }

  /** A keeper that finds the blocks of its copy gone fetches them again, and is killed at it. */
  async killMidRepair(): Promise<Kill | undefined> {
    const [author, victim] = this.#twoNodes()
    const bytes = this.#bytes(3 * 1024 * 1024 + this.#below(1_000_000))
    const answer = await this.#put(author, bytes)
    assert.ok(answer !== undefined, `${author.name} takes a file while all is well`)
    await until(
      `${victim.name} has its copy`,
      60_000,
      async () => (await this.#disks.holds(victim, answer.cid)) || undefined
    )
    const call = this.#pick(['rename', 'fdatasync'] as const)
    const blow = await armSystemCall(
      victim.pid,
      { call, paths: [], when: 1 + this.#below(2) },
      this.#tracePath(victim)
    )
    for (const path of (await this.#disks.filesOf(victim, answer.cid)) ?? []) await rm(path)
    // The next challenge is what makes it look at its copy.
    await this.#client(author).post<ProveAnswer>(`/objects/${answer.cid}/proofs`)
    const repaired = until(
      `${victim.name} repairs ${answer.cid} or dies of it`,
      repairTimeoutMs,
      async () => !victim.running || (await this.#disks.holds(victim, answer.cid)) || undefined
    )
    const fell = await this.#death(victim, repaired)
    await repaired
    const lastWords = await blow.callOff()
    const restartMs = fell ? await this.#reviveAndVerify(victim) : 0
    await until(
      `${victim.name} repairs ${answer.cid}`,
      repairTimeoutMs,
      async () => (await this.#disks.holds(victim, answer.cid)) || undefined
    )
    // Again owed in full.
    this.acknowledged.push(answer)
    if (!fell || lastWords === undefined || !lastWords.includes('/blocks/')) return undefined
    return {
      point: 'in mid-repair',
      role: 'keeper',
      victim: victim.name,
      lastWords: this.#shortened(lastWords),
      inFlight: true,
      acknowledged: answer.copies,
      restartMs
    }
  }

  /** The promise for everything that was ever acknowledged, and no fork anywhere. */
  async verifyAll(): Promise<void> {
    await this.#verifyDisks(this.acknowledged)
    for (const object of this.acknowledged) await this.#verifyObject(object, this.#pick(this.#pool.nodes))
    for (const node of this.#pool.nodes) await this.#verifyPins(node)
  }

  async #arm(point: Exclude<Point, 'in mid-repair'>, victim: NodeProcess, bytes: Uint8Array): Promise<Blow> {
    if (point.startsWith('receipt') || point.startsWith('ack'))
      return armPreload(`${victim.dataFolder}.blow`, point)
    const { dir } = shards.encode(rawCidOf(sha256(bytes)))
    const blocks = join(victim.dataFolder, 'blocks')
    const index = [join(victim.dataFolder, 'index.db-wal')]
    const arm = (call: 'rename' | 'fsync' | 'fdatasync' | 'pwrite64', paths: readonly string[]) =>
      armSystemCall(victim.pid, { call, paths, when: 1 }, this.#tracePath(victim))
    switch (point) {
      case 'block written, not fsynced':
        // The author's first fdatasync is that of the block; a keeper's is that of the journal batch.
        return arm('fdatasync', [])
      case 'block fsynced, before its rename':
        return arm('rename', [])
      case 'block renamed, folder not fsynced':
        return arm('fsync', [join(blocks, dir)])
      case 'folder fsynced, index commit not written':
        return arm('pwrite64', index)
      case 'index commit written, not fsynced':
        return arm('fsync', index)
      case 'journal append not written':
        return arm('pwrite64', await this.#journals(victim))
      case 'journal append written, not fsynced':
        return arm('fdatasync', await this.#journals(victim))
      default:
        throw new Error(`There is no way to hit ${point}.`)
    }
  }

  async #reviveAndVerify(victim: NodeProcess): Promise<number> {
    // Before anything of it runs again: what the dead disk holds, torn or promised.
    await this.#verifyDisks(this.acknowledged.slice(-8))
    const restartMs = await this.#start(victim)
    assert.deepEqual(await victim.strayFiles(), [], `${victim.name} left a temporary file`)
    await this.#verifyPins(victim)
    const recent = this.acknowledged.slice(-2)
    const older = this.acknowledged.length > 2 ? [this.#pick(this.acknowledged)] : []
    for (const object of new Set([...recent, ...older])) await this.#verifyObject(object, victim)
    return restartMs
  }

  /** An acknowledgement for n copies: n disks hold every block of it, whole. */
  async #verifyDisks(objects: readonly Acknowledged[]): Promise<void> {
    for (const node of this.#pool.nodes) {
      assert.deepEqual(await this.#disks.tornBlocks(node), [], `${node.name} has torn blocks`)
    }
    for (const { cid, copies: promised } of objects) {
      const holders = await this.#disks.holders(this.#pool.nodes, cid)
      assert.ok(
        holders.length >= promised,
        `${cid}: ${promised} copies promised, on ${holders.length} disks (${holders.map(({ name }) => name).join(', ')})`
      )
    }
  }

  /** Read through this node byte for byte, and proven at as many operators as were promised. */
  async #verifyObject(object: Acknowledged, through: NodeProcess): Promise<void> {
    const client = this.#client(through)
    const digest = createHash('sha256')
    for await (const part of await client.download(`/objects/${object.cid}/bytes`))
      digest.update(part as Buffer)
    assert.equal(digest.digest('hex'), object.sha256, `${through.name} reads ${object.cid} wrongly`)
    await until(
      `${object.cid} is proven at ${object.copies} operators for ${through.name}`,
      60_000,
      async () => {
        const { proven } = await client.post<ProveAnswer>(`/objects/${object.cid}/proofs`)
        return proven >= object.copies || undefined
      }
    )
  }

  /** Every acknowledged wish is in this node's pin set, at once for its own, and no journal has forked. */
  async #verifyPins(node: NodeProcess): Promise<void> {
    const own = this.acknowledged.filter(({ author }) => author === node.name)
    const there = await this.#pinSet(node)
    for (const { cid } of own) assert.ok(there.has(cid), `${node.name} has lost its wish for ${cid}`)
    await until(`${node.name} knows every wish`, 60_000, async () => {
      const known = await this.#pinSet(node)
      return this.acknowledged.every(({ cid }) => known.has(cid)) || undefined
    })
    const { members } = await this.#client(node).get<StatusAnswer>('/status')
    const forked = members.filter((member) => member.forked === true)
    assert.deepEqual(forked, [], `${node.name} sees a forked journal`)
  }

  async #pinSet(node: NodeProcess): Promise<Set<string>> {
    const found = new Set<string>()
    let after: string | undefined
    do {
      const page = await this.#client(node).get<PinsAnswer>('/pins', { query: { after } })
      for (const { cid } of page.pins) found.add(cid)
      after = page.next
    } while (after !== undefined)
    return found
  }

  async #put(author: NodeProcess, bytes: Uint8Array): Promise<Acknowledged | undefined> {
    try {
      const {
        cid,
        sha256: digest,
        size,
        copies: promised
      } = await this.#client(author).upload<AddAnswer>('/objects', inOnePart(bytes), { query: { copies } })
      return { cid, sha256: digest, size, copies: promised, author: author.name }
    } catch (err) {
      // Its node was killed before the answer: nothing was acknowledged, and nothing is expected of it.
      if ((err as Error).name === 'UnreachableError') return undefined
      throw err
    }
  }

  async #start(victim: NodeProcess): Promise<number> {
    const startedMs = performance.now()
    await victim.start()
    return performance.now() - startedMs
  }

  /** `false` when it still lives some time after the work that was to be interrupted is done. */
  async #death(victim: NodeProcess, work: Promise<unknown>): Promise<boolean> {
    const missed = new AbortController()
    let timer: NodeJS.Timeout | undefined
    void work.then(() => {
      timer = setTimeout(() => missed.abort(), blowTimeoutMs)
    })
    try {
      await victim.ended({ signal: missed.signal })
      return true
    } catch (err) {
      if (missed.signal.aborted) return false
      throw err
    } finally {
      clearTimeout(timer)
    }
  }

  async #journals(node: NodeProcess): Promise<string[]> {
    const folder = join(node.dataFolder, 'logs')
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries.filter((e) => e.isFile() && e.name.endsWith('.log')).map((e) => join(e.parentPath, e.name))
  }

  #client(node: NodeProcess): ControlClient {
    let client = this.#clients.get(node.name)
    if (client === undefined) {
      const { runtimeFolder } = readEnvironment()
      client = new ControlClient(controlSocketPath(node.dataFolder, runtimeFolder), node.dataFolder)
      this.#clients.set(node.name, client)
    }
    return client
  }

  #twoNodes(): [NodeProcess, NodeProcess] {
    const first = this.#pick(this.#pool.nodes)
    return [first, this.#pick(this.#pool.nodes.filter((node) => node !== first))]
  }

  #tracePath(victim: NodeProcess): string {
    return `${victim.dataFolder}.trace`
  }

  #bytes(length: number): Uint8Array {
    const random = seededRandom(this.#below(2 ** 31))
    return random.bytes(length)
  }

  #shortened(words: string): string {
    return words.replaceAll(`${this.#pool.folder}/`, '')
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T
  }

  #below(limit: number): number {
    return Math.floor(this.#random.unit() * limit)
  }
}

/** As the kernel has it now: our own notice of a death comes later than that of its peers. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    // Reaped already.
    return false
  }
}

async function* inOnePart(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}
