// GET and HEAD of an object under any of its names: conditions, range, type, headers, then the bytes. Nothing is
// sent before the first verified chunk is in hand, so that every failure until then has a status of its own;
// after it, a failure cuts the connection, so that no half picture looks whole.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { NotFoundError, toHex } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Card, Cards } from './cards.ts'
import { ClientGone } from './client-gone.ts'
import type { BridgeComponents, ByteRange } from './components.ts'
import { ifMatchFails, ifNoneMatchHolds } from './conditions.ts'
import { type FoundObject, findObject } from './lookup.ts'
import type { BridgeOptions } from './options.ts'
import type { Outbox } from './outbox.ts'
import { Parts, PartsReader } from './parts.ts'
import type { ObjectReader, PassThrough } from './pass-through.ts'
import { HttpRefusal } from './problems.ts'
import { selectRange } from './ranges.ts'
import type { RateLimits } from './rate-limits.ts'
import { cacheControlOf, dispositionOf, fixedObjectHeaders } from './safe-headers.ts'
import { type NextOf, Place, sendBody } from './send-body.ts'
import { type MediaType, sniff, sniffBytes } from './sniff.ts'

export interface Serving {
  readonly components: BridgeComponents
  readonly options: BridgeOptions
  readonly cards: Cards
  readonly passThrough: PassThrough
  readonly rates: RateLimits
  readonly outbox: Outbox
}

export interface Wishes {
  /** File name asked for in the query, untrusted. */
  readonly filename?: string
  /** Save instead of show. */
  readonly download: boolean
  /** Whether another Accept would get another answer at this address. */
  readonly varies?: boolean
  /** What is said about the address itself, in the flat form of `writeHead`. */
  readonly addressed?: readonly string[]
  /** Instead of the file's own, where the address is that of the folder it stands for. */
  readonly etag?: string
}

export async function serveObject(
  serving: Serving,
  req: IncomingMessage,
  res: ServerResponse,
  nameText: string,
  wishes: Wishes
): Promise<void> {
  await serveFound(serving, req, res, await findServed(serving, req, nameText), wishes)
}

/** @throws NotAFileError before anything is sent */
export async function serveFound(
  serving: Serving,
  req: IncomingMessage,
  res: ServerResponse,
  object: FoundObject,
  wishes: Wishes
): Promise<void> {
  const { cards, options } = serving
  const within = object.within?.root
  const etag = wishes.etag ?? `"${object.key}"`
  if (ifMatchFails(req.headers['if-match'], etag)) {
    throw new HttpRefusal(412, 'Another version was expected', 'The object is not the one If-Match names.')
  }
  // Before any look at size or bytes: a name that never changes meaning needs no disk to be confirmed.
  if (ifNoneMatchHolds(req.headers['if-none-match'], etag)) {
    sendNotModified(res, object, etag, wishes)
    return
  }

  using gone = new ClientGone(res)
  const waitMsMax = options.upstreamWaitMsMax
  const card =
    cards.peek(object.key) ??
    (await gone.wait((until) => cards.look(object.root, object.key, { ...until, within }), waitMsMax))
  const isHead = req.method === 'HEAD'
  const selection = isHead
    ? ({ kind: 'whole' } as const) // §14.2: a range is defined for GET alone
    : selectRange(req.headers.range, headerOf(req, 'if-range'), etag, card.size)
  if (selection.kind === 'unsatisfiable') {
    throw new HttpRefusal(416, 'Range not satisfiable', `The object has ${card.size} bytes.`, {
      'Content-Range': `bytes */${card.size}`
    })
  }
  const range = selection.kind === 'part' ? selection.range : { from: 0, to: card.size }

  const open = (of: ByteRange): ObjectReader => readerOf(serving, object, card, of, gone.signal)
  // A slow disk is waited for: nobody else could answer faster.
  const nextOf = (from: ObjectReader): Promise<Uint8Array | undefined> =>
    gone.wait((until) => from.next(until), card.local ? undefined : waitMsMax)
  const isEmpty = range.to === range.from
  using place = new Place(serving.outbox, res)
  if (selection.kind === 'parts') {
    card.type ??= await sniff(await headOf(open, card.size, nextOf))
    const parts = new Parts(selection.ranges, card.size, card.type.contentType)
    const type = { ...card.type, contentType: parts.contentType }
    using partsReader = new PartsReader(parts, open)
    await sendBody(serving, res, object, {
      reader: partsReader,
      ahead: [],
      bytes: parts.bytes,
      status: 206,
      headers: headersOf(object, etag, type, { from: 0, to: parts.bytes }, wishes),
      place: place.outbox,
      nextOf,
      gone
    })
    return
  }
  using reader = open(range)
  const ahead: Uint8Array[] = []
  if (card.type === undefined) {
    if (range.from === 0 && !isHead) {
      // What tells the type is the beginning of what is sent: read once, even where nothing is cached.
      ahead.push(...(await firstOf(reader, Math.min(range.to, sniffBytes), nextOf)))
    }
    const known = ahead.length > 0 && range.to >= Math.min(card.size, sniffBytes)
    card.type = await sniff(known ? joined(ahead) : await headOf(open, card.size, nextOf))
  }
  const headers = headersOf(object, etag, card.type, range, wishes)
  if (selection.kind === 'part')
    headers.push('Content-Range', `bytes ${range.from}-${range.to - 1}/${card.size}`)
  const status = selection.kind === 'part' ? 206 : 200
  if (isHead || isEmpty) {
    res.writeHead(status, headers)
    res.end()
    return
  }
  await sendBody(serving, res, object, {
    reader,
    ahead,
    bytes: range.to - range.from,
    status,
    headers,
    place: place.outbox,
    nextOf,
    gone
  })
}

