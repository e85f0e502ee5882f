// GIF89a: blocks after a header. Comments and application blocks go, except those that decide how it is shown (loop
// count, colour profile); frames, timings and everything drawn stays.

import { InvalidInputError } from '@commonhold/core'
import type { ByteReader } from './byte-reader.ts'

const shown: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0', 'ICCRGBG1012'])

export async function* stripGif(input: ByteReader, removed: Set<string>): AsyncGenerator<Uint8Array> {
  const head = await input.read(13)
  yield head
  yield* input.pass(colourTableBytes(head[10]))
  for (;;) {
    const [introducer, label] = await input.peek(2)
    if (introducer === undefined) return
    if (introducer === 0x3b) {
      yield await input.read(1)
      if ((await input.skip(Number.POSITIVE_INFINITY)) > 0) removed.add('trailing data')
      return
    }
    if (introducer === 0x2c) {
      const frame = await input.read(10)
      yield frame
      yield* input.pass(colourTableBytes(frame[9]) + 1)
      yield* subBlocks(input)
    } else if (introducer === 0x21 && label !== undefined) {
      yield* extension(input, label, removed)
    } else if (introducer === 0x21 || introducer === 0) {
      // A lone introducer at the end, or padding that some encoders leave between blocks.
      await input.skip(1)
    } else {
      throw notGif(input)
    }
  }
}

async function* extension(
  input: ByteReader,
  label: number,
  removed: Set<string>
): AsyncGenerator<Uint8Array> {
  const head = await input.peek(2 + 12)
  const application = Buffer.from(head.subarray(3, 14)).toString('latin1')
  const keep = label === 0xff ? head[2] === 11 && shown.has(application) : label !== 0xfe
  if (keep) {
    yield await input.read(2)
    yield* subBlocks(input)
    return
  }
  await input.skip(2)
  for await (const _ of subBlocks(input)) continue
  removed.add(label === 0xfe ? 'comment' : application.startsWith('XMP Data') ? 'XMP' : 'application data')
}

/** Length-prefixed blocks up to and with the empty one. */
async function* subBlocks(input: ByteReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const [length] = await input.peek(1)
    if (length === undefined) return
    yield await input.read(1 + length)
    if (length === 0) return
  }
}

function colourTableBytes(flags: number | undefined): number {
  return flags !== undefined && (flags & 0x80) !== 0 ? 3 * 2 ** ((flags & 0x07) + 1) : 0
}

function notGif(input: ByteReader): InvalidInputError {
  return new InvalidInputError(
    `This GIF is damaged near byte ${input.position}: no block begins there, so its metadata cannot be removed. ` +
      'Repair it, or store it as it is with metadata=keep.'
  )
}
