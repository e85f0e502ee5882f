// The real disk, failing when told to: with this code, at these steps.

import { type FileSystem, nodeFileSystem, type OpenFile } from '../src/file-system.ts'

export interface DiskCall {
  readonly step: keyof FileSystem | keyof OpenFile
  readonly path: string
}

export class FailingFileSystem implements FileSystem {
  #fails: (call: DiskCall) => boolean = () => false
  #code = 'EIO'

  fail(when: (call: DiskCall) => boolean, code: string): void {
    this.#fails = when
    this.#code = code
  }

  heal(): void {
    this.#fails = () => false
  }

  async open(path: string, mode: 'create' | 'existing'): Promise<OpenFile> {
    this.#meet('open', path)
    const file = await nodeFileSystem.open(path, mode)
    return {
      read: async (into, position) => {
        this.#meet('read', path)
        return file.read(into, position)
      },
      write: async (bytes, position) => {
        try {
          this.#meet('write', path)
        } catch (err) {
          // A full disk takes what fits.
          await file.write(bytes.subarray(0, Math.floor(bytes.length / 2)), position)
          throw err
        }
        await file.write(bytes, position)
      },
      truncate: async (bytes) => {
        this.#meet('truncate', path)
        await file.truncate(bytes)
      },
      sync: async () => {
        this.#meet('sync', path)
        await file.sync()
      },
      size: () => file.size(),
      close: () => file.close()
    }
  }

  async read(path: string): Promise<Uint8Array> {
    this.#meet('read', path)
    return nodeFileSystem.read(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#meet('rename', from)
    await nodeFileSystem.rename(from, to)
  }

  async remove(path: string): Promise<void> {
    this.#meet('remove', path)
    await nodeFileSystem.remove(path)
  }

  async makeFolder(path: string): Promise<boolean> {
    this.#meet('makeFolder', path)
    return nodeFileSystem.makeFolder(path)
  }

  async names(folder: string): Promise<string[]> {
    this.#meet('names', folder)
    return nodeFileSystem.names(folder)
  }

  async stat(path: string): ReturnType<FileSystem['stat']> {
    this.#meet('stat', path)
    return nodeFileSystem.stat(path)
  }

  async syncFolder(path: string): Promise<void> {
    this.#meet('syncFolder', path)
    await nodeFileSystem.syncFolder(path)
  }

  async disk(path: string): ReturnType<FileSystem['disk']> {
    this.#meet('disk', path)
    return nodeFileSystem.disk(path)
  }

  #meet(step: DiskCall['step'], path: string): void {
    if (this.#fails({ step, path })) {
      throw Object.assign(new Error(`${this.#code}: ${step}`), { code: this.#code })
    }
  }
}
