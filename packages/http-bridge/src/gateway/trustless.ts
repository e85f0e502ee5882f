// Blocks instead of files, for clients that check every hash themselves: one block, or a CAR of those that a file or a
// range of it needs. The same doors, limits and order of work as for files.

import { hash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type AbortOptions, MalformedRecordError, NotFoundError } from '@commonhold/core'
import type { Request } from 'express'
import type { CID } from 'multiformats/cid'
import { identity } from 'multiformats/hashes/identity'
import { ClientGone } from '../client-gone.ts'
import type { NamedBlock, ResolvedName } from '../components.ts'
import { ifMatchFails, ifNoneMatchHolds } from '../conditions.ts'
import type { FoundObject } from '../lookup.ts'
import { Parts } from '../parts.ts'
import type { ObjectReader, Source } from '../pass-through.ts'
import { HttpRefusal } from '../problems.ts'
import { selectRange } from '../ranges.ts'
import { attachment, cacheControlOf, cacheStatusOf } from '../safe-headers.ts'
import { Place, sendBody } from '../send-body.ts'
import { headerOf, type Serving } from '../serve-object.ts'
import { carBlock, carHead } from './car.ts'
import { type CarFormat, carRange } from './format.ts'
import { type PathNode, pathNodeOf, prefixLength } from './nodes.ts'
import { blockOf, type GatewayPath, partOf, type Resolved } from './path.ts'

const common: readonly string[] = [
  'X-Content-Type-Options',
  'nosniff',
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  'Cache-Status, Content-Disposition, Content-Length, Content-Range, ETag, X-Ipfs-Path, X-Ipfs-Roots',
  // The same address is a file to those who do not ask for blocks.
  'Vary',
  'Accept'
]

export interface Asked {
  readonly path: GatewayPath
  readonly resolved: Resolved
  /** What is said about the address, in the flat form of `writeHead`. */
  readonly addressed: readonly string[]
}

/** `application/vnd.ipld.raw`: the block that the path leads to. */
export async function serveBlock(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  { resolved, addressed }: Asked,
  filename: string | undefined
): Promise<void> {
  const { object } = resolved
  const { visibility } = object
  using gone = new ClientGone(res)
  const { bytes } = await gone.wait(
    (until) => blockOf(serving, sameBlock(object), until),
    serving.options.upstreamWaitMsMax
  )
  const etag = `"${object.key}.raw"`
  if (refusedByCondition(req, res, etag, visibility)) return
  const selection = selectRange(req.headers.range, headerOf(req, 'if-range'), etag, bytes.length)
  if (selection.kind === 'unsatisfiable') {
    throw new HttpRefusal(416, 'Range not satisfiable', `The block has ${bytes.length} bytes.`, {
      'Content-Range': `bytes */${bytes.length}`
    })
  }
  const type = 'application/vnd.ipld.raw'
  const isHead = req.method === 'HEAD'
  const isPart = selection.kind === 'part' && !isHead
  const range = isPart ? selection.range : { from: 0, to: bytes.length }
  const parts =
    selection.kind === 'parts' && !isHead ? new Parts(selection.ranges, bytes.length, type) : undefined
  const sent = parts?.of(bytes) ?? bytes.subarray(range.from, range.to)
  const headers = [
    ...common,
    ...addressed,
    'Content-Type',
    parts?.contentType ?? type,
    'Content-Length',
    String(sent.length),
    'Accept-Ranges',
    'bytes',
    'Content-Disposition',
    attachment(filename, `${object.key}.bin`),
    'ETag',
    etag,
    'Cache-Control',
    cacheControlOf(visibility),
    'Cache-Status',
    cacheStatusOf(await sourceOf(serving, object))
  ]
  if (isPart) headers.push('Content-Range', `bytes ${range.from}-${range.to - 1}/${bytes.length}`)
  res.writeHead(isPart || parts !== undefined ? 206 : 200, headers)
  res.end(isHead ? undefined : sent)
}

/** `application/vnd.ipld.car`. Its length is not known beforehand: a CAR that is whole ends its last chunk. */
export async function serveCar(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  { path, resolved, addressed }: Asked,
  format: CarFormat,
  filename: string | undefined
): Promise<void> {
  const { options } = serving
  const { object, way } = resolved
  const { scope, duplicates, entityBytes } = format
  const span = entityBytes === undefined ? '' : `${entityBytes.from}:${entityBytes.to ?? '*'}`
  // Another way there is another CAR.
  const address = hash('sha256', path.names.join('/'), 'base64url').slice(0, 12)
  const etag = `W/"${object.key}.car.${address}.${scope}.${span}.${duplicates ? 'y' : 'n'}"`
  if (refusedByCondition(req, res, etag, object.visibility)) return
  using gone = new ClientGone(res)
  const waitMsMax = options.upstreamWaitMsMax
  const top = await gone.wait((until) => blockOf(serving, sameBlock(object), until), waitMsMax)
  const source = await sourceOf(serving, object)
  const headers = [
    ...common,
    ...addressed,
    'Content-Type',
    `application/vnd.ipld.car; version=1; order=dfs; dups=${duplicates ? 'y' : 'n'}`,
    'Accept-Ranges',
    'none',
    'Content-Disposition',
    attachment(filename, `${object.key}.car`),
    'ETag',
    etag,
    'Cache-Control',
    cacheControlOf(object.visibility)
  ]
  if (req.method === 'HEAD') {
    res.writeHead(200, headers)
    res.end()
    return
  }
  const blocks = carBlocks(serving, object, way, top, format, { signal: gone.signal })
  using place = new Place(serving.outbox, res)
  using reader = new CarReader(object.root, blocks, duplicates, options.carBlocksMax, source)
  await sendBody(serving, res, object, {
    reader,
    ahead: [],
    bytes: undefined,
    status: 200,
    headers,
    place: place.outbox,
    nextOf: (from) => gone.wait((until) => from.next(until), source === 'disk' ? undefined : waitMsMax),
    gone
  })
}

