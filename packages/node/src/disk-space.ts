// How much this node still takes: the smaller of what its operator grants and what the disk has, less
// what is promised to attempts under way. Asked before a byte is written, so that a refusal costs nothing.

import { NoSpaceError } from '@commonhold/core'
import type { BlockStore } from './block-store.ts'
import type { FileSystem } from './file-system.ts'
import { defaults } from './options.ts'

export interface DiskSpaceInit {
  readonly blocks: BlockStore
  readonly fileSystem: FileSystem
  /** A path on the disk that holds the blocks. */
  readonly path: string
  /** Block bytes the operator grants; absent: whatever the disk has. */
  readonly capacityBytes?: number
}

export interface SpaceReport {
  /** Block bytes stored. */
  readonly usedBytes: number
  /** Block bytes still accepted. */
  readonly freeBytes: number
  readonly capacityBytes: number
}

export class DiskSpace {
  readonly #init: DiskSpaceInit
  #reservedBytes = 0
  #disk = { freeBytes: 0, totalBytes: 0 }
  /** Block bytes there were at the last look at the disk: what came since is not in its free bytes. */
  #usedAtLook = Number.NEGATIVE_INFINITY

  constructor(init: DiskSpaceInit) {
    this.#init = init
  }

  async report(): Promise<SpaceReport> {
    return this.#reportAt(await this.#look())
  }

  /**
   * Sets bytes aside. What was stored meanwhile counts as used by itself, so give back what was set
   * aside for it.
   * @throws NoSpaceError
   */
  async reserve(bytes: number): Promise<void> {
    const { bytes: usedBytes } = await this.#init.blocks.usage()
    const recent = usedBytes - this.#usedAtLook <= defaults.diskCheckBytes
    if (recent && this.#reportAt(usedBytes).freeBytes >= bytes) {
      this.#reservedBytes += bytes
      return
    }
    // No await from the report to the sum, so that two callers cannot both have the last bytes.
    const { freeBytes } = this.#reportAt(await this.#look())
    if (bytes > freeBytes) {
      throw new NoSpaceError(
        `${bytes} bytes do not fit: this node takes ${freeBytes} more. Raise its capacity, or free space on the disk.`
      )
    }
    this.#reservedBytes += bytes
  }

  giveBack(bytes: number): void {
    this.#reservedBytes -= bytes
  }

  #reportAt(usedBytes: number): SpaceReport {
    const onDisk = this.#disk.freeBytes - (usedBytes - this.#usedAtLook) - defaults.diskReserveBytes
    const capacityBytes = Math.min(
      this.#init.capacityBytes ?? Number.POSITIVE_INFINITY,
      this.#disk.totalBytes
    )
    const freeBytes = Math.max(0, Math.min(onDisk, capacityBytes - usedBytes) - this.#reservedBytes)
    return { usedBytes, freeBytes, capacityBytes }
  }

  async #look(): Promise<number> {
    const { bytes } = await this.#init.blocks.usage()
    this.#disk = await this.#init.fileSystem.disk(this.#init.path)
    this.#usedAtLook = bytes
    return bytes
  }
}
