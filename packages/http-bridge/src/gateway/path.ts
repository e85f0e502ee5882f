// From /ipfs/<cid>/a/b/c to what is there: block by block through folders, shards of folders and documents, from this
// disk or from other nodes, keeping none. Every step asks the policy, so that a denied folder is no way to what is in it,
// and an allowed one none to what is denied.

import {
  type AbortOptions,
  digestBytes,
  InvalidInputError,
  NotFoundError,
  parseCid,
  sha256Code
} from '@commonhold/core'
import type { Request } from 'express'
import { CID } from 'multiformats/cid'
import { code as rawCode } from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import type { NamedBlock, ResolvedName } from '../components.ts'
import { type FoundObject, mayBeSeen, refuseDeniedObject } from '../lookup.ts'
import { findServed, type Serving } from '../serve-object.ts'
import { insideDocument, type PathNode, pathNodeOf, ShardPlaces } from './nodes.ts'

/** A path as the client wrote it. */
export interface GatewayPath {
  /** Still encoded, from `/ipfs/` on, as it goes into headers and redirects. */
  readonly text: string
  readonly cid: string
  readonly names: readonly string[]
  /** Whether it ends like the path of a folder. */
  readonly isFolder: boolean
}

export interface Resolved {
  readonly object: FoundObject
  /** The root, and what each name led to. */
  readonly roots: readonly CID[]
  /** Every block read on the way, shards of folders included, the last one left out. */
  readonly way: readonly CID[]
}

/** Longer paths cost a block a name; people nest a few dozen. */
const namesMax = 64

/** @throws InvalidInputError */
export function gatewayPathOf(req: Request): GatewayPath {
  const [, , cid = '', ...encoded] = req.path.split('/')
  const names = encoded.filter((name) => name !== '').map(decoded)
  if (names.length > namesMax) throw new InvalidInputError(`A path has at most ${namesMax} names.`)
  return { text: req.path, cid: decoded(cid), names, isFolder: req.path.endsWith('/') && encoded.length > 0 }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (err) {
    throw new InvalidInputError('The path is not percent-encoded UTF-8.', { cause: err })
  }
}

/** The bytes in a name that holds them itself; absent for a name that is a hash. */
export function inlineBlock(text: string): NamedBlock | undefined {
  try {
    const cid = CID.parse(text)
    return cid.multihash.code === identity.code ? { cid, bytes: cid.multihash.digest } : undefined
  } catch {
    // Whoever reads it next says what is wrong with it.
    return undefined
  }
}

/**
 * The object under this CID; a part of an object kept here, when it is no object itself.
 * @throws what `findServed` throws
 */
export async function findEntity(serving: Serving, req: Request, cidText: string): Promise<FoundObject> {
  const { components, options } = serving
  const cid = parseCid(cidText)
  let found: FoundObject | undefined
  let absent: unknown
  try {
    found = await findServed(serving, req, cidText)
    if (found.wanted) return found
  } catch (err) {
    if (!(err instanceof NotFoundError)) throw err
    absent = err
  }
  const here = await components.library.blockHere(cid)
  for (const owner of here?.owners ?? []) {
    const inScope = owner.wanted || options.bridgeScope === 'any'
    if (inScope && (await mayBeSeen(req, owner, components))) return partOf(owner, cid)
  }
  if (found === undefined) throw absent
  return found
}

/** @throws NotFoundError when a name leads nowhere; DeniedError for any step of the way */
export async function resolvePath(
  serving: Serving,
  object: FoundObject,
  names: readonly string[],
  options: AbortOptions
): Promise<Resolved> {
  const roots: CID[] = [object.root]
  const way: CID[] = []
  let at = object
  for (let used = 0; used < names.length; ) {
    const block = await blockOf(serving, at, options)
    way.push(block.cid)
    const step = await stepInto(serving, at, block, names.slice(used), way, options)
    if (step === undefined) {
      throw new NotFoundError(
        `There is no “${names[used] ?? ''}” under ${names.slice(0, used).join('/') || 'this root'}.`
      )
    }
    used += step.used
    roots.push(step.cid)
    at = partOf(object.within ?? object, step.cid)
    await refuseDeniedObject(serving.components, at)
  }
  return { object: at, roots, way }
}

/** The first block of an object or part. */
export async function blockOf(
  serving: Serving,
  { root, within }: Pick<FoundObject, 'root' | 'within'>,
  options: AbortOptions
): Promise<NamedBlock> {
  const inline = root.multihash.code === identity.code
  if (inline) return { cid: root, bytes: root.multihash.digest }
  const asked = { ...options, within: within?.root }
  for await (const block of serving.components.library.blocks(root, { from: 0, to: 0 }, asked)) return block
  throw new NotFoundError(`Nobody has the block ${root}.`)
}

/** A folder's or document's part as an object to be served, under the same doors. */
export function partOf(owner: ResolvedName, cid: CID): FoundObject {
  const isHash = cid.multihash.code === sha256Code && cid.multihash.digest.length === digestBytes
  if (!isHash && cid.multihash.code !== identity.code) {
    throw new NotFoundError(`${cid} does not use sha2-256, the one hash of this network.`)
  }
  const { wanted, visibility } = owner
  const digest = isHash && cid.code === rawCode ? { digest: cid.multihash.digest } : {}
  const part = {
    root: cid,
    ...digest,
    wanted,
    visibility,
    name: { kind: 'cid', cid } as const,
    key: cid.toString()
  }
  return cid.equals(owner.root) ? part : { ...part, within: owner }
}

interface Step {
  readonly cid: CID
  readonly used: number
}

async function stepInto(
  serving: Serving,
  at: FoundObject,
  block: NamedBlock,
  names: readonly string[],
  way: CID[],
  options: AbortOptions
): Promise<Step | undefined> {
  const [name = ''] = names
  const node = pathNodeOf(block)
  switch (node.kind) {
    case 'folder': {
      const link = node.links.find((each) => each.Name === name)
      return link === undefined ? undefined : { cid: link.Hash, used: 1 }
    }
    case 'shard':
      return await entryOf(serving, at, node, name, way, options)
    case 'document': {
      const found = insideDocument(node.value, names)
      // Names that end inside the document name no block; there is nothing to serve by itself.
      return found?.link === undefined ? undefined : { cid: found.link, used: found.used }
    }
    case 'file':
    case 'symlink':
      return undefined
  }
}

async function entryOf(
  serving: Serving,
  at: FoundObject,
  root: PathNode & { kind: 'shard' },
  name: string,
  way: CID[],
  options: AbortOptions
): Promise<Step | undefined> {
  const places = await ShardPlaces.of(name)
  for (let node: PathNode = root; node.kind === 'shard'; ) {
    const prefix = places.next(node.fanout)
    if (prefix === undefined) return undefined
    const entry = node.links.find((link) => link.Name === `${prefix}${name}`)
    if (entry !== undefined) return { cid: entry.Hash, used: 1 }
    const further = node.links.find((link) => link.Name === prefix)
    if (further === undefined) return undefined
    const block = await blockOf(serving, partOf(at.within ?? at, further.Hash), options)
    way.push(block.cid)
    node = pathNodeOf(block)
  }
  return undefined
}
