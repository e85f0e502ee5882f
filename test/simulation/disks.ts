// How full each member's disk is, and whether it says so: said at `fullShare`, withdrawn at `roomShare`.

import type { KeepingOptions } from '../../packages/pinning/src/keep/keeping-options.ts'
import type { Machine } from './world.ts'

export interface Disk {
  usedBytes: number
  full: boolean
}

export class Disks {
  readonly #options: KeepingOptions
  readonly #disks: Disk[]

  constructor(machines: readonly Machine[], options: KeepingOptions) {
    this.#options = options
    this.#disks = machines.map(() => ({ usedBytes: 0, full: false }))
  }

  of(machine: Machine): Disk {
    const disk = this.#disks[machine.index]
    if (disk === undefined) throw new Error(`no disk of machine ${machine.index}`)
    return disk
  }

  change(machine: Machine, bytes: number): void {
    const disk = this.of(machine)
    disk.usedBytes += bytes
    const share = disk.usedBytes / machine.member.capacityBytes
    disk.full = share >= this.#options.fullShare || (disk.full && share > this.#options.roomShare)
  }
}
