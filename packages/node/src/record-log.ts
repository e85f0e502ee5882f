// Append-only logs of records on disk: the durable truth about journals and roster. What `append`
// resolved for is there after a power loss, in order; what it did not is there as a whole batch or not
// at all. Damage elsewhere than in the last, unfinished frame is an error, never a silent truncation.
// Never looks into a record. Normative format: docs/protocol/record-log.md.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { ConflictError, InvalidInputError, MalformedRecordError, TooLargeError } from '@commonhold/core'
import { type FileSystem, hasCode, type OpenFile, storageError } from './file-system.ts'
import { FolderSync } from './folder-sync.ts'
import { decodeHeader, encodeFrame, encodeHeader, framedBytes, headerBytes, readFrame } from './log-frame.ts'
import { defaults } from './options.ts'

const extension = '.log'
const nameForm = /^[A-Za-z0-9_-]{1,128}$/

/** The logs of one folder; satisfies the `RecordLogs` port of the pinning package. */
export class FileRecordLogs {
  readonly #folder: string
  readonly #fileSystem: FileSystem
  readonly #folders: FolderSync
  readonly #open = new Set<string>()

  /** @param folder an existing folder, whose own entry its maker has made durable. */
  constructor(folder: string, fileSystem: FileSystem) {
    this.#folder = folder
    this.#fileSystem = fileSystem
    this.#folders = new FolderSync(fileSystem)
  }

  /**
   * Opens the log, making it when there is none. A torn tail is cut off.
   * @param name 1 to 128 of `A-Z a-z 0-9 _ -`.
   * @throws InvalidInputError, ConflictError while it is open, MalformedRecordError when damaged, NoSpaceError
   */
  async open(name: string): Promise<FileRecordLog> {
    if (!nameForm.test(name))
      throw new InvalidInputError(`“${name.slice(0, 140)}” is no name of a record log.`)
    if (this.#open.has(name)) throw new ConflictError(`The record log ${name} is open already.`)
    this.#open.add(name)
    const release = (): void => {
      this.#open.delete(name)
    }
    try {
      const file = await this.#openFile(join(this.#folder, `${name}${extension}`))
      try {
        const log = await FileRecordLog.open(name, file, release)
        // Also for a log that was there: the process that made it may have died before this.
        await this.#folders.sync(this.#folder)
        return log
      } catch (err) {
        await file.close()
        throw err
      }
    } catch (err) {
      release()
      throw storageError(err, `The record log ${name}`)
    }
  }

  /** Names of all logs there are, sorted. */
  async list(): Promise<readonly string[]> {
    const names = await this.#fileSystem.names(this.#folder)
    return names
      .filter((name) => name.endsWith(extension))
      .map((name) => name.slice(0, -extension.length))
      .filter((name) => nameForm.test(name))
      .sort()
  }

  async #openFile(path: string): Promise<OpenFile> {
    try {
      return await this.#fileSystem.open(path, 'existing')
    } catch (err) {
      if (!hasCode(err, 'ENOENT')) throw err
      return this.#fileSystem.open(path, 'create')
    }
  }
}

interface Waiting {
  readonly records: readonly Uint8Array[]
  readonly bytes: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** One log; satisfies the `RecordLog` port of the pinning package. */
export class FileRecordLog {
  readonly #name: string
  readonly #file: OpenFile
  readonly #salt: Uint8Array
  readonly #release: () => void
  /** Everything before it is durable; nothing after it is shown. */
  #end: number
  #waiting: Waiting[] = []
  #writing = false
  #written: Promise<void> = Promise.resolve()
  #state:
    | { readonly kind: 'open' }
    | { readonly kind: 'closed' }
    | { readonly kind: 'failed'; readonly cause: unknown } = {
    kind: 'open'
  }

  private constructor(name: string, file: OpenFile, salt: Uint8Array, end: number, release: () => void) {
    this.#name = name
    this.#file = file
    this.#salt = salt
    this.#end = end
    this.#release = release
  }

  static async open(name: string, file: OpenFile, release: () => void): Promise<FileRecordLog> {
    const salt = await openHeader(file)
    const size = await file.size()
    let end = headerBytes
    for (;;) {
      const frame = await readFrame(file.read, salt, end, size)
      if (frame === undefined) break
      end = frame.end
    }
    // Not fsynced: a cut undone by a power loss leaves the same torn tail to be cut again.
    if (end < size) await file.truncate(end)
    // What a killed process had written but not fsynced would be shown now and lost by a power loss later.
    // For a new log it is the header, which must be sound before a frame can be called torn.
    await file.sync()
    return new FileRecordLog(name, file, salt, end, release)
  }

