// A disk that loses power. Works on a real folder, remembers what of it was fsynced, and on `crash` turns
// the folder into something a real disk could have left: contents of files as of their last fsync,
// entries of folders as of theirs, or, as POSIX allows, more than that in any combination.
// `ignore` makes an fsync do nothing, so that a test can show that it notices.

import { Buffer } from 'node:buffer'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { Random } from '@commonhold/core'
import { type FileSystem, nodeFileSystem, type OpenFile } from '../src/file-system.ts'

interface FileNode {
  readonly kind: 'file'
  now: Buffer
  durable: Buffer
}

interface FolderNode {
  readonly kind: 'folder'
  readonly now: Map<string, DiskNode>
  durable: Map<string, DiskNode>
}

type DiskNode = FileNode | FolderNode

/**
 * What survives. `synced`: only what was fsynced. `entries`: all names, but of file contents only what
 * was fsynced, the rest reading as zeros. `random`: any mixture of old and new.
 */
export type CrashMode = 'synced' | 'entries' | 'random'

export interface Sync {
  /** Which process of the disk's life did it, from 1. */
  readonly process: number
  readonly kind: 'file' | 'folder'
  readonly path: string
  /** Whether this process has synced the same path before. */
  readonly again: boolean
}

export class PowerLoss extends Error {}

export class CrashDisk {
  readonly path: string
  readonly syncs: Sync[] = []
  readonly #root: FolderNode = { kind: 'folder', now: new Map(), durable: new Map() }
  readonly #ignore: (sync: Sync) => boolean
  #process = 0
  #callsLeft = Number.POSITIVE_INFINITY

  /** @param path an empty folder, itself durable. */
  constructor(path: string, ignore: (sync: Sync) => boolean = () => false) {
    this.path = path
    this.#ignore = ignore
  }

  /** A new process. It ends at its `callsMax`-th call: that one and all later ones throw and do nothing. */
  start(callsMax: number = Number.POSITIVE_INFINITY): FileSystem {
    this.#process++
    this.#callsLeft = callsMax
    return this.#fileSystem(this.#process)
  }

  /** Whether the process was ended by `callsMax`. */
  get ended(): boolean {
    return this.#callsLeft < 0
  }

  /** Turns the real folder into what a power loss could have left. */
  async crash(mode: CrashMode, random: Random): Promise<void> {
    this.#callsLeft = -1
    for (const name of await readdir(this.path)) await rm(join(this.path, name), { recursive: true })
    await this.#write(this.path, this.#root, mode, random)
  }

