// What bytes are, told from the bytes alone. The allow-list below is what browsers draw or play without running
// anything; all else (SVG, HTML, XML, PDF, archives, unknown) is a download, and has no type of its own unless it is plain text.

import { fileTypeFromBuffer } from 'file-type'

export interface MediaType {
  /** What goes into Content-Type. */
  readonly contentType: string
  /** File extension without the dot. */
  readonly extension: string
  /** Opens in place; everything else is an attachment. */
  readonly inline: boolean
}

/** Enough for every signature `file-type` knows, tar and MPEG transport streams included. */
export const sniffBytes = 4100

const unknown: MediaType = Object.freeze({
  contentType: 'application/octet-stream',
  extension: 'bin',
  inline: false
})

const drawn: ReadonlySet<string> = new Set([
  'image/apng',
  'image/avif',
  'image/bmp',
  'image/gif',
  'image/heic',
  'image/heic-sequence',
  'image/heif',
  'image/heif-sequence',
  'image/jpeg',
  'image/jxl',
  'image/png',
  'image/webp',
  'image/x-icon',
  'video/3gpp',
  'video/3gpp2',
  'video/matroska',
  'video/mp4',
  'video/ogg',
  'video/quicktime',
  'video/webm',
  'video/x-m4v',
  'audio/aac',
  'audio/aiff',
  'audio/flac',
  'audio/mp4',
  'audio/mpeg',
  'audio/ogg',
  'audio/ogg; codecs=opus',
  'audio/wav',
  'audio/x-m4a'
])

/** @param head the first bytes of the object, `sniffBytes` of them where there are as many. */
export async function sniff(head: Uint8Array): Promise<MediaType> {
  if (head.length === 0) return unknown
  const found = await detect(head)
  if (found === undefined && isPlainText(head)) return plainText
  if (found === undefined || !drawn.has(found.mime)) return unknown
  return { contentType: found.mime, extension: found.ext, inline: true }
}

const plainText: MediaType = Object.freeze({
  contentType: 'text/plain; charset=utf-8',
  extension: 'txt',
  inline: false
})

/**
 * UTF-8 without control characters, and nowhere a `<` that begins a tag: `nosniff` holds browsers to it, and what other
 * software would make of a page called text is not ours to try.
 */
function isPlainText(head: Uint8Array): boolean {
  // A character may be cut where the head ends.
  const text = new TextDecoder().decode(head.subarray(0, sniffBytes), { stream: true })
  return !/[^\P{Cc}\t\n\f\r]|\uFFFD|<[a-z!?/]/iu.test(text)
}

async function detect(head: Uint8Array): Promise<{ mime: string; ext: string } | undefined> {
  try {
    return await fileTypeFromBuffer(head.subarray(0, sniffBytes))
  } catch {
    // The library reads structure, and hostile or cut structure can trip it: then the type is unknown, and
    // unknown is safe.
    return undefined
  }
}
