// Bits that flip on a disk: one in a block file of an object, behind the back of its node. Nobody is told; it is found
// when the bytes are read, by a reader or by a challenge, and what was flipped is fetched anew.

import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '@commonhold/core'
import { Disks } from '../chaos/disks.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { Broken } from './broken.ts'
import type { Acknowledged } from './objects.ts'
import { named } from './traffic.ts'

const flipsMax = 4
const tries = 12
const healBoundMs = 180_000
const retryMs = 1000

export interface FlipsInit {
  readonly objects: () => readonly Acknowledged[]
  readonly random: Random
  /** Has the bytes of the object read where they are, or asked for. */
  readonly read: (node: NodeProcess, object: Acknowledged) => Promise<void>
}

export class Flips {
  count = 0
  readonly #init: FlipsInit

  constructor(init: FlipsInit) {
    this.#init = init
  }

  /** Flips a bit in some objects of this node, each in one block. The objects hit. */
  async strike(node: NodeProcess): Promise<Acknowledged[]> {
    const { random } = this.#init
    const disks = new Disks()
    const hit: Acknowledged[] = []
    const all = this.#init.objects()
    for (let i = 0; i < tries && hit.length < flipsMax && all.length > 0; i++) {
      const object = all[Math.floor(random.unit() * all.length)] as Acknowledged
      const [which, where] = [random.unit(), random.unit()]
      if (hit.includes(object)) continue
      const files = await disks.filesOf(node, object.cid)
      const path = files?.[Math.floor(which * files.length)]
      if (path === undefined || !(await flipped(path, where))) continue
      this.count++
      hit.push(object)
    }
    return hit
  }

  /** Until no torn block of these objects is left on the disk: whole again, or gone and made elsewhere. */
  async healed(node: NodeProcess, hit: readonly Acknowledged[]): Promise<void> {
    const endMs = performance.now() + healBoundMs
    for (const object of hit) {
      while (await isTorn(node, object)) {
        if (performance.now() > endMs) {
          throw new Broken(
            'flips',
            `${named(object)} is damaged on the disk of ${node.name}, and nobody noticed.`
          )
        }
        await this.#init.read(node, object)
        await sleep(retryMs)
      }
    }
  }
}

async function isTorn(node: NodeProcess, { cid }: Acknowledged): Promise<boolean> {
  try {
    return (await new Disks().tornOf(node, cid)).length > 0
  } catch (err) {
    // Moved aside between our listing and our reading: the next look tells.
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return true
    throw err
  }
}

/** `false` when the node took the file away meanwhile. */
async function flipped(path: string, where: number): Promise<boolean> {
  try {
    await using file = await open(path, 'r+')
    const { size } = await file.stat()
    if (size === 0) return false
    const at = Math.floor(where * size)
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, at)
    byte.writeUInt8(byte.readUInt8(0) ^ (1 << Math.floor(where * 8)))
    await file.write(byte, 0, 1, at)
    return true
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw err
  }
}
