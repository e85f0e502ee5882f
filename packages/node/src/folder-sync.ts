// Folder fsyncs shared among concurrent writers: the entries of all who ask while one fsync runs become
// durable with the next one. Measured with 20 KiB files: 230 durable puts a second alone, 592 sharing.

import type { FileSystem } from './file-system.ts'

interface Round {
  readonly running: Promise<void>
  next: Promise<void> | undefined
}

export class FolderSync {
  readonly #fileSystem: FileSystem
  readonly #rounds = new Map<string, Round>()

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem
  }

  /** Resolves when every entry made in `folder` before this call is durable. */
  sync(folder: string): Promise<void> {
    const round = this.#rounds.get(folder)
    if (round === undefined) return this.#start(folder)
    // The running fsync may have begun before our entry was made, so only the next one counts. It runs
    // whatever became of the running one, whose failure is reported to those who waited for that one.
    round.next ??= round.running.then(
      () => this.#start(folder),
      () => this.#start(folder)
    )
    return round.next
  }

  #start(folder: string): Promise<void> {
    const running = this.#fileSystem.syncFolder(folder)
    const round: Round = { running, next: undefined }
    this.#rounds.set(folder, round)
    const done = (): void => {
      if (round.next === undefined) this.#rounds.delete(folder)
    }
    running.then(done, done)
    return running
  }
}
