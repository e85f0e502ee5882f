// The keys of this node and of its operator: made silently at the first start, kept in two small files
// that only their owner may read. A key is the identity others know us by, so one that exists is never
// overwritten, and one that cannot be read is never replaced by a new one.
// Normative text: docs/protocol/keys.md.

import { createHash } from 'node:crypto'
import { chmod, stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type AbortOptions,
  ConflictError,
  fromHex,
  InvalidInputError,
  type Log,
  MalformedRecordError,
  type NodeId,
  nodeIdOf,
  type OperatorId,
  operatorIdOf,
  type Random,
  type SigningKey,
  signingKeyFromSeed,
  toHex
} from '@commonhold/core'
import { base58btc } from 'multiformats/bases/base58'
import { type FileSystem, hasCode, nodeFileSystem } from './file-system.ts'

export interface NodeKeys {
  readonly node: NodeKey
  /** Absent on a node that works under a delegation it was given. */
  readonly operator?: OperatorKey
}

export interface NodeKey {
  readonly id: NodeId
  /** 32 bytes; libp2p makes its private key from it. */
  readonly seed: Uint8Array
  readonly signing: SigningKey
}

export interface OperatorKey {
  readonly id: OperatorId
  readonly seed: Uint8Array
  readonly signing: SigningKey
}

export interface KeysInit {
  /** The data folder; the keys are in `keys/` below it. */
  readonly folder: string
  readonly files?: FileSystem
  readonly random: Random
  readonly log: Log
}

type Role = 'node' | 'operator'

const keysFolder = 'keys'
const seedBytes = 32
const fileForm = /^commonhold key 1\n([0-9a-f]{64})\n$/
const keyBytesMax = 256

/**
 * The keys in the data folder; the missing ones are made and durable when this resolves.
 * @throws MalformedRecordError when a key file is there and cannot be understood.
 */
export async function openKeys(init: KeysInit, options?: AbortOptions): Promise<NodeKeys> {
  const node = (await readSeed(init, 'node')) ?? (await writeSeed(init, 'node', init.random.bytes(seedBytes)))
  options?.signal?.throwIfAborted()
  const operator =
    (await readSeed(init, 'operator')) ?? (await writeSeed(init, 'operator', init.random.bytes(seedBytes)))
  return keysOf(node, operator)
}

/** Both keys as one line of text, for another machine or a safe. Whoever has it is this node. */
export function exportKeys({ node, operator }: NodeKeys): string {
  const body = Buffer.concat([
    Uint8Array.of(exportVersion, operator === undefined ? 1 : 2),
    node.seed,
    operator?.seed ?? new Uint8Array(0)
  ])
  return exportPrefix + base58btc.encode(Buffer.concat([body, checksum(body)]))
}

/**
 * Puts exported keys into a data folder that has none; importing the same keys again changes nothing.
 * @throws InvalidInputError when the text was damaged, ConflictError when there are other keys.
 */
export async function importKeys(init: KeysInit, text: string): Promise<NodeKeys> {
  const { node, operator } = parseExport(text)
  const seeds: [Role, Uint8Array | undefined][] = [
    ['node', node],
    ['operator', operator]
  ]
  // Both are looked at before either is written: half an identity is worse than none.
  const missing: [Role, Uint8Array][] = []
  for (const [role, seed] of seeds) {
    if (seed === undefined) continue
    const there = await readSeed(init, role)
    if (there === undefined) missing.push([role, seed])
    else if (!Buffer.from(there).equals(seed)) {
      throw new ConflictError(
        `${init.folder} has another ${role} key already. Use an empty data folder, or move its keys/ away first.`
      )
    }
  }
  for (const [role, seed] of missing) await writeSeed(init, role, seed)
  return keysOf(node, operator)
}

const exportVersion = 1
const exportPrefix = 'commonhold-keys:'
const checksumBytes = 4

function parseExport(text: string): { node: Uint8Array; operator: Uint8Array | undefined } {
  const damaged = 'This is not a text made by “commonhold key export”, or it was damaged on the way.'
  const trimmed = text.trim()
  if (!trimmed.startsWith(exportPrefix) || trimmed.length > keyBytesMax) throw new InvalidInputError(damaged)
  let bytes: Uint8Array
  try {
    bytes = base58btc.decode(trimmed.slice(exportPrefix.length))
  } catch (err) {
    throw new InvalidInputError(damaged, { cause: err })
  }
  const body = bytes.subarray(0, -checksumBytes)
  if (!Buffer.from(checksum(body)).equals(bytes.subarray(-checksumBytes))) throw new InvalidInputError(damaged)
  const [version, count] = body
  if (version !== exportVersion) {
    throw new InvalidInputError(`These keys were exported by version ${version} of the format; this program knows 1.`)
  }
  if ((count !== 1 && count !== 2) || body.length !== 2 + count * seedBytes) throw new InvalidInputError(damaged)
  const seed = (i: number): Uint8Array => body.slice(2 + i * seedBytes, 2 + (i + 1) * seedBytes)
  return { node: seed(0), operator: count === 2 ? seed(1) : undefined }
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(exportPrefix).update(body).digest().subarray(0, checksumBytes)
}

function keysOf(nodeSeed: Uint8Array, operatorSeed: Uint8Array | undefined): NodeKeys {
  const signing = signingKeyFromSeed(nodeSeed)
  const node = { id: nodeIdOf(signing.publicKey), seed: nodeSeed, signing }
  if (operatorSeed === undefined) return { node }
  const operator = signingKeyFromSeed(operatorSeed)
  return { node, operator: { id: operatorIdOf(operator.publicKey), seed: operatorSeed, signing: operator } }
}

async function readSeed(init: KeysInit, role: Role): Promise<Uint8Array | undefined> {
  const files = init.files ?? nodeFileSystem
  const path = join(init.folder, keysFolder, role)
  if ((await files.stat(path)) === undefined) return undefined
  await keepPrivate(path, init.log)
  const bytes = await files.read(path)
  const hex = fileForm.exec(new TextDecoder().decode(bytes.subarray(0, keyBytesMax)))?.[1]
  if (hex === undefined || bytes.length > keyBytesMax) {
    throw new MalformedRecordError('key file', `${path}. Restore it from a backup; a new key would be a new node`)
  }
  return fromHex(hex)
}

async function writeSeed(init: KeysInit, role: Role, seed: Uint8Array): Promise<Uint8Array> {
  const files = init.files ?? nodeFileSystem
  const folder = join(init.folder, keysFolder)
  await files.makeFolder(folder)
  const path = join(folder, role)
  const unfinished = `${path}.${toHex(init.random.bytes(8))}.tmp`
  // Made with mode 0600 by the file system, before the first byte is in it.
  const file = await files.open(unfinished, 'create')
  try {
    await file.write(new TextEncoder().encode(`commonhold key 1\n${toHex(seed)}\n`), 0)
    // Before the rename: a name must never stand for a key that a power cut can empty.
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(unfinished, path)
  // The key's entry, then the folder's own, before anybody is told who we are.
  await files.syncFolder(folder)
  await files.syncFolder(init.folder)
  return seed
}

/** Copied backups and unpacked archives lose the mode; others on the machine must not read the key. */
async function keepPrivate(path: string, log: Log): Promise<void> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) === 0) return
    log.warn('a key file was readable by others and is now private; consider it seen', { path })
    await chmod(path, 0o600)
  } catch (err) {
    // A file system in memory has no such path and no others to keep out.
    if (!hasCode(err, 'ENOENT')) throw err
  }
}
