// The addresses other networks have for a file by its sha2-256, each as the spelling that `parseContentName` reads.
// Adding one is a row here and, where the text itself is new, a spelling there.

import type { Request } from 'express'

interface OtherSpelling {
  readonly path: string | RegExp
  /** The name as `parseContentName` reads it, out of what the path matched. */
  readonly nameOf: (params: Request['params']) => string
}

export const otherSpellings: readonly OtherSpelling[] = [
  // Blossom BUD-01: at the root of the domain, with or without an extension.
  { path: /^\/([0-9a-fA-F]{64}(?:\.[^/]*)?)$/, nameOf: (params) => textOf(params[0]) },
  // RFC 6920 §4.
  { path: '/.well-known/ni/sha-256/:value', nameOf: (params) => `ni:///sha-256;${textOf(params['value'])}` },
  // FEP-ef61: portable objects of ActivityPub; media are those whose identifier is a hashlink.
  { path: '/.well-known/apgateway/:uri', nameOf: (params) => textOf(params['uri']) },
  // Secure Scuttlebutt: the base64 of a blob id may hold slashes.
  { path: '/blobs/get/*id', nameOf: (params) => textOf(params['id']) }
]

function textOf(param: string | string[] | undefined): string {
  return Array.isArray(param) ? param.join('/') : (param ?? '')
}