  /**
   * Resolves when the records are durable, in this order. Appends made meanwhile share the next fsync.
   * @throws NoSpaceError with nothing of it kept, TooLargeError
   */
  async append(records: readonly Uint8Array[]): Promise<void> {
    this.#assertOpen()
    for (const record of records) {
      if (framedBytes(record) > defaults.logFrameBytesMax) {
        throw new TooLargeError(`A record of the log ${this.#name}`, defaults.logFrameBytesMax)
      }
    }
    if (records.length === 0) return
    const bytes = records.reduce((sum, record) => sum + framedBytes(record), 0)
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ records, bytes, resolve, reject })
      if (!this.#writing) this.#written = this.#write()
    })
  }

  /** Everything durable when asked, oldest first. */
  async *records(): AsyncGenerator<Uint8Array> {
    this.#assertOpen()
    const end = this.#end
    for (let at = headerBytes; at < end; ) {
      const frame = await readFrame(this.#file.read, this.#salt, at, end)
      if (frame === undefined) {
        throw new MalformedRecordError(
          'record log',
          `${this.#name} was damaged at byte ${at} while it was open`
        )
      }
      yield* frame.records
      at = frame.end
    }
  }

  /** Waits for appends under way, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state.kind === 'closed') return
    this.#state = { kind: 'closed' }
    await this.#written
    this.#release()
    await this.#file.close()
  }

  async #write(): Promise<void> {
    this.#writing = true
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup()
      try {
        if (this.#state.kind === 'failed') throw this.#state.cause
        for (const frame of framesOf(group.flatMap((each) => each.records))) await this.#writeFrame(frame)
        for (const each of group) each.resolve()
      } catch (err) {
        const error = storageError(err, `The record log ${this.#name}`)
        for (const each of group) each.reject(error)
      }
    }
    // In the same step that found nothing waiting: whoever comes next starts anew.
    this.#writing = false
  }

  /** As many waiting appends as fit one frame; one that does not fit goes alone, in several. */
  #nextGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const each of this.#waiting) {
      bytes += each.bytes
      if (count > 0 && bytes > defaults.logFrameBytesMax) break
      count++
    }
    return this.#waiting.splice(0, count)
  }

  async #writeFrame(records: readonly Uint8Array[]): Promise<void> {
    const frame = encodeFrame(this.#salt, this.#end, records)
    try {
      await this.#file.write(frame, this.#end)
    } catch (err) {
      await this.#undo(err)
      throw err
    }
    try {
      // Before anyone is told, and before the next frame: at most one frame can ever be torn.
      await this.#file.sync()
    } catch (err) {
      // The kernel may have dropped the pages; whether the frame is there is known after the next open.
      this.#fail(err)
      throw err
    }
    this.#end += frame.length
  }

  /** Takes back a frame that was written in part, so that the next one does not stand behind it. */
  async #undo(cause: unknown): Promise<void> {
    try {
      await this.#file.truncate(this.#end)
    } catch {
      // What led here is what the caller has to know.
      this.#fail(cause)
    }
  }

  #fail(cause: unknown): void {
    this.#state = { kind: 'failed', cause }
  }

  #assertOpen(): void {
    if (this.#state.kind === 'closed') throw new ConflictError(`The record log ${this.#name} is closed.`)
    if (this.#state.kind === 'failed') throw this.#state.cause
  }
}

/** The salt of the log. A file no longer than a header has never held a record, so it is begun anew. */
async function openHeader(file: OpenFile): Promise<Uint8Array> {
  const header = new Uint8Array(headerBytes)
  const read = await file.read(header, 0)
  const salt = decodeHeader(header.subarray(0, read))
  if (salt !== undefined) return salt
  if ((await file.size()) > headerBytes) {
    throw new MalformedRecordError('record log', 'its header is damaged or of a later version')
  }
  const fresh = new Uint8Array(randomBytes(16))
  await file.write(encodeHeader(fresh), 0)
  return fresh
}

function framesOf(records: readonly Uint8Array[]): Uint8Array[][] {
  const frames: Uint8Array[][] = []
  let frame: Uint8Array[] = []
  let bytes = 0
  for (const record of records) {
    if (frame.length > 0 && bytes + framedBytes(record) > defaults.logFrameBytesMax) {
      frames.push(frame)
      frame = []
      bytes = 0
    }
    frame.push(record)
    bytes += framedBytes(record)
  }
  frames.push(frame)
  return frames
}