/**
 * The object of this name, if this node may serve it to this client.
 * @throws what `findObject` throws; NotFoundError outside of the bridge's scope; HttpRefusal 429 when too many ask
 */
export async function findServed(
  serving: Serving,
  req: IncomingMessage,
  nameText: string
): Promise<FoundObject> {
  const { components, options, passThrough, rates } = serving
  const object = await findObject(req, nameText, components, (key) => passThrough.cache.forget(key))
  if (!object.wanted && options.bridgeScope === 'pool') {
    throw new NotFoundError('No pool this node is in wants this object, and it serves no others.')
  }
  rates.object(req, object.key)
  return object
}

export function readerOf(
  { components, passThrough }: Serving,
  object: Pick<FoundObject, 'root' | 'within'>,
  card: Card,
  range: ByteRange,
  signal: AbortSignal
): ObjectReader {
  const { root } = object
  const within = object.within?.root
  return card.local
    ? new LocalReader(components.library.read(root, range, { within, signal }))
    : passThrough.open(root, card.size, range, within)
}

/** What the object is, by its first bytes. */
export async function typeOf(
  serving: Serving,
  root: CID,
  card: Card,
  options: { readonly signal: AbortSignal }
): Promise<MediaType> {
  const open = (range: ByteRange): ObjectReader => readerOf(serving, { root }, card, range, options.signal)
  return await sniff(await headOf(open, card.size, (reader) => reader.next(options)))
}

function headersOf(
  object: FoundObject,
  etag: string,
  type: MediaType,
  range: ByteRange,
  wishes: Wishes
): string[] {
  const headers = [
    ...fixedObjectHeaders,
    'Content-Type',
    type.contentType,
    'Content-Length',
    String(range.to - range.from),
    'ETag',
    etag,
    'Cache-Control',
    cacheControlOf(object.visibility)
  ]
  if (wishes.varies === true) headers.push('Vary', 'Accept')
  if (wishes.addressed !== undefined) headers.push(...wishes.addressed)
  if (!type.inline || wishes.filename !== undefined || wishes.download) {
    const stem = object.name.kind === 'cid' ? object.key : toHex(object.name.digest)
    const fallback = `${stem}.${object.name.extension ?? type.extension}`
    const disposition = dispositionOf(type, wishes.filename, wishes.download, fallback)
    if (disposition !== undefined) headers.push('Content-Disposition', disposition)
  }
  return headers
}

/** RFC 9110 §15.4.5: what a 200 would have said about caching, and no representation headers. */
function sendNotModified(res: ServerResponse, object: FoundObject, etag: string, wishes: Wishes): void {
  res.writeHead(304, [
    ...fixedObjectHeaders,
    ...(wishes.addressed ?? []),
    'ETag',
    etag,
    'Cache-Control',
    cacheControlOf(object.visibility)
  ])
  res.end()
}

/** The first bytes of the object, for a response that does not send them. */
async function headOf(
  open: (range: ByteRange) => ObjectReader,
  size: number,
  nextOf: NextOf
): Promise<Uint8Array> {
  const to = Math.min(size, sniffBytes)
  using reader = open({ from: 0, to })
  return joined(await firstOf(reader, to, nextOf))
}

async function firstOf(reader: ObjectReader, length: number, nextOf: NextOf): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  for (let have = 0; have < length; ) {
    const bytes = reader.atHand() ?? (await nextOf(reader))
    if (bytes === undefined) break
    parts.push(bytes)
    have += bytes.length
  }
  return parts
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
}

/** Bytes on this node's disk need neither flight nor cache: the disk and the page cache are both nearer. */
class LocalReader implements ObjectReader {
  readonly source = 'disk'
  readonly #chunks: AsyncIterator<{ bytes: Uint8Array }>

  constructor(chunks: AsyncIterable<{ bytes: Uint8Array }>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** The disk is asked for each chunk. */
  atHand(): undefined {
    return undefined
  }

  async next(): Promise<Uint8Array | undefined> {
    const next = await this.#chunks.next()
    return next.done === true ? undefined : next.value.bytes
  }

  [Symbol.dispose](): void {
    // The source cleans up; there is nobody left to be told how that went.
    this.#chunks.return?.().catch(() => {})
  }
}

/** The first value of a header that should have one. */
export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name]
  return Array.isArray(value) ? value[0] : value
}
