// PNG (W3C PNG, third edition): chunks. Kept are those that decide how pixels look, by name; text, times, Exif
// beyond the orientation, private chunks and whatever follows IEND go. An unknown chunk is no pixel.

import { crc32 } from 'node:zlib'
import { InvalidInputError } from '@commonhold/core'
import type { ByteReader } from './byte-reader.ts'
import { orientationOf, tiffWith } from './orientation.ts'

const kept: ReadonlySet<string> = new Set([
  ...['IHDR', 'PLTE', 'IDAT', 'IEND', 'acTL', 'fcTL', 'fdAT'],
  ...['tRNS', 'cHRM', 'gAMA', 'iCCP', 'sBIT', 'sRGB', 'cICP', 'mDCV', 'mDCv', 'cLLI', 'cLLi'],
  ...['bKGD', 'hIST', 'pHYs', 'sPLT', 'oFFs', 'sCAL']
])

/** IFD0 is at the front in every file seen; a larger Exif chunk is looked at this far. */
const exifBytesMax = 64 * 1024
/** PNG §5.3. */
const chunkBytesMax = 0x7fffffff

export async function* stripPng(input: ByteReader, removed: Set<string>): AsyncGenerator<Uint8Array> {
  yield await input.read(8)
  for (;;) {
    const head = await input.peek(8)
    // Cut off between or inside chunks: what came is stored, and nothing unread is in it.
    if (head.length < 8) return
    const length = new DataView(head.buffer, head.byteOffset, 8).getUint32(0)
    const type = Buffer.from(head.subarray(4, 8)).toString('latin1')
    if (length > chunkBytesMax || !/^[A-Za-z]{4}$/.test(type)) throw notPng(input)
    const whole = 8 + length + 4
    if (type === 'eXIf') {
      await input.skip(8)
      const exif = await input.read(Math.min(length, exifBytesMax))
      const orientation = orientationOf(exif)
      if (orientation !== undefined && orientation !== 1) yield chunk('eXIf', tiffWith(orientation))
      await input.skip(length - exif.length + 4)
      removed.add('Exif')
    } else if (kept.has(type)) {
      yield* input.pass(whole)
    } else {
      await input.skip(whole)
      removed.add(kindOf(type))
    }
    if (type === 'IEND') {
      if ((await input.skip(Number.POSITIVE_INFINITY)) > 0) removed.add('trailing data')
      return
    }
  }
}

function kindOf(type: string): string {
  if (type === 'tIME') return 'time'
  return type === 'tEXt' || type === 'zTXt' || type === 'iTXt' ? 'text' : type
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const bytes = Buffer.alloc(4 + typed.length + 4)
  bytes.writeUInt32BE(data.length, 0)
  typed.copy(bytes, 4)
  bytes.writeUInt32BE(crc32(typed), 4 + typed.length)
  return bytes
}

function notPng(input: ByteReader): InvalidInputError {
  return new InvalidInputError(
    `This PNG is damaged near byte ${input.position}: no chunk begins there, so its metadata cannot be removed. ` +
      'Repair it, or store it as it is with metadata=keep.'
  )
}
