// Response headers that make strangers' bytes harmless in a browser. The bytes come from anybody; the type is
// what they are found to be, never what somebody claims; nothing but pictures, video and sound opens in place.

import { create as contentDisposition } from 'content-disposition'
import type { Source } from './pass-through.ts'
import type { MediaType } from './sniff.ts'

/** `sandbox` strips the origin from anything a browser would still render; `style` lets it draw its viewer. */
const objectPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

const day = 24 * 60 * 60
const exposed =
  'Accept-Ranges, Cache-Status, Content-Disposition, Content-Length, Content-Range, ETag, X-Ipfs-Path, X-Ipfs-Roots'

/** Headers every answer with object bytes has, in the flat form `writeHead` takes fastest. */
export const fixedObjectHeaders: readonly string[] = Object.freeze([
  'Accept-Ranges',
  'bytes',
  'X-Content-Type-Options',
  'nosniff',
  'Content-Security-Policy',
  objectPolicy,
  'Cross-Origin-Resource-Policy',
  'cross-origin',
  'Referrer-Policy',
  'no-referrer',
  'Access-Control-Allow-Origin',
  '*',
  'Access-Control-Expose-Headers',
  exposed
])

/** An object never changes under its name (the gateway specifications say 48 weeks); one for members must not stay in shared caches. */
export function cacheControlOf(visibility: 'public' | 'members'): string {
  return `${visibility === 'public' ? 'public' : 'private'}, max-age=29030400, immutable`
}

/** Answer to a CORS preflight for reading. A bearer token is no ambient credential, so `*` is safe with it. */
export const preflightHeaders: Readonly<Record<string, string>> = Object.freeze({
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Allow-Headers': 'Authorization, If-Match, If-None-Match, If-Range, Range',
  'Access-Control-Max-Age': String(day),
  Allow: 'GET, HEAD, OPTIONS'
})

const fileNameCharsMax = 200

/**
 * @param asked file name the client wishes, untrusted; path, control and bidirectional characters are dropped.
 * @param fallback name of ours for downloads that ask for none.
 */
export function dispositionOf(
  type: MediaType,
  asked: string | undefined,
  download: boolean,
  fallback: string
): string | undefined {
  const name = asked === undefined ? '' : plainFileName(asked)
  if (type.inline && !download) {
    return name === '' ? undefined : contentDisposition(name, { type: 'inline' })
  }
  return attachment(asked, fallback)
}

/** @param asked as in `dispositionOf` */
export function attachment(asked: string | undefined, fallback: string): string {
  const name = asked === undefined ? '' : plainFileName(asked)
  return contentDisposition(name === '' ? fallback : name, { type: 'attachment' })
}

function plainFileName(text: string): string {
  const last = text.slice(-4096).split(/[/\\]/).at(-1) ?? ''
  return last
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}"%]/gu, '')
    .trim()
    .slice(0, fileNameCharsMax)
    .toWellFormed()
}

const cacheStatuses: Readonly<Record<Source, string>> = {
  cache: 'Commonhold; hit',
  disk: 'Commonhold; fwd=bypass; detail=kept-here',
  fetch: 'Commonhold; fwd=miss',
  'shared fetch': 'Commonhold; fwd=miss; collapsed'
}

/** RFC 9211, of the first bytes sent: an object this node keeps is no cached one, and needs no cache. */
export function cacheStatusOf(source: Source): string {
  return cacheStatuses[source]
}
