// The folder a node lives in: finds it, or makes it, and refuses one that is not ours. A random store
// epoch, written with the folder, stands in two markers and in the index, so that a disk that is not
// mounted or was swapped is noticed before anything is written. One process at a time: a lock the
// kernel releases when its holder dies, however it dies.

import { randomBytes } from 'node:crypto'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ConflictError, fromHex, StoreMismatchError, toHex } from '@commonhold/core'
import { type FileSystem, hasCode, type OpenFile, storageError } from './file-system.ts'

export interface DataFolder extends AsyncDisposable {
  readonly path: string
  /** Random, made with the folder: a swapped or emptied disk has another one. 16 bytes. */
  readonly storeEpoch: Uint8Array
  readonly blocksPath: string
  readonly logsPath: string
  readonly keysPath: string
  readonly indexPath: string
}

const markerName = 'store-epoch'
const markerForm = /^commonhold store 1 ([0-9a-f]{32})\n$/
const indexName = 'index.db'

/**
 * Opens the data folder, making it when there is none.
 * @throws ConflictError when another process has it; StoreMismatchError when it is not the folder it
 * was; NoSpaceError
 */
export async function openDataFolder(path: string, fileSystem: FileSystem): Promise<DataFolder> {
  const root = resolve(path)
  try {
    await makeFolders(root, fileSystem)
    // Looked at before the lock as well, so that a folder of somebody else stays as it was.
    await readStore(root, fileSystem)
    const unlock = await lock(root, fileSystem)
    try {
      const found = await readStore(root, fileSystem)
      const storeEpoch = found.complete ? found.epoch : await makeStore(root, found.epoch, fileSystem)
      // The marker's entry, before anyone is told the epoch: also when a process that died made it.
      await fileSystem.syncFolder(root)
      return {
        path: root,
        storeEpoch,
        blocksPath: join(root, 'blocks'),
        logsPath: join(root, 'logs'),
        keysPath: join(root, 'keys'),
        indexPath: join(root, indexName),
        [Symbol.asyncDispose]: unlock
      }
    } catch (err) {
      await unlock()
      throw err
    }
  } catch (err) {
    throw storageError(err, `The data folder ${root}`)
  }
}

/** Like `mkdir -p`. */
async function makeFolders(path: string, fileSystem: FileSystem): Promise<void> {
  if ((await fileSystem.stat(path))?.kind === 'folder') return
  await makeFolders(dirname(path), fileSystem)
  await fileSystem.makeFolder(path)
}

/** All the way up, because an earlier attempt may have made any of them and died before its fsync. */
async function syncAncestors(path: string, fileSystem: FileSystem): Promise<void> {
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    try {
      await fileSystem.syncFolder(parent)
    } catch (err) {
      // A folder we may not even list is none in which we made anything.
      if (!hasCode(err, 'EACCES') && !hasCode(err, 'EPERM')) throw err
    }
    if (parent === dirname(parent)) return
  }
}

