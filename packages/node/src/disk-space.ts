// How much this node still takes: the smaller of what its operator grants and what the disk has, less
// what is promised to attempts under way. Asked before a byte is written, so that a refusal costs nothing.
// Uploads have the stage beyond what copies for the pool may fill, so that a node full of others' copies,
// or one that keeps none, still takes its own uploads until keepers have them.

import { NoSpaceError } from '@commonhold/core'
import type { BlockStore } from './block-store.ts'
import type { FileSystem } from './file-system.ts'
import { defaults } from './options.ts'

export interface DiskSpaceInit {
  readonly blocks: BlockStore
  readonly fileSystem: FileSystem
  /** A path on the disk that holds the blocks. */
  readonly path: string
  /** Block bytes the operator grants to copies for the pool; absent: whatever the disk has. */
  readonly capacityBytes?: number
  /** Block bytes beyond these for uploads on their way to keepers. @default 0 */
  readonly stageBytes?: number
}

/** What comes in: a copy kept for the pool, or an upload, which may also fill the stage. */
export type Purpose = 'repair' | 'upload'

export interface SpaceReport {
  /** Block bytes stored. */
  readonly usedBytes: number
  /** Block bytes still accepted as copies for the pool. */
  readonly freeBytes: number
  /** Block bytes of copies for the pool, at most: what is granted, or less where the disk has less. */
  readonly capacityBytes: number
  /** Set aside for attempts under way. */
  readonly reservedBytes: number
  /** The same for uploads, which have the stage on top. */
  readonly uploads: { readonly freeBytes: number; readonly capacityBytes: number }
}

export class DiskSpace {
  readonly #init: DiskSpaceInit
  #reservedBytes = 0
  #diskFreeBytes = 0
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
  async reserve(bytes: number, purpose: Purpose): Promise<void> {
    const { bytes: usedBytes } = await this.#init.blocks.usage()
    const recent = usedBytes - this.#usedAtLook <= defaults.diskCheckBytes
    if (recent && this.#freeFor(purpose, usedBytes) >= bytes) {
      this.#reservedBytes += bytes
      return
    }
    // No await from the report to the sum, so that two callers cannot both have the last bytes.
    const freeBytes = this.#freeFor(purpose, await this.#look())
    if (bytes > freeBytes) {
      const who = purpose === 'upload' ? 'this node takes' : 'this node keeps'
      const setting = purpose === 'upload' ? 'node.stage or node.keep' : 'node.keep'
      throw new NoSpaceError(
        `${bytes} bytes do not fit: ${who} ${freeBytes} more now. See what fills it with: commonhold status. ` +
          `Raise ${setting}, or free space on the disk.`
      )
    }
    this.#reservedBytes += bytes
  }

  giveBack(bytes: number): void {
    this.#reservedBytes -= bytes
  }

  #reportAt(usedBytes: number): SpaceReport {
    return {
      usedBytes,
      freeBytes: this.#freeFor('repair', usedBytes),
      capacityBytes: this.#capacityFor('repair', usedBytes),
      reservedBytes: this.#reservedBytes,
      uploads: {
        freeBytes: this.#freeFor('upload', usedBytes),
        capacityBytes: this.#capacityFor('upload', usedBytes)
      }
    }
  }

  #freeFor(purpose: Purpose, usedBytes: number): number {
    return Math.max(0, this.#capacityFor(purpose, usedBytes) - usedBytes - this.#reservedBytes)
  }

  /** A grant that the disk has no room for is none: other programs fill disks as well. */
  #capacityFor(purpose: Purpose, usedBytes: number): number {
    const granted = this.#init.capacityBytes ?? Number.POSITIVE_INFINITY
    const stage = purpose === 'upload' ? (this.#init.stageBytes ?? 0) : 0
    const onDisk = this.#diskFreeBytes - (usedBytes - this.#usedAtLook) - defaults.diskReserveBytes
    return Math.max(0, Math.min(granted + stage, usedBytes + onDisk))
  }

  /** What is stored is read last: between it and the sum nothing may be stored whose reservation is gone. */
  async #look(): Promise<number> {
    this.#diskFreeBytes = (await this.#init.fileSystem.disk(this.#init.path)).freeBytes
    const { bytes } = await this.#init.blocks.usage()
    this.#usedAtLook = bytes
    return bytes
  }
}
