// What is looked at when nobody is down: at each cleaning whether everything acknowledged is healthy, at the end the
// whole promise, from the bridges, by proofs and on the disks.

import { ControlClient } from '../../packages/cli/src/control/client.ts'
import type { PinStatusAnswer, ProveAnswer, StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { controlSocketPath } from '../../packages/cli/src/control/socket-path.ts'
import { readEnvironment } from '../../packages/cli/src/environment.ts'
import { Disks } from '../chaos/disks.ts'
import { NodeProcess } from '../processes/node-process.ts'
import type { ProcessPool } from '../processes/process-pool.ts'
import { type Blows, copies, pause } from './blows.ts'
import { Broken, type Check } from './broken.ts'
import type { Acknowledged } from './objects.ts'
import { named, type Traffic } from './traffic.ts'

/** For a machine that is busy with other things as well; on an idle one it takes seconds. */
const healthyBoundMs = 300_000
const proofBoundMs = 180_000
const askTimeoutMs = 60_000
const lookEveryMs = 500

export class Inspection {
  readonly #pool: ProcessPool
  readonly #clients = new Map<string, ControlClient>()

  constructor(pool: ProcessPool) {
    this.#pool = pool
  }

  /** Each as healthy in the eyes of some node, another one with each look. Then so many copies are promised. */
  async untilHealthy(
    objects: readonly Acknowledged[],
    signal: AbortSignal,
    check: Check = 'cleanings'
  ): Promise<void> {
    const endMs = performance.now() + healthyBoundMs
    let open = objects
    for (let look = 0; open.length > 0 && !signal.aborted; look++) {
      if (look > 0) await pause(lookEveryMs, signal)
      const left: Acknowledged[] = []
      for (const object of open) {
        const node = this.#pool.nodes[(object.number + look) % this.#pool.nodes.length] as NodeProcess
        const status = await this.#status(node, object)
        if (typeof status === 'string' || status.health !== 'healthy' || status.copiesLive < copies)
          left.push(object)
        else object.promised = Math.max(object.promised, copies)
        if (signal.aborted) return
      }
      open = left
      const [object] = open
      if (object !== undefined && performance.now() > endMs) {
        throw new Broken(
          check,
          `${open.length} of ${objects.length} objects not healthy within ${healthyBoundMs} ms, among them ${named(object)}, ` +
            `by ${object.author} (${object.how}), ${object.promised} copies promised.\n${await this.#seenBy(object)}`
        )
      }
    }
  }

  /** Challenged now, over the bytes: at least three operators prove them. */
  async prove(objects: readonly Acknowledged[]): Promise<void> {
    for (const object of objects) {
      const asked = this.#pool.nodes[object.number % this.#pool.nodes.length] as NodeProcess
      const endMs = performance.now() + proofBoundMs
      for (;;) {
        const { proven, answers } = await this.#client(asked).post<ProveAnswer>(
          `/objects/${object.cid}/proofs`,
          { signal: AbortSignal.timeout(askTimeoutMs) }
        )
        if (proven >= copies) break
        if (performance.now() > endMs) {
          const told = answers.map(({ node, outcome }) => `${this.#nameOf(node)} ${outcome}`).join(', ')
          throw new Broken(
            'proofs',
            `${named(object)} proven at ${proven} operators, asked by ${asked.name}: ${told}\n${await this.#seenBy(object)}`
          )
        }
        await pause(lookEveryMs, AbortSignal.timeout(askTimeoutMs))
      }
    }
  }

  /** Has the copies of this object challenged, by this node. */
  async challenge(node: NodeProcess, { cid }: Acknowledged): Promise<void> {
    try {
      await this.#client(node).post<ProveAnswer>(`/objects/${cid}/proofs`, {
        signal: AbortSignal.timeout(askTimeoutMs)
      })
    } catch {
      // Down or busy; who asks for a challenge asks again.
    }
  }

  async serve(objects: readonly Acknowledged[], traffic: Traffic): Promise<void> {
    for (const object of objects) {
      await Promise.all(this.#pool.nodes.map((node) => traffic.readWhole(node, object)))
    }
  }

  async forks(): Promise<void> {
    for (const node of this.#pool.nodes) {
      const { members } = await this.#client(node).get<StatusAnswer>('/status')
      const forked = members.filter((member) => member.forked === true)
      if (forked.length === 0) continue
      const names = forked.map((member) => this.#nameOf(member.node)).join(', ')
      throw new Broken('forks', `${node.name} sees the journals of ${names} forked.`)
    }
  }

  /** Everybody stops politely; then what is left on the disks is hashed, file by file. */
  async disks(objects: readonly Acknowledged[], blows: Blows): Promise<void> {
    for (const node of this.#pool.nodes) await blows.stopPolitely(node)
    const disks = new Disks()
    const roots = new Map<string, Set<string>>()
    for (const node of this.#pool.nodes) {
      const torn = await disks.tornBlocks(node)
      if (torn.length > 0) throw new Broken('torn', `${node.name}: ${torn.join(', ')}`)
      // What was found damaged is kept aside, for people to look at.
      const strays = (await node.strayFiles()).filter((name) => !name.endsWith('.bad'))
      if (strays.length > 0) throw new Broken('strays', `${node.name}: ${strays.join(', ')}`)
      roots.set(node.name, new Set(await node.blockFiles()))
    }
    for (const object of objects) {
      // An object is whole or absent, so its root block tells.
      const file = NodeProcess.blockFileOf(object.cid)
      const holders = [...roots].filter(([, files]) => files.has(file)).map(([name]) => name)
      if (holders.length < copies) {
        throw new Broken(
          'disks',
          `${named(object)} is on the disks of ${holders.join(', ') || 'nobody'} only.`
        )
      }
    }
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]()
  }

  async #seenBy(object: Acknowledged): Promise<string> {
    const lines: string[] = []
    for (const node of this.#pool.nodes) {
      const status = await this.#status(node, object)
      const holders =
        typeof status === 'string'
          ? status
          : `${status.health}, ${status.copiesLive} live of ${status.copiesClaimed}; ` +
            `${status.holders.map((h) => `${this.#nameOf(h.node)} ${h.state}`).join(', ')}; ${status.reasons.join(' ')}`
      lines.push(`  ${node.name} sees: ${holders}`)
    }
    return lines.join('\n')
  }

  async #status(node: NodeProcess, { cid }: Acknowledged): Promise<PinStatusAnswer | string> {
    try {
      return await this.#client(node).get<PinStatusAnswer>(`/pins/${cid}`, {
        signal: AbortSignal.timeout(askTimeoutMs)
      })
    } catch (err) {
      // It does not know the wish yet, or is too busy to say; whether it stays so shows at the bound.
      return `${(err as Error).name}: ${(err as Error).message}`
    }
  }

  #nameOf(nodeId: string): string {
    return this.#pool.nodes.find((node) => node.nodeId === nodeId)?.name ?? nodeId
  }

  #client(node: NodeProcess): ControlClient {
    let client = this.#clients.get(node.name)
    if (client === undefined) {
      client = new ControlClient(
        controlSocketPath(node.dataFolder, readEnvironment().runtimeFolder),
        node.dataFolder
      )
      this.#clients.set(node.name, client)
    }
    return client
  }
}
