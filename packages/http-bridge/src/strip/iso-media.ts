// MP4, QuickTime, M4A, HEIC and AVIF while they stream: boxes pass, `moov` and `meta` are held and cleaned, metadata
// items in the data are overwritten as they go by. Every byte keeps its place.

import { InvalidInputError, TooLargeError } from '@commonhold/core'
import { type BoxHead, boxHeadBytesMax, boxHeadOf, damaged, freeType } from './boxes.ts'
import type { ByteReader } from './byte-reader.ts'
import { type ItemExtent, metadataExtentsOf } from './heif-items.ts'
import { cleanMovie } from './movie.ts'
import { orientationOf, smallTiffBytes, tiffWith } from './orientation.ts'
import { zeros } from './zeros.ts'

const passed: ReadonlySet<string> = new Set([
  ...['ftyp', 'styp', 'pdin', 'moof', 'mfra', 'mdat', 'imda', 'wide', 'sidx', 'ssix', 'pnot', 'PICT']
])
const exifBytesMax = 64 * 1024

export async function* stripIsoMedia(
  input: ByteReader,
  removed: Set<string>,
  bytesMax: number
): AsyncGenerator<Uint8Array> {
  let extents: ItemExtent[] = []
  for (;;) {
    const at = input.position
    const start = await input.peek(boxHeadBytesMax)
    // Fewer bytes than a box needs are no box: what some writer left behind.
    if (start.length < 8) return
    const head = boxHeadOf(start, `at byte ${at}`)
    if (head.type === 'moov') {
      const bytes = await whole(input, head, bytesMax)
      cleanMovie(bytes, { body: head.headBytes, end: bytes.length }, removed)
      yield bytes
    } else if (head.type === 'meta') {
      const bytes = await whole(input, head, bytesMax)
      const found = metadataExtentsOf(bytes, head.headBytes, at)
      if (found === undefined) {
        // Tags of a film or a song, not items of a picture.
        bytes.set(freeType, 4)
        bytes.fill(0, head.headBytes)
        removed.add('user data')
      } else {
        extents = blankedWithin(bytes, at, found, removed)
      }
      yield bytes
    } else if (passed.has(head.type)) {
      extents = extents.filter((extent) => extent.from >= at)
      yield* overwriting(input, head.length, extents, removed)
    } else {
      yield* blanked(input, head)
      if (head.type !== 'free' && head.type !== 'skip') removed.add(head.type)
    }
  }
}

async function whole(input: ByteReader, head: BoxHead, bytesMax: number): Promise<Uint8Array> {
  const shown = `The “${head.type}” box of this file`
  if (head.length !== Number.POSITIVE_INFINITY && head.length > bytesMax)
    throw new TooLargeError(shown, bytesMax)
  const bytes = await input.read(Math.min(head.length, bytesMax + 1))
  if (bytes.length > bytesMax) throw new TooLargeError(shown, bytesMax)
  if (head.length !== Number.POSITIVE_INFINITY && bytes.length < head.length) {
    throw damaged(`at its end, inside the “${head.type}” box`)
  }
  return bytes.slice()
}

/** Items inside the box are overwritten at once; those behind it are returned for later. */
function blankedWithin(
  bytes: Uint8Array,
  at: number,
  found: ItemExtent[],
  removed: Set<string>
): ItemExtent[] {
  const later: ItemExtent[] = []
  for (const extent of found) {
    if (extent.from >= at + bytes.length) {
      later.push(extent)
      continue
    }
    if (extent.from < at || extent.to > at + bytes.length) {
      throw new InvalidInputError(
        'The metadata of this picture stands before its description, so it has gone by when it is known. ' +
          'Save it anew, or store it as it is with metadata=keep.'
      )
    }
    bytes.set(replacementOf(extent, bytes.subarray(extent.from - at, extent.to - at)), extent.from - at)
    removed.add(extent.kind)
  }
  return later
}

/** Passes a box on, with the extents inside it replaced. */
async function* overwriting(
  input: ByteReader,
  length: number,
  extents: readonly ItemExtent[],
  removed: Set<string>
): AsyncGenerator<Uint8Array> {
  const end = input.position + length
  for (const extent of extents) {
    if (extent.from >= end) break
    // Overlapping extents: the later one begins where the earlier one ended.
    yield* input.pass(Math.max(0, extent.from - input.position))
    const left = Math.min(extent.to, end) - input.position
    if (left <= 0) continue
    const head = await input.read(Math.min(left, exifBytesMax))
    if (head.length === 0) return
    yield replacementOf(extent, head)
    yield* zeros(await input.skip(left - head.length))
    removed.add(extent.kind)
  }
  yield* input.pass(end - input.position)
}

/** As many bytes as were there: zeros, and for Exif a block that says the orientation and nothing else. */
function replacementOf(extent: ItemExtent, bytes: Uint8Array): Uint8Array {
  const blank = new Uint8Array(bytes.length)
  if (extent.kind !== 'Exif' || bytes.length < 4 + smallTiffBytes) return blank
  // ISO/IEC 23008-12 annex A.2.1: four bytes say how far behind them the TIFF header is.
  const skip = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0)
  blank.set(tiffWith(orientationOf(bytes.subarray(Math.min(4 + skip, bytes.length))) ?? 1), 4)
  return blank
}

async function* blanked(input: ByteReader, head: BoxHead): AsyncGenerator<Uint8Array> {
  const start = (await input.read(head.headBytes)).slice()
  start.set(freeType, 4)
  yield start
  yield* zeros(await input.skip(head.length - head.headBytes))
}