  async #write(path: string, folder: FolderNode, mode: CrashMode, random: Random): Promise<void> {
    for (const [name, node] of survivors(folder, mode, random)) {
      const at = join(path, name)
      if (node.kind === 'file') await writeFile(at, contentAfter(node, mode, random))
      else {
        await mkdir(at)
        await this.#write(at, node, mode, random)
      }
    }
  }

  #fileSystem(process: number): FileSystem {
    const synced = new Set<string>()
    const call = (): void => {
      if (process !== this.#process || --this.#callsLeft < 0) throw new PowerLoss('this process has ended')
    }
    const sync = (kind: Sync['kind'], path: string, make: () => void): void => {
      const done: Sync = { process, kind, path: relative(this.path, path), again: synced.has(path) }
      synced.add(path)
      this.syncs.push(done)
      if (!this.#ignore(done)) make()
    }
    const parentOf = (path: string): FolderNode => this.#folder(dirname(path))
    return {
      open: async (path, mode) => {
        call()
        const file = await nodeFileSystem.open(path, mode)
        if (mode === 'create') {
          parentOf(path).now.set(basename(path), {
            kind: 'file',
            now: Buffer.alloc(0),
            durable: Buffer.alloc(0)
          })
        }
        const node = parentOf(path).now.get(basename(path))
        if (node?.kind !== 'file') throw new Error(`${path} is unknown to the disk`)
        return openFile(file, node, call, (make) => sync('file', path, make))
      },
      read: async (path) => {
        call()
        return nodeFileSystem.read(path)
      },
      rename: async (from, to) => {
        call()
        await nodeFileSystem.rename(from, to)
        const node = parentOf(from).now.get(basename(from))
        if (node === undefined) throw new Error(`${from} is unknown to the disk`)
        parentOf(from).now.delete(basename(from))
        parentOf(to).now.set(basename(to), node)
      },
      remove: async (path) => {
        call()
        await nodeFileSystem.remove(path)
        parentOf(path).now.delete(basename(path))
      },
      makeFolder: async (path) => {
        call()
        const made = await nodeFileSystem.makeFolder(path)
        if (made)
          parentOf(path).now.set(basename(path), { kind: 'folder', now: new Map(), durable: new Map() })
        return made
      },
      names: async (folder) => {
        call()
        return nodeFileSystem.names(folder)
      },
      stat: async (path) => {
        call()
        return nodeFileSystem.stat(path)
      },
      syncFolder: async (path) => {
        call()
        // Folders above the disk are not its matter.
        if (relative(this.path, path).startsWith('..')) return
        const folder = this.#folder(path)
        sync('folder', path, () => {
          folder.durable = new Map(folder.now)
        })
      },
      disk: async (path) => nodeFileSystem.disk(path)
    }
  }

  #folder(path: string): FolderNode {
    let folder = this.#root
    const steps = relative(this.path, path)
    for (const name of steps === '' ? [] : steps.split('/')) {
      const next = folder.now.get(name)
      if (next?.kind !== 'folder') throw new Error(`${path} is unknown to the disk`)
      folder = next
    }
    return folder
  }
}

function openFile(
  file: OpenFile,
  node: FileNode,
  call: () => void,
  sync: (make: () => void) => void
): OpenFile {
  return {
    read: async (into, position) => {
      call()
      return file.read(into, position)
    },
    write: async (bytes, position) => {
      call()
      await file.write(bytes, position)
      const now = Buffer.alloc(Math.max(node.now.length, position + bytes.length))
      node.now.copy(now)
      now.set(bytes, position)
      node.now = now
    },
    truncate: async (bytes) => {
      call()
      await file.truncate(bytes)
      const now = Buffer.alloc(bytes)
      node.now.copy(now)
      node.now = now
    },
    sync: async () => {
      call()
      sync(() => {
        node.durable = node.now
      })
    },
    size: async () => {
      call()
      return file.size()
    },
    // Also for a process that has ended: the kernel closes its files.
    close: () => file.close()
  }
}

function survivors(folder: FolderNode, mode: CrashMode, random: Random): Map<string, DiskNode> {
  if (mode === 'synced') return folder.durable
  if (mode === 'entries') return folder.now
  const left = new Map<string, DiskNode>()
  for (const name of new Set([...folder.durable.keys(), ...folder.now.keys()])) {
    const node = (random.unit() < 0.5 ? folder.durable : folder.now).get(name)
    if (node !== undefined) left.set(name, node)
  }
  return left
}

function contentAfter(node: FileNode, mode: CrashMode, random: Random): Buffer {
  if (mode === 'synced' || node.now === node.durable) return node.durable
  // The new length may be durable before the bytes are: what was not fsynced then reads as zeros.
  const zeros = Buffer.alloc(node.now.length)
  node.durable.copy(zeros)
  if (mode === 'entries') return zeros
  const kind = Math.floor(random.unit() * 4)
  if (kind === 0) return node.durable
  if (kind === 1) return node.now
  // What was fsynced and not overwritten stays, however short the new length gets.
  const kept = Math.min(node.durable.length, node.now.length)
  const split = kept + Math.floor(random.unit() * (node.now.length - kept + 1))
  return kind === 2
    ? node.now.subarray(0, split)
    : Buffer.concat([node.now.subarray(0, split), zeros.subarray(split)])
}
