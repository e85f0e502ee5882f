// Where the nodes of a soak stand: each reachable for the others through a proxy of ours only, and where the machine
// lets us, in a network namespace of its own behind a virtual cable that can be pulled. Some have a disk of their own
// that can be filled. Makes nothing it does not take away again.

import { execFileSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Random, seededRandom } from '@commonhold/core'
import type { NodeSite } from '../processes/process-pool.ts'
import { type Link, LinkProxy } from './link-proxy.ts'

const port = 4420
const diskBytes = 1_500_000_000

export class Ground implements AsyncDisposable {
  readonly #names: readonly string[]
  readonly #random: Random
  readonly #proxies = new Map<string, LinkProxy>()
  readonly #sites = new Map<string, NodeSite>()
  readonly #cables: Cables | undefined
  readonly #undo: (() => Promise<void> | void)[] = []
  /** Nodes whose disk is a small one of their own. */
  readonly smallDisks: ReadonlySet<string>

  private constructor(
    names: readonly string[],
    seed: number,
    cables: Cables | undefined,
    disks: ReadonlySet<string>
  ) {
    this.#names = names
    this.#random = seededRandom(seed)
    this.#cables = cables
    this.smallDisks = disks
  }

  /** @param diskNames nodes that get a disk of their own, where we may mount one */
  static async lay(
    names: readonly string[],
    seed: number,
    diskNames: readonly string[],
    say: (line: string) => void
  ): Promise<Ground> {
    const cables = Cables.lay(names, say)
    const isRoot = process.getuid?.() === 0
    if (!isRoot) say('no root: no small disks, so none is filled')
    const ground = new Ground(names, seed, cables, new Set(isRoot ? diskNames : []))
    try {
      for (const [i, name] of names.entries()) await ground.#place(name, i)
    } catch (err) {
      await ground[Symbol.asyncDispose]()
      throw err
    }
    return ground
  }

  /** Whether cables can be pulled, and links told apart by who calls. */
  get hasCables(): boolean {
    return this.#cables !== undefined
  }

  site(name: string): NodeSite {
    const site = this.#sites.get(name)
    if (site === undefined) throw new Error(`${name} stands nowhere.`)
    return site
  }

  /** All lines between the two: who dialled decides which of the proxies a connection runs through. */
  links(a: string, b: string): { link: Link; proxy: LinkProxy }[] {
    return [
      [a, b],
      [b, a]
    ].flatMap(([caller = '', callee = '']) => {
      const proxy = this.#proxies.get(callee)
      return proxy === undefined ? [] : [{ proxy, link: proxy.link(this.hasCables ? caller : anybody) }]
    })
  }

  /** A wall between some and the rest: no connection is left, none is made. Without cables, nobody reaches them. */
  wall(some: readonly string[], closed: boolean): void {
    for (const a of some) {
      for (const b of this.#names) {
        if (some.includes(b)) continue
        for (const { proxy, link } of this.links(a, b)) {
          link.closed = closed
          if (closed) proxy.reset(link)
        }
      }
    }
  }

  /** The cable of this node, pulled out or put in: packets are lost, nobody is told. */
  cable(name: string, plugged: boolean): void {
    this.#cables?.plug(name, plugged)
  }

