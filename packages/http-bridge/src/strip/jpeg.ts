// JPEG (ITU-T T.81 annex B): a list of marker segments, then scans. Kept is what decoding needs: tables, frames,
// scans, JFIF without its thumbnail, ICC profile, Adobe's colour transform, and of Exif the orientation. All other
// application segments, comments and whatever follows the end of the image go.

import { InvalidInputError } from '@commonhold/core'
import type { ByteReader } from './byte-reader.ts'
import { orientationOf, tiffWith } from './orientation.ts'

const exifHead = Buffer.from('Exif\0\0', 'latin1')
const jfifHead = Buffer.from('JFIF\0', 'latin1')
const iccHead = Buffer.from('ICC_PROFILE\0', 'latin1')
const adobeHead = Buffer.from('Adobe', 'latin1')
const xmpHead = Buffer.from('http://ns.adobe.com/x', 'latin1')

const endOfImage = 0xd9
const startOfScan = 0xda

export async function* stripJpeg(input: ByteReader, removed: Set<string>): AsyncGenerator<Uint8Array> {
  yield await input.read(2)
  let oriented = false
  for (;;) {
    const marker = await nextMarker(input)
    // A picture cut off between segments is stored as far as it came: nothing unread can be in it.
    if (marker === undefined) return
    if (marker === endOfImage) {
      yield Uint8Array.of(0xff, endOfImage)
      // Motion photos, second pictures and maker's blocks: bytes no decoder of this image reads.
      if ((await input.skip(Number.POSITIVE_INFINITY)) > 0) removed.add('trailing data')
      return
    }
    const segment = await readSegment(input, marker)
    if (segment === undefined) return
    const { kept, kind } = judged(marker, segment)
    if (kind === 'Exif' && !oriented) {
      const orientation = orientationOf(segment.subarray(4 + exifHead.length))
      if (orientation !== undefined && orientation !== 1) yield exifSegment(tiffWith(orientation))
      oriented = true
    }
    if (kind !== undefined) removed.add(kind)
    if (kept !== undefined) yield kept
    if (marker === startOfScan) yield* scan(input)
  }
}

/** What stays of a segment, and what it was if something goes. */
function judged(marker: number, segment: Uint8Array): { kept?: Uint8Array; kind?: string } {
  const body = segment.subarray(4)
  if (marker === 0xfe) return { kind: 'comment' }
  if (marker < 0xe0 || marker > 0xef) return { kept: segment }
  if (marker === 0xe0 && startsWith(body, jfifHead)) return jfifWithoutThumbnail(segment)
  if (marker === 0xe1 && startsWith(body, exifHead)) return { kind: 'Exif' }
  if (marker === 0xe1 && startsWith(body, xmpHead)) return { kind: 'XMP' }
  if (marker === 0xe2 && startsWith(body, iccHead)) return { kept: segment }
  if (marker === 0xed) return { kind: 'IPTC' }
  if (marker === 0xee && startsWith(body, adobeHead)) return { kept: segment }
  return { kind: `APP${marker - 0xe0}` }
}

/** The thumbnail may show what was cropped away. T.871 §10.1: 14 bytes, the last two are its size. */
function jfifWithoutThumbnail(segment: Uint8Array): { kept?: Uint8Array; kind?: string } {
  const plainBytes = 4 + 14
  if (segment.length < plainBytes) return { kind: 'APP0' }
  if (segment.length === plainBytes) return { kept: segment }
  const kept = segment.slice(0, plainBytes)
  kept.set([0, 16], 2)
  kept.set([0, 0], 16)
  return { kept, kind: 'thumbnail' }
}

/** The code after 0xff and its fill bytes (B.1.1.2); undefined at the end of the input. */
async function nextMarker(input: ByteReader): Promise<number | undefined> {
  const first = await input.read(1)
  if (first.length === 0) return undefined
  if (first[0] !== 0xff) throw notJpeg(input, 'a marker is missing')
  for (;;) {
    const [code] = await input.read(1)
    if (code === undefined) return undefined
    if (code === 0xff) continue
    // Restart markers, TEM and a second SOI have no length and no place here.
    if (code === 0 || code === 1 || (code >= 0xd0 && code <= 0xd8))
      throw notJpeg(input, 'a marker is out of place')
    return code
  }
}

/** Marker, length and body; undefined when the input ends inside, so that half a segment is never passed on. */
async function readSegment(input: ByteReader, marker: number): Promise<Uint8Array | undefined> {
  const [high, low] = await input.peek(2)
  if (high === undefined || low === undefined) return undefined
  const length = high * 256 + low
  if (length < 2) throw notJpeg(input, 'a segment has an impossible length')
  const body = await input.read(length)
  if (body.length < length) return undefined
  return Buffer.concat([Uint8Array.of(0xff, marker), body])
}

/** Entropy-coded data: everything up to a marker that is neither a stuffed zero nor a restart. */
async function* scan(input: ByteReader): AsyncGenerator<Uint8Array> {
  for (;;) {
    const held = await input.available()
    if (held.length === 0) return
    const end = endOfScanIn(held)
    if (end > 0) yield await input.read(end)
    if (end === held.length) continue
    const next = held[end + 1]
    if (next !== undefined) return
    // A lone 0xff at the edge of what is in memory: `available` brings at least one more byte, or the end.
    if ((await input.peek(2)).length < 2) {
      yield await input.read(1)
      return
    }
  }
}

/** Index of the 0xff that ends the scan, or that cannot be judged yet; the length when there is none. */
function endOfScanIn(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(0xff); at !== -1; at = bytes.indexOf(0xff, at)) {
    const next = bytes[at + 1]
    if (next === undefined) return at
    if (next === 0 || (next >= 0xd0 && next <= 0xd7)) at += 2
    else if (next === 0xff) at += 1
    else return at
  }
  return bytes.length
}

function exifSegment(tiff: Uint8Array): Uint8Array {
  const length = 2 + exifHead.length + tiff.length
  return Buffer.concat([Uint8Array.of(0xff, 0xe1, length >> 8, length & 0xff), exifHead, tiff])
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return bytes.length >= head.length && head.every((byte, i) => bytes[i] === byte)
}

function notJpeg(input: ByteReader, what: string): InvalidInputError {
  return new InvalidInputError(
    `This JPEG is damaged near byte ${input.position}: ${what}, so its metadata cannot be removed. ` +
      'Repair it, or store it as it is with metadata=keep.'
  )
}
