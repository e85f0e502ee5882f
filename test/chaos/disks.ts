// What is really on the disks of a pool, read from outside and never through the programs under test:
// which whole objects, which torn blocks, which files nobody should have left.

import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decode as decodeDagPb } from '@ipld/dag-pb'
import { base32upper } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { NodeProcess } from '../processes/node-process.ts'

interface Seen {
  readonly state: string
  readonly whole: boolean
}

export class Disks {
  readonly #seen = new Map<string, Seen>()

  /** Block files whose bytes are not what their name says. Looks again only at files that have changed. */
  async tornBlocks(node: NodeProcess): Promise<string[]> {
    const torn: string[] = []
    for (const [name, path] of await this.#blockFiles(node)) {
      if (!(await this.#isWhole(name, path))) torn.push(name)
    }
    return torn
  }

  /** Names of those blocks of the object that are on this disk with other bytes than their name says. */
  async tornOf(node: NodeProcess, root: string): Promise<string[]> {
    const files = await this.#blockFiles(node)
    const torn: string[] = []
    const open = [CID.parse(root)]
    for (let cid = open.pop(); cid !== undefined; cid = open.pop()) {
      const name = NodeProcess.blockFileOf(cid.toString())
      const path = files.get(name)
      if (path === undefined) continue
      if (!(await this.#isWhole(name, path))) torn.push(name)
      else if (cid.code !== rawCode)
        open.push(...decodeDagPb(await readFile(path)).Links.map(({ Hash }) => Hash))
    }
    return torn
  }

  /** Whether every block of the object is on this disk, whole. */
  async holds(node: NodeProcess, root: string): Promise<boolean> {
    return (await this.filesOf(node, root)) !== undefined
  }

  /** Paths of all blocks of the object, root first, when each is on this disk, whole. */
  async filesOf(node: NodeProcess, root: string): Promise<string[] | undefined> {
    const files = await this.#blockFiles(node)
    const found: string[] = []
    const open = [CID.parse(root)]
    for (let cid = open.pop(); cid !== undefined; cid = open.pop()) {
      const name = NodeProcess.blockFileOf(cid.toString())
      const path = files.get(name)
      if (path === undefined || !(await this.#isWhole(name, path))) return undefined
      found.push(path)
      if (cid.code !== rawCode) {
        open.push(...decodeDagPb(await readFile(path)).Links.map(({ Hash }) => Hash))
      }
    }
    return found
  }

  async holders(nodes: readonly NodeProcess[], root: string): Promise<NodeProcess[]> {
    const holding = await Promise.all(nodes.map((node) => this.holds(node, root)))
    return nodes.filter((_, i) => holding[i] === true)
  }

  async #blockFiles(node: NodeProcess): Promise<Map<string, string>> {
    const folder = join(node.dataFolder, 'blocks')
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return new Map(
      entries
        .filter((entry) => entry.isFile() && entry.name.endsWith('.data'))
        .map((entry) => [entry.name, join(entry.parentPath, entry.name)])
    )
  }

  async #isWhole(name: string, path: string): Promise<boolean> {
    const { mtimeMs, ino, size } = await stat(path)
    const state = `${mtimeMs} ${ino} ${size}`
    const known = this.#seen.get(path)
    if (known?.state === state) return known.whole
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest()
    const expected = base32upper.decode(name.slice(0, -'.data'.length)).subarray(2)
    const whole = digest.equals(expected)
    this.#seen.set(path, { state, whole })
    return whole
  }
}
