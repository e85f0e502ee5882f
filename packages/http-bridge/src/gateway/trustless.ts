// Blocks instead of files, for clients that check every hash themselves: one block, or a CAR of those that a file or a
// range of it needs. The same doors, limits and order of work as for files.

import type { ServerResponse } from 'node:http'
import { NotFoundError, parseCid } from '@commonhold/core'
import type { Request } from 'express'
import type { CID } from 'multiformats/cid'
import { ClientGone } from '../client-gone.ts'
import type { NamedBlock } from '../components.ts'
import { ifMatchFails, ifNoneMatchHolds } from '../conditions.ts'
import { type FoundObject, mayBeSeen } from '../lookup.ts'
import type { ObjectReader, Source } from '../pass-through.ts'
import { HttpRefusal } from '../problems.ts'
import { selectRange } from '../ranges.ts'
import { attachment, cacheControlOf, cacheStatusOf } from '../safe-headers.ts'
import { Place, sendBody } from '../send-body.ts'
import { findServed, headerOf, type Serving } from '../serve-object.ts'
import { carBlock, carHead } from './car.ts'
import { type CarFormat, carRange } from './format.ts'

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

/** `application/vnd.ipld.raw`: the root of an object from wherever it is, any other block where it is on this disk. */
export async function serveBlock(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  cidText: string,
  filename: string | undefined
): Promise<void> {
  const cid = parseCid(cidText)
  using gone = new ClientGone(res)
  const { bytes, visibility, source } = await blockOf(serving, req, cid, gone)
  const etag = `"${cidText}.raw"`
  if (refusedByCondition(req, res, etag, visibility)) return
  const selection = selectRange(req.headers.range, headerOf(req, 'if-range'), etag, bytes.length)
  if (selection.kind === 'unsatisfiable') {
    throw new HttpRefusal(416, 'Range not satisfiable', `The block has ${bytes.length} bytes.`, {
      'Content-Range': `bytes */${bytes.length}`
    })
  }
  const isPart = selection.kind === 'part' && req.method !== 'HEAD'
  const range = isPart ? selection.range : { from: 0, to: bytes.length }
  const headers = [
    ...common,
    ...addressed(cidText),
    'Content-Type',
    'application/vnd.ipld.raw',
    'Content-Length',
    String(range.to - range.from),
    'Accept-Ranges',
    'bytes',
    'Content-Disposition',
    attachment(filename, `${cidText}.bin`),
    'ETag',
    etag,
    'Cache-Control',
    cacheControlOf(visibility),
    'Cache-Status',
    cacheStatusOf(source)
  ]
  if (isPart) headers.push('Content-Range', `bytes ${range.from}-${range.to - 1}/${bytes.length}`)
  res.writeHead(isPart ? 206 : 200, headers)
  if (req.method === 'HEAD') res.end()
  else res.end(bytes.subarray(range.from, range.to))
}

/** `application/vnd.ipld.car`. Its length is not known beforehand: a CAR that is whole ends its last chunk. */
export async function serveCar(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  cidText: string,
  format: CarFormat,
  filename: string | undefined
): Promise<void> {
  const { components, cards, options } = serving
  const object = await findServed(serving, req, cidText)
  const root = sameBlock(object, parseCid(cidText))
  const { scope, duplicates, entityBytes } = format
  const bytes = entityBytes === undefined ? '' : `${entityBytes.from}:${entityBytes.to ?? '*'}`
  const etag = `W/"${cidText}.car.${scope}.${bytes}.${duplicates ? 'y' : 'n'}"`
  if (refusedByCondition(req, res, etag, object.visibility)) return
  using gone = new ClientGone(res)
  const waitMsMax = options.upstreamWaitMsMax
  const card =
    cards.peek(object.key) ??
    (await gone.wait((until) => cards.look(object.root, object.key, until), waitMsMax))
  const headers = [
    ...common,
    ...addressed(cidText),
    'Content-Type',
    `application/vnd.ipld.car; version=1; order=dfs; dups=${duplicates ? 'y' : 'n'}`,
    'Accept-Ranges',
    'none',
    'Content-Disposition',
    attachment(filename, `${cidText}.car`),
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
  const range = carRange(format, card.size)
  const blocks = components.library.blocks(object.root, range, { signal: gone.signal })
  using place = new Place(serving.outbox, res)
  using reader = new CarReader(root, blocks, duplicates, options.carBlocksMax, card.local ? 'disk' : 'fetch')
  await sendBody(serving, res, object, {
    reader,
    ahead: [],
    bytes: undefined,
    status: 200,
    headers,
    place: place.outbox,
    nextOf: (from) => gone.wait((until) => from.next(until), card.local ? undefined : waitMsMax),
    gone
  })
}

/** A root through the door of objects; a block inside one through that of an object it is part of. */
async function blockOf(
  serving: Serving,
  req: Request,
  cid: CID,
  gone: ClientGone
): Promise<{ bytes: Uint8Array; visibility: 'public' | 'members'; source: Source }> {
  const { components, options } = serving
  const here = await components.library.blockHere(cid)
  for (const owner of here?.owners ?? []) {
    const inScope = owner.wanted || options.bridgeScope === 'any'
    if (here !== undefined && inScope && (await mayBeSeen(req, owner, components))) {
      return { bytes: here.bytes, visibility: owner.visibility, source: 'disk' }
    }
  }
  const object = await findServed(serving, req, cid.toString())
  const root = sameBlock(object, cid)
  const walk = components.library.blocks(root, { from: 0, to: 0 }, { signal: gone.signal })
  const blocks = walk[Symbol.asyncIterator]()
  try {
    const first = await gone.wait(() => blocks.next(), options.upstreamWaitMsMax)
    if (first.done === true) throw new NotFoundError('Nobody has this block.')
    return { bytes: first.value.bytes, visibility: object.visibility, source: 'fetch' }
  } finally {
    // The rest is not wanted; what the source says to that has no reader.
    blocks.return?.().catch(() => {})
  }
}

/** A digest in a raw CID may name a file of many blocks here. As a block nobody has it. */
function sameBlock(object: FoundObject, cid: CID): CID {
  if (object.root.equals(cid.toV1())) return object.root
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

function addressed(cidText: string): string[] {
  return ['X-Ipfs-Path', `/ipfs/${cidText}`, 'X-Ipfs-Roots', cidText]
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
      if (next.done === true) return undefined
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
