// The bytes of an upload, however they are wrapped: a raw body or one file in a multipart form. Bounded in size and
// in slowness while they come. Ends in an error rather than early, so that a cut upload is never stored.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, InvalidInputError, TooLargeError, unlessAborted } from '@commonhold/core'
import busboy from 'busboy'
import { ClientGoneError } from '../client-gone.ts'
import type { BridgeOptions } from '../options.ts'
import { HttpRefusal } from '../problems.ts'

/**
 * @throws InvalidInputError for a form that is malformed or holds anything but one file, TooLargeError,
 * HttpRefusal (408 too slow, 415 compressed), ClientGoneError
 */
export async function* bodyOf(
  req: IncomingMessage,
  res: ServerResponse,
  clock: Clock,
  options: BridgeOptions
): AsyncGenerator<Uint8Array> {
  const encoding = req.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw new HttpRefusal(415, 'Compressed upload', 'Send the file as it is, without Content-Encoding.')
  }
  const isForm = /^multipart\//i.test(req.headers['content-type'] ?? '')
  const source = isForm ? fileOfForm(req) : rawBody(req)
  // Only now is the client asked for its bytes: token, size and parameters were right.
  if (/100-continue/i.test(req.headers.expect ?? '')) res.writeContinue()

  const startMs = clock.monotonicMs()
  let length = 0
  for await (const bytes of source) {
    length += bytes.length
    if (length > options.uploadBytesMax) throw new TooLargeError('The upload', options.uploadBytesMax)
    const elapsedMs = clock.monotonicMs() - startMs
    // A trickle keeps the connection alive and would hold an upload's place for ever.
    if (elapsedMs > options.uploadGraceMs && length < (elapsedMs / 1000) * options.uploadBytesPerSecondMin) {
      throw new HttpRefusal(
        408,
        'Too slow',
        `The upload came slower than ${options.uploadBytesPerSecondMin} bytes per second.`
      )
    }
    yield bytes
  }
}

async function* rawBody(req: IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    // Leaving the loop must not destroy the request: its connection still has to carry our answer.
    yield* req.iterator({ destroyOnReturn: false })
  } catch (err) {
    if (!req.complete) throw new ClientGoneError()
    throw err
  }
}

async function* fileOfForm(req: IncomingMessage): AsyncGenerator<Uint8Array> {
  const form = formParserOf(req)
  const refused = new AbortController()
  const refuse = (err: Error): void => refused.abort(err)
  const malformed = (err: unknown): void => {
    refuse(new InvalidInputError('The multipart form is malformed or ends too early.', { cause: err }))
  }
  const file = new Promise<AsyncIterable<Uint8Array> | undefined>((resolve) => {
    form.once('file', (_field, stream) => {
      stream.once('error', malformed)
      resolve(stream)
    })
    form.once('close', () => resolve(undefined))
  })
  const closed = new Promise<void>((resolve) => form.once('close', resolve))
  const oneOnly = (): void =>
    refuse(new InvalidInputError('Send one file per request; parameters belong in the query.'))
  form.on('error', malformed)
  form.on('field', oneOnly)
  form.on('filesLimit', oneOnly)
  form.on('fieldsLimit', oneOnly)
  form.on('partsLimit', oneOnly)
  const onClose = (): void => {
    if (!req.complete) refuse(new ClientGoneError())
  }
  req.once('close', onClose)
  req.pipe(form)
  try {
    const stream = await unlessAborted(file, refused.signal)
    if (stream === undefined) throw new InvalidInputError('The form holds no file.')
    const chunks = stream[Symbol.asyncIterator]()
    for (;;) {
      // A cut form fails the file's stream and the form at once; the refusal is the one that can be told.
      const next = await unlessAborted(chunks.next(), refused.signal).catch((err: unknown) => {
        throw refused.signal.reason ?? err
      })
      if (next.done === true) break
      yield next.value
    }
    // What follows the file decides whether the form was what it should be, before the object is pinned.
    await unlessAborted(closed, refused.signal)
  } finally {
    req.off('close', onClose)
    req.unpipe(form)
    form.destroy()
  }
}

function formParserOf(req: IncomingMessage): busboy.Busboy {
  try {
    return busboy({
      headers: req.headers,
      limits: { files: 1, fields: 1, parts: 3, fieldNameSize: 100, fieldSize: 1024, headerPairs: 20 }
    })
  } catch (err) {
    throw new InvalidInputError(
      'The multipart form names no boundary, or is of a kind that is not form-data.',
      {
        cause: err
      }
    )
  }
}
