// The bytes of an answer, from a reader to a client: no faster than the client takes them, cut off when the object is
// denied meanwhile, and never ended cleanly when something is missing.

import type { ServerResponse } from 'node:http'
import { UnreachableError } from '@commonhold/core'
import type { ClientGone } from './client-gone.ts'
import { type FoundObject, refuseDeniedObject } from './lookup.ts'
import type { Outbox, OutboxPlace } from './outbox.ts'
import type { ObjectReader } from './pass-through.ts'
import { cacheStatusOf } from './safe-headers.ts'
import type { Serving } from './serve-object.ts'

export type NextOf = (reader: ObjectReader) => Promise<Uint8Array | undefined>

export interface Body {
  readonly reader: ObjectReader
  /** Bytes read already, in order. */
  readonly ahead: Uint8Array[]
  /** How many bytes the answer has; undefined when only the end of the reader tells. */
  readonly bytes: number | undefined
  readonly status: number
  readonly headers: string[]
  readonly place: OutboxPlace
  readonly nextOf: NextOf
  readonly gone: ClientGone
}

export async function sendBody(
  serving: Serving,
  res: ServerResponse,
  object: FoundObject,
  { reader, ahead, bytes: length, status, headers, place, nextOf, gone }: Body
): Promise<void> {
  let left = length ?? Number.POSITIVE_INFINITY
  while (left > 0) {
    const room = place.take(Math.min(left, pieceBytesUsual))
    if (room !== undefined) await room
    if (gone.happened) return
    const bytes = ahead.shift() ?? reader.atHand() ?? (await nextOf(reader))
    if (bytes === undefined) {
      if (length !== undefined) throw new UnreachableError('The object ended before its size.')
      res.end()
      await gone.finished
      return
    }
    left -= bytes.length
    if (!res.headersSent) {
      headers.push('Cache-Status', cacheStatusOf(reader.source))
      res.writeHead(status, headers)
    }
    if (left === 0) {
      // One `end` with the whole of a small object: what Node answers fastest.
      res.end(bytes)
      await gone.finished
      return
    }
    if (!res.write(bytes)) await gone.drained()
    if (gone.happened) return
    place.taken()
    // A takedown also stops what is under way. Once per chunk of about a MiB, this costs nothing.
    await refuseDeniedObject(serving.components, object)
  }
}

const pieceBytesUsual = 1024 * 1024

export class Place implements Disposable {
  readonly outbox: OutboxPlace

  constructor(outbox: Outbox, res: ServerResponse) {
    this.outbox = outbox.enter(() => res.destroy())
    res.once('close', () => this.outbox.close())
  }

  [Symbol.dispose](): void {
    this.outbox.close()
  }
}