/** An exclusive SQLite lock is a POSIX lock: it ends with the process, so none is ever left behind. */
async function lock(root: string, fileSystem: FileSystem): Promise<() => Promise<void>> {
  const holderPath = join(root, 'lock.pid')
  const database = new DatabaseSync(join(root, 'lock.db'), { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (err) {
    database.close()
    if (!(err instanceof Error && 'errcode' in err && err.errcode === sqliteBusy)) throw err
    const holder = await readText(holderPath, fileSystem)
    throw new ConflictError(
      `The data folder ${root} is in use by process ${holder ?? 'of unknown number'}. ` +
        'Stop that one first, or give this one a folder of its own.',
      { cause: err }
    )
  }
  try {
    // Only for the message above; without fsync, because after a power loss there is no holder.
    await replaceText(holderPath, String(process.pid), fileSystem)
  } catch (err) {
    database.close()
    throw err
  }
  return async () => {
    if (database.isOpen) database.close()
  }
}

const sqliteBusy = 5

interface FoundStore {
  /** Whether both markers are there and agree. Otherwise the folder is empty, or its making was cut short. */
  readonly complete: boolean
  readonly epoch: Uint8Array
}

async function readStore(root: string, fileSystem: FileSystem): Promise<FoundStore> {
  const blocks = join(root, 'blocks')
  const ours = await readMarker(root, fileSystem)
  const blocksMarker = await readMarker(blocks, fileSystem)
  if (ours !== undefined) {
    if (blocksMarker === undefined || toHex(blocksMarker) !== toHex(ours)) {
      throw new StoreMismatchError(
        `The folder ${blocks} does not belong to the data folder ${root}: is its disk mounted, and the right one? ` +
          'Mount it, or to start over with no blocks give the node a new data folder.'
      )
    }
    return { complete: true, epoch: ours }
  }
  const strange = await strangers(root, blocks, fileSystem)
  if (strange.length > 0) {
    throw new StoreMismatchError(
      `${root} is no data folder of Commonhold, or has lost its marker ${markerName}: it holds ${strange.join(', ')}. ` +
        'Give the node an empty folder, or restore the marker with the rest of the backup.'
    )
  }
  return { complete: false, epoch: blocksMarker ?? new Uint8Array(randomBytes(16)) }
}

/**
 * The marker of the blocks first, last the marker of the whole: so a folder without its own marker is
 * either unfinished and empty, or not what it was.
 */
async function makeStore(root: string, epoch: Uint8Array, fileSystem: FileSystem): Promise<Uint8Array> {
  await syncAncestors(root, fileSystem)
  for (const name of ['blocks', 'logs', 'keys']) await fileSystem.makeFolder(join(root, name))
  await writeMarker(join(root, 'blocks'), epoch, fileSystem)
  await fileSystem.syncFolder(join(root, 'blocks'))
  // Before the marker of the whole: a power loss could keep that and lose the folders.
  await fileSystem.syncFolder(root)
  await writeMarker(root, epoch, fileSystem)
  return epoch
}

/** What a folder without a marker must not contain. */
async function strangers(root: string, blocks: string, fileSystem: FileSystem): Promise<string[]> {
  // The config may have been written first, by hand or by whoever sets machines up.
  const unfinished = new Set([
    'blocks',
    'logs',
    'keys',
    'lock.db',
    'lock.db-journal',
    'lock.pid',
    'config.toml'
  ])
  const strange = (await fileSystem.names(root)).filter((name) => !unfinished.has(name) && !isTemporary(name))
  for (const name of ['blocks', 'logs', 'keys']) {
    const folder = join(root, name)
    if ((await fileSystem.stat(folder)) === undefined) continue
    const inside = (await fileSystem.names(folder)).filter(
      (each) => !isTemporary(each) && !(folder === blocks && each === markerName)
    )
    if (inside.length > 0) strange.push(`${name}/${inside[0]}`)
  }
  return strange
}

async function readMarker(folder: string, fileSystem: FileSystem): Promise<Uint8Array | undefined> {
  const path = join(folder, markerName)
  const text = await readText(path, fileSystem)
  if (text === undefined) return undefined
  const hex = markerForm.exec(text)?.[1]
  if (hex === undefined) {
    throw new StoreMismatchError(
      `${path} is damaged or of a later version of Commonhold. Restore it from a backup, or update this program.`
    )
  }
  return fromHex(hex)
}

async function writeMarker(folder: string, epoch: Uint8Array, fileSystem: FileSystem): Promise<void> {
  const temporary = join(folder, temporaryName(markerName))
  const file = await replaceable(temporary, fileSystem)
  try {
    await file.write(new TextEncoder().encode(`commonhold store 1 ${toHex(epoch)}\n`), 0)
    // Before the rename, so that the marker is whole or absent.
    await file.sync()
  } finally {
    await file.close()
  }
  await fileSystem.rename(temporary, join(folder, markerName))
}

async function replaceText(path: string, text: string, fileSystem: FileSystem): Promise<void> {
  const temporary = join(dirname(path), temporaryName('pid'))
  const file = await replaceable(temporary, fileSystem)
  try {
    await file.write(new TextEncoder().encode(text), 0)
  } finally {
    await file.close()
  }
  await fileSystem.rename(temporary, path)
}

/** A fixed temporary name is safe here, because we hold the lock; one left by a crash is replaced. */
async function replaceable(path: string, fileSystem: FileSystem): Promise<OpenFile> {
  try {
    await fileSystem.remove(path)
  } catch (err) {
    if (!hasCode(err, 'ENOENT')) throw err
  }
  return fileSystem.open(path, 'create')
}

const temporaryName = (name: string): string => `tmp-${name}`
const isTemporary = (name: string): boolean => name.startsWith('tmp-')

async function readText(path: string, fileSystem: FileSystem): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await fileSystem.read(path))
  } catch (err) {
    if (hasCode(err, 'ENOENT')) return undefined
    throw err
  }
}
