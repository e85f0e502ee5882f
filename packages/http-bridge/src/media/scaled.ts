// GET /media/<name>?width=… : a scaled picture of an object, and /media/<name>/meta: what it shows. The object itself is
// never altered: a variant has an ETag of its own and is only ever cached.

import type { ServerResponse } from 'node:http'
import { toHex } from '@commonhold/core'
import type { Request } from 'express'
import type { Card } from '../cards.ts'
import { ClientGone } from '../client-gone.ts'
import { ifNoneMatchHolds } from '../conditions.ts'
import { type FoundObject, refuseDenied, subjectOf } from '../lookup.ts'
import { HttpRefusal } from '../problems.ts'
import type { Handler } from '../route.ts'
import { cacheControlOf, cacheStatusOf, fixedObjectHeaders } from '../safe-headers.ts'
import { findServed, readerOf, type Serving, typeOf } from '../serve-object.ts'
import { Scaler } from './scaler.ts'
import { canonical, encoder, type Variant, variantOf } from './variant.ts'

/** What the decoder is let near: what browsers draw and is a still or moving picture. Never SVG, never a document. */
const scalable: ReadonlySet<string> = new Set([
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/gif',
  'image/avif'
])

export class ScaledMedia {
  readonly #serving: Serving
  readonly #scaler: Scaler
  /** Under way, by object and part: one picture is never made twice at once. */
  readonly #making = new Map<string, Promise<Uint8Array>>()

  constructor(serving: Serving) {
    this.#serving = serving
    this.#scaler = new Scaler(serving.options)
  }

  async serve(req: Request, res: ServerResponse, nameText: string, query: URLSearchParams): Promise<void> {
    const object = await findServed(this.#serving, req, nameText)
    const variant = variantOf(object.key, query, this.#serving.options)
    const etag = `"${object.key}.${canonical(variant)}.${encoder}"`
    if (ifNoneMatchHolds(req.headers['if-none-match'], etag)) {
      res.writeHead(304, ['ETag', etag, 'Cache-Control', cacheControlOf(object.visibility)])
      res.end()
      return
    }
    const { bytes, source } = await this.#made(res, object, canonical(variant), (input) =>
      this.#scale(variant, input)
    )
    send(req, res, bytes, [
      ...fixedObjectHeaders,
      'Content-Type',
      `image/${variant.format}`,
      'ETag',
      etag,
      'Cache-Control',
      cacheControlOf(object.visibility),
      'Cache-Status',
      cacheStatusOf(source)
    ])
  }

  readonly meta: Handler = async (req, res) => {
    const object = await findServed(this.#serving, req, String(req.params['name'] ?? ''))
    const { bytes } = await this.#made(res, object, 'meta', async (input, card) => {
      const { type } = card
      const about = {
        cid: object.key,
        ...(object.digest === undefined ? {} : { sha256: toHex(object.digest) }),
        size: card.size,
        type: type?.contentType
      }
      if (!isScalable(card)) return Buffer.from(`${JSON.stringify(about)}\n`)
      const { answer } = await this.#scaler.run(
        { do: 'describe', pixelsMax: this.#serving.options.variantPixelsMax },
        input
      )
      if (answer.is !== 'described') throw new Error('a description was asked for')
      const { width, height, frames, blurhash } = answer
      return Buffer.from(`${JSON.stringify({ ...about, width, height, frames, blurhash })}\n`)
    })
    send(req, res, bytes, [
      'Content-Type',
      'application/json',
      'Cache-Control',
      cacheControlOf(object.visibility),
      'Access-Control-Allow-Origin',
      '*',
      'X-Content-Type-Options',
      'nosniff'
    ])
  }

  async #scale(variant: Variant, input: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const { variantPixelsMax: pixelsMax } = this.#serving.options
    return (await this.#scaler.run({ do: 'scale', variant, pixelsMax }, input)).body
  }

  /** From the cache, or made once for all who ask now. A client that goes away ends no work others wait for. */
  async #made(
    res: ServerResponse,
    object: FoundObject,
    part: string,
    make: (input: () => Promise<Uint8Array>, card: Card) => Promise<Uint8Array>
  ): Promise<{ bytes: Uint8Array; source: 'cache' | 'fetch' | 'shared fetch' }> {
    const { components, passThrough } = this.#serving
    const cached = passThrough.cache.get(object.key, part)
    if (cached !== undefined) return { bytes: cached, source: 'cache' }
    const key = `${object.key}/${part}`
    const shared = this.#making.get(key)
    const making =
      shared ??
      this.#make(object, part, make).finally(() => {
        this.#making.delete(key)
      })
    if (shared === undefined) this.#making.set(key, making)
    using gone = new ClientGone(res)
    const bytes = await gone.wait(() => making, undefined)
    // A takedown while it was being made.
    await refuseDenied(components, subjectOf(object), object.key)
    return { bytes, source: shared === undefined ? 'fetch' : 'shared fetch' }
  }

  async #make(
    object: FoundObject,
    part: string,
    make: (input: () => Promise<Uint8Array>, card: Card) => Promise<Uint8Array>
  ): Promise<Uint8Array> {
    const { cards, options, passThrough } = this.#serving
    const signal = AbortSignal.timeout(options.upstreamWaitMsMax)
    const card = cards.peek(object.key) ?? (await cards.look(object.root, object.key, { signal }))
    card.type ??= await typeOf(this.#serving, object.root, card, { signal })
    const isMeta = part === 'meta'
    if (!isMeta && !isScalable(card)) {
      throw new HttpRefusal(
        422,
        'Not a picture that can be scaled',
        `This object is ${card.type.contentType}.`
      )
    }
    if (isScalable(card) && card.size > options.variantInputBytesMax) {
      throw new HttpRefusal(
        422,
        'Too large to be scaled',
        `The picture has ${card.size} bytes; at most ${options.variantInputBytesMax} are decoded.`
      )
    }
    const bytes = await make(() => this.#whole(object, card), card)
    passThrough.cache.reserve(object.key, part, bytes.length)?.keep(bytes)
    return bytes
  }

  async #whole(object: FoundObject, card: Card): Promise<Uint8Array> {
    const signal = AbortSignal.timeout(this.#serving.options.upstreamWaitMsMax)
    using reader = readerOf(this.#serving, object, card, { from: 0, to: card.size }, signal)
    const parts: Uint8Array[] = []
    for (;;) {
      const bytes = reader.atHand() ?? (await reader.next({ signal }))
      if (bytes === undefined) return Buffer.concat(parts)
      parts.push(bytes)
    }
  }
}

function isScalable(card: Card): boolean {
  return card.type !== undefined && scalable.has(card.type.contentType)
}

function send(req: Request, res: ServerResponse, bytes: Uint8Array, headers: string[]): void {
  res.writeHead(200, [...headers, 'Content-Length', String(bytes.length)])
  if (req.method === 'HEAD') res.end()
  else res.end(bytes)
}