/** The blocks that prove the way, then those of what it leads to. The way is read again: to hold it would cost a block a name. */
async function* carBlocks(
  serving: Serving,
  object: FoundObject,
  way: readonly CID[],
  top: NamedBlock,
  format: CarFormat,
  options: AbortOptions
): AsyncGenerator<NamedBlock> {
  const owner = object.within ?? object
  for (const cid of way) yield await blockOf(serving, partOf(owner, cid), options)
  // A name that holds its bytes is no block.
  if (object.root.multihash.code === identity.code) return
  const node = pathNode(top)
  if (
    format.scope === 'block' ||
    (format.scope === 'entity' && node.kind !== 'file' && node.kind !== 'shard')
  ) {
    yield top
  } else if (format.scope === 'entity' && node.kind === 'shard') {
    yield* shardsOf(serving, owner, top, options)
  } else {
    const range =
      node.kind === 'file' ? carRange(format, node.size) : { from: 0, to: Number.MAX_SAFE_INTEGER }
    const asked = { ...options, within: object.within?.root }
    yield* serving.components.library.blocks(object.root, range, asked)
  }
}

/** A folder's shards, depth first, without what they list. */
async function* shardsOf(
  serving: Serving,
  owner: ResolvedName,
  top: NamedBlock,
  options: AbortOptions
): AsyncGenerator<NamedBlock> {
  const open: (() => Promise<NamedBlock>)[] = [async () => top]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const block = await next()
    yield block
    const node = pathNodeOf(block)
    if (node.kind !== 'shard') continue
    const further = node.links.filter(({ Name = '' }) => Name.length === prefixLength(node.fanout))
    for (const { Hash } of further.reverse()) open.push(() => blockOf(serving, partOf(owner, Hash), options))
  }
}

/** dag-pb of a kind that no path leads through is sent like a document: with all it links to. */
function pathNode(block: NamedBlock): PathNode {
  try {
    return pathNodeOf(block)
  } catch (err) {
    if (err instanceof MalformedRecordError) return { kind: 'document', value: undefined }
    throw err
  }
}

/** What nobody wants is not here by itself, and asking where it is would fetch it. */
async function sourceOf({ cards }: Serving, object: FoundObject): Promise<Source> {
  const { root, wanted } = object.within ?? object
  return wanted && (await cards.look(root, root.toString())).local ? 'disk' : 'fetch'
}

/** A digest in a raw CID may name a file of many blocks here. As a block nobody has it. */
function sameBlock(object: FoundObject): FoundObject {
  if (object.name.kind === 'cid' && object.root.equals(object.name.cid.toV1())) return object
  throw new NotFoundError(
    `This hash is that of a whole file. As blocks it is /ipfs/${object.root.toString()}.`
  )
}

function refusedByCondition(
  req: Request,
  res: ServerResponse,
  etag: string,
  visibility: 'public' | 'members'
): boolean {
  if (ifMatchFails(req.headers['if-match'], etag)) {
    throw new HttpRefusal(412, 'Another version was expected', 'The blocks are not those If-Match names.')
  }
  if (!ifNoneMatchHolds(req.headers['if-none-match'], etag)) return false
  res.writeHead(304, [...common, 'ETag', etag, 'Cache-Control', cacheControlOf(visibility)])
  res.end()
  return true
}

/** The CAR as it is read: its head with the first block, then a frame per block. */
class CarReader implements ObjectReader {
  readonly source: Source
  readonly #blocks: AsyncIterator<NamedBlock>
  readonly #seen: Set<string> | undefined
  readonly #blocksMax: number
  #head: Uint8Array | undefined

  constructor(
    root: CID,
    blocks: AsyncIterable<NamedBlock>,
    duplicates: boolean,
    blocksMax: number,
    source: Source
  ) {
    this.#head = carHead(root)
    this.#blocks = blocks[Symbol.asyncIterator]()
    this.#seen = duplicates ? undefined : new Set()
    this.#blocksMax = blocksMax
    this.source = source
  }

  atHand(): undefined {
    return undefined
  }

  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const next = await this.#blocks.next()
      if (next.done === true) {
        const head = this.#head
        this.#head = undefined
        return head
      }
      if (this.#isRepeated(next.value)) continue
      const frame = carBlock(next.value)
      if (this.#head === undefined) return frame
      const first = Buffer.concat([this.#head, frame])
      this.#head = undefined
      return first
    }
  }

  [Symbol.dispose](): void {
    this.#blocks.return?.().catch(() => {})
  }

  #isRepeated({ cid }: NamedBlock): boolean {
    const seen = this.#seen
    if (seen === undefined) return false
    const key = Buffer.from(cid.multihash.digest).toString('latin1')
    if (seen.has(key)) return true
    // Beyond that a repetition comes again: a CAR with one block too many is right, one that fills the memory is not.
    if (seen.size < this.#blocksMax) seen.add(key)
    return false
  }
}
