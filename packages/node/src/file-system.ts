// The disk as a narrow port, so that a test can take away whatever was not fsynced, or answer that the
// disk is full. Everything this package writes itself goes through it; SQLite alone does its own I/O.
// Errors come as the system gives them, with `code`; what they mean is said by `storageError`.

import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { NoSpaceError } from '@commonhold/core'

export interface FileSystem {
  /** Opens for reading and writing. `create`: a new file, which must not exist. */
  open(path: string, mode: 'create' | 'existing'): Promise<OpenFile>
  /** The whole file. */
  read(path: string): Promise<Uint8Array>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** `false` when there was one already. The parent must exist. */
  makeFolder(path: string): Promise<boolean>
  /** Names of everything in a folder. */
  names(folder: string): Promise<string[]>
  stat(path: string): Promise<FileStat | undefined>
  /** Makes the entries of a folder durable: creations, renames and removals in it. */
  syncFolder(path: string): Promise<void>
  /** Bytes on the disk that holds `path`. `free` is what an unprivileged process may use. */
  disk(path: string): Promise<{ readonly freeBytes: number }>
}

export interface OpenFile {
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all of it or throws. */
  write(bytes: Uint8Array, position: number): Promise<void>
  truncate(bytes: number): Promise<void>
  /** Makes content and size durable, not the file's entry in its folder. */
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

export interface FileStat {
  readonly kind: 'file' | 'folder' | 'other'
  readonly bytes: number
  readonly modifiedMs: number
}

export const nodeFileSystem: FileSystem = {
  async open(path, mode) {
    const flags = constants.O_RDWR | (mode === 'create' ? constants.O_CREAT | constants.O_EXCL : 0)
    return openFile(await fs.open(path, flags, 0o600))
  },
  read: (path) => fs.readFile(path),
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.unlink(path),
  async makeFolder(path) {
    try {
      await fs.mkdir(path, { mode: 0o700 })
      return true
    } catch (err) {
      if (hasCode(err, 'EEXIST')) return false
      throw err
    }
  },
  names: (folder) => fs.readdir(folder),
  async stat(path) {
    try {
      const stat = await fs.stat(path)
      const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other'
      return { kind, bytes: stat.size, modifiedMs: stat.mtimeMs }
    } catch (err) {
      if (hasCode(err, 'ENOENT')) return undefined
      throw err
    }
  },
  async syncFolder(path) {
    const handle = await fs.open(path, constants.O_RDONLY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  async disk(path) {
    const disk = await fs.statfs(path)
    return { freeBytes: disk.bavail * disk.bsize }
  }
}

function openFile(handle: fs.FileHandle): OpenFile {
  return {
    read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
    async write(bytes, position) {
      let written = 0
      while (written < bytes.length) {
        const part = await handle.write(bytes, written, bytes.length - written, position + written)
        written += part.bytesWritten
      }
    },
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.datasync(),
    size: async () => (await handle.stat()).size,
    close: () => handle.close()
  }
}

export function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && 'code' in err && err.code === code
}

/** The error to throw on for a failed write: full disks and quotas get their own class. */
export function storageError(err: unknown, what: string): unknown {
  if (!hasCode(err, 'ENOSPC') && !hasCode(err, 'EDQUOT')) return err
  const reason = hasCode(err, 'ENOSPC') ? 'the disk is full' : 'the disk quota is used up'
  return new NoSpaceError(`${what} could not be written: ${reason}.`, { cause: err })
}
