// A pool of nodes, each a process, each an operator of its own, all on loopback. The first founds the
// pool, the others join it. Folders are temporary and go with the pool.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess, type NodeProcessInit } from './node-process.ts'
import { until } from './until.ts'

/** Where one node of a pool stands, when not on loopback in a plain folder. */
export interface NodeSite {
  readonly settings?: NodeProcessInit['settings']
  readonly wrapper?: readonly string[]
  /** Before its first start. */
  readonly prepare?: (dataFolder: string) => Promise<void>
}

export interface ProcessPoolInit {
  readonly names: readonly string[]
  /** For every node. */
  readonly settings?: NodeProcessInit['settings']
  /** Settings of one node; they win over those for all. */
  readonly settingsOf?: (name: string) => NodeProcessInit['settings']
  /** How many times faster than real the pool's delays run. @default 120 */
  readonly timeScale?: number
  /** Environment of a node, beside that of the test. */
  readonly env?: (name: string) => NodeJS.ProcessEnv
  readonly site?: (name: string) => NodeSite
  /** Keep the folders, and say where they are, for looking into a failure. */
  readonly keepFolders?: boolean
}

export class ProcessPool implements AsyncDisposable {
  readonly folder: string
  readonly nodes: readonly NodeProcess[]
  readonly #init: ProcessPoolInit

  private constructor(init: ProcessPoolInit, folder: string) {
    this.#init = init
    this.folder = folder
    this.nodes = init.names.map((name) => {
      const { settings, wrapper } = init.site?.(name) ?? {}
      return new NodeProcess({
        name,
        dataFolder: join(folder, name),
        ...(init.env === undefined ? {} : { env: init.env(name) }),
        ...(wrapper === undefined ? {} : { wrapper }),
        settings: {
          'pool.timeScale': init.timeScale ?? 120,
          'pool.name': 'test pool',
          ...init.settings,
          ...init.settingsOf?.(name),
          ...settings
        }
      })
    })
  }

  /** Starts all of them and waits until each knows every other as a reachable member. */
  static async start(init: ProcessPoolInit): Promise<ProcessPool> {
    const pool = new ProcessPool(init, await mkdtemp(join(tmpdir(), 'commonhold-pool-')))
    try {
      for (const { name, dataFolder } of pool.nodes) await init.site?.(name).prepare?.(dataFolder)
      const [founder, ...others] = pool.nodes
      if (founder === undefined) throw new Error('A pool needs a node.')
      const { addresses } = await founder.start()
      const address = addresses[0] ?? ''
      // Two at a time: starting is work for the processor, and a test machine has few.
      for (let i = 0; i < others.length; i += 2) {
        await Promise.all(others.slice(i, i + 2).map((node) => node.start(['join', address])))
      }
      await pool.untilAllMeet()
      return pool
    } catch (err) {
      await pool[Symbol.asyncDispose]()
      throw err
    }
  }

  get running(): NodeProcess[] {
    return this.nodes.filter((node) => node.running)
  }

  node(name: string): NodeProcess {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`There is no node ${name}.`)
    return found
  }

  byId(nodeId: string): NodeProcess {
    const found = this.nodes.find((node) => node.about.nodeId === nodeId)
    if (found === undefined) throw new Error(`There is no node ${nodeId}.`)
    return found
  }

  /** Every running node sees every running node. */
  async untilAllMeet(timeoutMs = 180_000): Promise<void> {
    for (const node of this.running) {
      await until(`${node.name} sees all members`, timeoutMs, async () => {
        const { members } = await node.ask<StatusAnswer>('status')
        const reachable = new Set(
          members.filter((member) => member.reachable || member.self).map(({ node: id }) => id)
        )
        return this.running.every((other) => reachable.has(other.nodeId)) || undefined
      })
    }
  }

  /** Nodes, dead or alive, whose block folder has this block file. */
  async holdersOnDisk(blockFile: string): Promise<NodeProcess[]> {
    const found: NodeProcess[] = []
    for (const node of this.nodes) if ((await node.blockFiles()).includes(blockFile)) found.push(node)
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
    for (const node of this.nodes) {
      if (node.fell === undefined) continue
      process.stderr.write(`${node.name} ended by itself (${node.fell}):\n${await node.logEnd()}\n`)
    }
    if (this.#init.keepFolders === true) return
    await rm(this.folder, { recursive: true, force: true })
  }
}
