// The keys of this node and of its operator: made silently at the first start, kept in two small files
// that only their owner may read. A key is the identity others know us by, so one that exists is never
// overwritten, and one that cannot be read is never replaced by a new one.
// Normative text: docs/protocol/keys.md.

import { createHash } from 'node:crypto'
import { chmod, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
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
import { type FileSystem, hasCode } from './file-system.ts'

export interface Identity {
  readonly nodeId: NodeId
  /** 32 bytes; libp2p makes its private key from it. */
  readonly nodeSeed: Uint8Array
  readonly node: SigningKey
  readonly operatorId: OperatorId
  readonly operatorSeed: Uint8Array
  readonly operator: SigningKey
}

export interface IdentityOptions {
  readonly random: Random
  readonly log: Log
}

type Role = 'node' | 'operator'

const seedBytes = 32
const fileForm = /^commonhold key 1\n([0-9a-f]{64})\n$/
const keyBytesMax = 256

/**
 * The keys in the folder; the missing ones are made, and durable when this resolves.
 * @throws MalformedRecordError when a key file is there and cannot be understood.
 */
export async function openIdentity(
  folder: string,
  files: FileSystem,
  { random, log }: IdentityOptions
): Promise<Identity> {
  const seedOf = async (role: Role): Promise<Uint8Array> =>
    (await readSeed(folder, files, role, log)) ??
    (await writeSeed(folder, files, role, random.bytes(seedBytes), random))
  return identityOf(await seedOf('node'), await seedOf('operator'))
}

/** The keys in the folder, or absent where there are none yet. @throws MalformedRecordError */
export async function readIdentity(
  folder: string,
  files: FileSystem,
  log: Log
): Promise<Identity | undefined> {
  const [node, operator] = [
    await readSeed(folder, files, 'node', log),
    await readSeed(folder, files, 'operator', log)
  ]
  return node === undefined || operator === undefined ? undefined : identityOf(node, operator)
}

/** Both keys as one line of text, for another machine or a safe. Whoever has it is this node. */
export function exportKeys({ nodeSeed, operatorSeed }: Identity): string {
  const body = Buffer.concat([Uint8Array.of(exportVersion), nodeSeed, operatorSeed])
  return exportPrefix + base58btc.encode(Buffer.concat([body, checksum(body)]))
}

/**
 * Puts exported keys into a folder that has none; importing the same keys again changes nothing.
 * @throws InvalidInputError when the text was damaged, ConflictError when there are other keys.
 */
export async function importKeys(
  folder: string,
  files: FileSystem,
  text: string,
  { random, log }: IdentityOptions
): Promise<Identity> {
  const identity = parseExport(text)
  const seeds: [Role, Uint8Array][] = [
    ['node', identity.nodeSeed],
    ['operator', identity.operatorSeed]
  ]
  // Both are looked at before either is written: half an identity is worse than none.
  const missing: [Role, Uint8Array][] = []
  for (const [role, seed] of seeds) {
    const there = await readSeed(folder, files, role, log)
    if (there === undefined) missing.push([role, seed])
    else if (!Buffer.from(there).equals(seed)) {
      throw new ConflictError(
        `${folder} has another ${role} key already. Use an empty data folder, or move that one away first.`
      )
    }
  }
  for (const [role, seed] of missing) await writeSeed(folder, files, role, seed, random)
  return identity
}

const exportVersion = 1
const exportPrefix = 'commonhold-keys:'
const checksumBytes = 4

function parseExport(text: string): Identity {
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
  if (!Buffer.from(checksum(body)).equals(bytes.subarray(-checksumBytes)))
    throw new InvalidInputError(damaged)
  const [version] = body
  if (version !== exportVersion) {
    throw new InvalidInputError(
      `These keys were exported by version ${version} of the format; this program knows 1.`
    )
  }
  if (body.length !== 1 + 2 * seedBytes) throw new InvalidInputError(damaged)
  return identityOf(body.slice(1, 1 + seedBytes), body.slice(1 + seedBytes))
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash('sha256').update(exportPrefix).update(body).digest().subarray(0, checksumBytes)
}

function identityOf(nodeSeed: Uint8Array, operatorSeed: Uint8Array): Identity {
  const node = signingKeyFromSeed(nodeSeed)
  const operator = signingKeyFromSeed(operatorSeed)
  return {
    nodeId: nodeIdOf(node.publicKey),
    nodeSeed,
    node,
    operatorId: operatorIdOf(operator.publicKey),
    operatorSeed,
    operator
  }
}

async function readSeed(
  folder: string,
  files: FileSystem,
  role: Role,
  log: Log
): Promise<Uint8Array | undefined> {
  const path = join(folder, role)
  if ((await files.stat(path)) === undefined) return undefined
  await keepPrivate(path, log)
  const bytes = await files.read(path)
  const hex = fileForm.exec(new TextDecoder().decode(bytes.subarray(0, keyBytesMax)))?.[1]
  if (hex === undefined || bytes.length > keyBytesMax) {
    throw new MalformedRecordError(
      'key file',
      `${path}. Restore it from a backup; a new key would be a new node`
    )
  }
  return fromHex(hex)
}

async function writeSeed(
  folder: string,
  files: FileSystem,
  role: Role,
  seed: Uint8Array,
  random: Random
): Promise<Uint8Array> {
  await files.makeFolder(folder)
  const path = join(folder, role)
  const unfinished = `${path}.${toHex(random.bytes(8))}.tmp`
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
  await files.syncFolder(dirname(folder))
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
