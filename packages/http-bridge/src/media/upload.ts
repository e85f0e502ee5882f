// POST /media: token, then parameters, then one pass over the body: size and rate, what it is, metadata out, and
// into the node. The answer names the bytes that were stored, which are not those sent when metadata went.

import { BusyError, InvalidInputError, TooLargeError, toHex } from '@commonhold/core'
import type { Request, Response } from 'express'
import { requireScope } from '../authorization.ts'
import type { BridgeComponents, PutOptions } from '../components.ts'
import type { BridgeOptions } from '../options.ts'
import { HttpRefusal } from '../problems.ts'
import { sniff, sniffBytes } from '../sniff.ts'
import { ByteReader } from '../strip/byte-reader.ts'
import { stripMetadata } from '../strip/strip.ts'
import { bodyOf } from './upload-body.ts'

export class Uploads {
  readonly #components: BridgeComponents
  readonly #options: BridgeOptions
  #running = 0

  constructor(components: BridgeComponents, options: BridgeOptions) {
    this.#components = components
    this.#options = options
  }

  readonly handle = async (req: Request, res: Response): Promise<void> => {
    await requireScope(req, this.#components.tokens, 'upload')
    const asked = parametersOf(req, this.#options)
    const { uploadBytesMax, uploadsMax } = this.#options
    if (Number(req.headers['content-length'] ?? 0) > uploadBytesMax)
      throw new TooLargeError('The upload', uploadBytesMax)
    if (this.#running >= uploadsMax) throw new BusyError(`${uploadsMax} uploads are running; try again soon.`)
    this.#running++
    try {
      await this.#receive(req, res, asked)
    } finally {
      this.#running--
    }
  }

  async #receive(req: Request, res: Response, asked: UploadParameters): Promise<void> {
    const { intake, clock } = this.#components
    const input = new ByteReader(bodyOf(req, res, clock, this.#options))
    const head = await input.peek(sniffBytes)
    if (head.length === 0) throw new InvalidInputError('The upload is empty: there is nothing to store.')
    const type = await sniff(head)
    if (this.#options.uploadTypes === 'media' && !type.inline) {
      throw new HttpRefusal(
        415,
        'Not a media file',
        'This node takes images, video and audio; these bytes are none of them.'
      )
    }
    const { bytes, removed } = asked.keepMetadata
      ? { bytes: input.rest(), removed: undefined }
      : stripMetadata(type.contentType, input, this.#options.stripBytesMax)
    // No signal: a client that hangs up after its last byte may ask again and finds the work done.
    // What is taken out makes it shorter, and a form has a frame around the file.
    const length = req.headers['content-length']
    const put = await intake.put(bytes, {
      ...asked.put,
      ...(length === undefined ? {} : { sizeMax: Number(length) })
    })

    const sha256 = toHex(put.digest)
    const path = `/media/${sha256}.${type.extension}`
    const answer = {
      name: `${sha256}.${type.extension}`,
      cid: put.root.toString(),
      sha256,
      size: put.size,
      type: type.contentType,
      url: `${originOf(req, this.#options)}${path}`,
      copies: put.copiesPromised,
      metadataRemoved: removed === undefined ? null : [...removed].sort()
    }
    const body = Buffer.from(`${JSON.stringify(answer)}\n`)
    res.writeHead(put.existed ? 200 : 201, {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Location: path
    })
    res.end(body)
  }
}

interface UploadParameters {
  readonly keepMetadata: boolean
  readonly put: PutOptions
}

const known: ReadonlySet<string> = new Set(['copies', 'visibility', 'metadata'])

/** A misspelt parameter would silently store a picture with its GPS position, or for everybody: refused. */
function parametersOf(req: Request, options: BridgeOptions): UploadParameters {
  for (const [name, value] of Object.entries(req.query)) {
    if (!known.has(name))
      throw new InvalidInputError(
        `There is no parameter “${name.slice(0, 40)}”: copies, visibility, metadata.`
      )
    if (typeof value !== 'string')
      throw new InvalidInputError(`The parameter “${name}” is given more than once.`)
  }
  const { copies, visibility, metadata } = req.query as Record<string, string | undefined>
  if (
    copies !== undefined &&
    !(/^\d{1,3}$/.test(copies) && Number(copies) >= 1 && Number(copies) <= options.copiesAskedMax)
  ) {
    throw new InvalidInputError(`“copies” is a number from 1 to ${options.copiesAskedMax}.`)
  }
  if (visibility !== undefined && visibility !== 'public' && visibility !== 'members') {
    throw new InvalidInputError('“visibility” is “public” or “members”.')
  }
  if (metadata !== undefined && metadata !== 'keep' && metadata !== 'remove') {
    throw new InvalidInputError('“metadata” is “remove” or “keep”.')
  }
  return {
    keepMetadata: metadata === 'keep',
    put: {
      ...(copies === undefined ? {} : { copiesMin: Number(copies) }),
      ...(visibility === undefined ? {} : { visibility })
    }
  }
}

/** The Host header is the client's own word and goes back to that client alone. */
function originOf(req: Request, options: BridgeOptions): string {
  if (options.publicUrl !== undefined) return options.publicUrl
  const host = req.headers.host
  return host === undefined ? '' : `http://${host}`
}
