// WebP (RFC 9649): RIFF chunks. The size of the file stands at its front and metadata at its end, so taking chunks
// out would mean holding the whole picture. Instead they are overwritten where they are: Exif by one that says only
// the orientation, XMP by zeros with its flag cleared. Same length, same pixels, bounded memory.

import { InvalidInputError } from '@commonhold/core'
import type { ByteReader } from './byte-reader.ts'
import { orientationOf, smallTiffBytes, tiffWith } from './orientation.ts'
import { zeros } from './zeros.ts'

const exifBytesMax = 64 * 1024
/** In the flags of VP8X (RFC 9649 §2.7.1). */
const xmpFlag = 0x04

const drawn: ReadonlySet<string> = new Set(['VP8 ', 'VP8L', 'ALPH', 'ANIM', 'ANMF', 'ICCP'])

export async function* stripWebp(input: ByteReader, removed: Set<string>): AsyncGenerator<Uint8Array> {
  const head = await input.read(12)
  if (head.length < 12) throw notWebp(input)
  yield head
  const riffEnd = 8 + new DataView(head.buffer, head.byteOffset, 12).getUint32(4, true)
  while (input.position < riffEnd) {
    const chunkHead = await input.peek(8)
    if (chunkHead.length < 8) break
    const type = Buffer.from(chunkHead.subarray(0, 4)).toString('latin1')
    const length = new DataView(chunkHead.buffer, chunkHead.byteOffset, 8).getUint32(4, true)
    if (!/^[\x20-\x7e]{4}$/.test(type)) throw notWebp(input)
    const padded = length + (length % 2)
    if (type === 'VP8X') {
      const chunk = (await input.read(8 + Math.min(padded, 64))).slice()
      const flags = chunk[8]
      if (flags !== undefined) chunk[8] = flags & ~xmpFlag
      yield chunk
      yield* input.pass(8 + padded - chunk.length)
    } else if (drawn.has(type)) {
      yield* input.pass(8 + padded)
    } else if (type === 'EXIF') {
      yield await input.read(8)
      yield* onlyOrientation(input, padded)
      removed.add('Exif')
    } else {
      // A name no reader knows, so that none looks for XMP in zeros.
      yield Buffer.from('JUNK', 'latin1')
      await input.skip(4)
      yield await input.read(4)
      yield* zeros(await input.skip(padded))
      removed.add(type === 'XMP ' ? 'XMP' : type.trim())
    }
  }
  if ((await input.skip(Number.POSITIVE_INFINITY)) > 0) removed.add('trailing data')
}

async function* onlyOrientation(input: ByteReader, length: number): AsyncGenerator<Uint8Array> {
  const exif = await input.read(Math.min(length, exifBytesMax))
  // Some writers put JPEG's “Exif\0\0” before the TIFF block.
  const tiff = exif.length > 6 && exif[0] === 0x45 && exif[4] === 0 ? exif.subarray(6) : exif
  const small = tiffWith(orientationOf(tiff) ?? 1)
  const rest = exif.length + (await input.skip(length - exif.length))
  if (rest < smallTiffBytes) {
    yield* zeros(rest)
    return
  }
  yield small
  yield* zeros(rest - smallTiffBytes)
}

function notWebp(input: ByteReader): InvalidInputError {
  return new InvalidInputError(
    `This WebP is damaged near byte ${input.position}: no chunk begins there, so its metadata cannot be removed. ` +
      'Repair it, or store it as it is with metadata=keep.'
  )
}
