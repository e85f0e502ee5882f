// Metadata out of media, losslessly, while the bytes stream through: where a picture was taken, by whom and with
// what. Not one pixel, sample or colour profile changes, and the orientation stays. Each format has its file;
// formats without one pass untouched, and the answer says so.

import type { ByteReader } from './byte-reader.ts'
import { stripGif } from './gif.ts'
import { stripIsoMedia } from './iso-media.ts'
import { stripJpeg } from './jpeg.ts'
import { stripPng } from './png.ts'
import { stripWebp } from './webp.ts'

export interface Stripped {
  readonly bytes: AsyncIterable<Uint8Array>
  /** Kinds of metadata removed, complete when `bytes` has ended; undefined when the format is not understood. */
  readonly removed: ReadonlySet<string> | undefined
}

/** Reads one format and yields it without metadata. @throws InvalidInputError when it is not that format. */
export type Stripper = (
  input: ByteReader,
  removed: Set<string>,
  bytesMax: number
) => AsyncIterable<Uint8Array>

const strippers: Readonly<Record<string, Stripper>> = Object.freeze({
  'image/jpeg': stripJpeg,
  'image/png': stripPng,
  'image/apng': stripPng,
  'image/webp': stripWebp,
  'image/gif': stripGif,
  'image/avif': stripIsoMedia,
  'image/heic': stripIsoMedia,
  'image/heic-sequence': stripIsoMedia,
  'image/heif': stripIsoMedia,
  'image/heif-sequence': stripIsoMedia,
  'video/mp4': stripIsoMedia,
  'video/quicktime': stripIsoMedia,
  'video/x-m4v': stripIsoMedia,
  'video/3gpp': stripIsoMedia,
  'video/3gpp2': stripIsoMedia,
  'audio/mp4': stripIsoMedia,
  'audio/x-m4a': stripIsoMedia
})

/** @param contentType as sniffed; @param bytesMax of memory for one header structure. */
export function stripMetadata(contentType: string, input: ByteReader, bytesMax: number): Stripped {
  const stripper = strippers[contentType]
  if (stripper === undefined) return { bytes: input.rest(), removed: undefined }
  const removed = new Set<string>()
  return { bytes: stripper(input, removed, bytesMax), removed }
}