  heal(): void {
    for (const proxy of this.#proxies.values()) for (const link of proxy.links) proxy.heal(link)
    for (const name of this.#names) this.cable(name, true)
  }

  /** Fills the disk of this node to the last block. Returns how to make room again. */
  async fillDisk(dataFolder: string): Promise<() => Promise<void>> {
    const path = join(dataFolder, 'filler')
    try {
      const piece = Buffer.alloc(1 << 20)
      for (;;) await writeFile(path, piece, { flag: 'a' })
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOSPC') throw err
    }
    return () => rm(path, { force: true })
  }

  /** Gives `dataFolder` its disk; once, before the node starts. */
  async mountDisk(name: string, dataFolder: string): Promise<void> {
    if (!this.smallDisks.has(name)) return
    await mkdir(dataFolder, { recursive: true })
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes},mode=0700`, 'tmpfs', dataFolder])
    this.#undo.push(() => void execFileSync('umount', ['-l', dataFolder]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy[Symbol.asyncDispose]()
    for (const undo of this.#undo.splice(0).reverse()) await undo()
    this.#cables?.[Symbol.dispose]()
  }

  async #place(name: string, index: number): Promise<void> {
    const cables = this.#cables
    // Without namespaces every node has a loopback address of its own, so that ports never meet.
    const host =
      cables === undefined ? `127.${80 + (process.pid % 100)}.0.${10 + index}` : cables.address(name)
    const proxy = new LinkProxy(
      { host, port },
      seededRandom(Math.floor(this.#random.unit() * 2 ** 31)),
      (address) => (cables === undefined ? anybody : (cables.nameAt(address) ?? anybody))
    )
    const door = cables?.hub ?? '127.0.0.1'
    const doorPort = await proxy.listen(door, 0)
    this.#proxies.set(name, proxy)
    this.#sites.set(name, {
      settings: {
        'network.listen': [`/ip4/${host}/tcp/${port}`],
        'network.announce': [`/ip4/${door}/tcp/${doorPort}`],
        'http.host': host
      },
      ...(cables === undefined ? {} : { wrapper: ['ip', 'netns', 'exec', cables.namespace(name)] }),
      prepare: (dataFolder) => this.mountDisk(name, dataFolder)
    })
  }
}

const anybody = 'anybody'

/** One namespace per node, one virtual cable from each to a bridge in ours. */
class Cables implements Disposable {
  readonly #names: readonly string[]
  readonly #tag = `ch${process.pid}`
  readonly #net = `10.213.${process.pid % 256}`

  private constructor(names: readonly string[]) {
    this.#names = names
  }

  /** Absent, with a word about it, where the machine does not let us. */
  static lay(names: readonly string[], say: (line: string) => void): Cables | undefined {
    const cables = new Cables(names)
    try {
      cables.#lay()
      return cables
    } catch (err) {
      cables[Symbol.dispose]()
      say(
        `no network namespaces (${(err as Error).message.split('\n')[0]}): the proxies alone, no cable is pulled`
      )
      return undefined
    }
  }

  get hub(): string {
    return `${this.#net}.1`
  }

  namespace(name: string): string {
    return `${this.#tag}-${name}`
  }

  address(name: string): string {
    return `${this.#net}.${10 + this.#names.indexOf(name)}`
  }

  nameAt(address: string): string | undefined {
    return this.#names.find((name) => this.address(name) === address.replace(/^::ffff:/, ''))
  }

  plug(name: string, plugged: boolean): void {
    ip('link', 'set', this.#cable(name), plugged ? 'up' : 'down')
  }

  [Symbol.dispose](): void {
    // The cable goes with its namespace, the namespace when its last process has ended.
    for (const name of this.#names) attempt('netns', 'delete', this.namespace(name))
    attempt('link', 'delete', this.#tag)
  }

  #lay(): void {
    ip('link', 'add', 'name', this.#tag, 'type', 'bridge')
    ip('address', 'add', `${this.hub}/24`, 'dev', this.#tag)
    ip('link', 'set', this.#tag, 'up')
    for (const name of this.#names) {
      const namespace = this.namespace(name)
      const cable = this.#cable(name)
      ip('netns', 'add', namespace)
      ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
      ip('link', 'set', cable, 'master', this.#tag, 'up')
      ip('-n', namespace, 'link', 'set', 'lo', 'up')
      ip('-n', namespace, 'address', 'add', `${this.address(name)}/24`, 'dev', 'eth0')
      ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    }
  }

  #cable(name: string): string {
    return `${this.#tag}v${this.#names.indexOf(name)}`
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

function attempt(...args: string[]): void {
  try {
    ip(...args)
  } catch {
    // It was never made, or is gone already.
  }
}
