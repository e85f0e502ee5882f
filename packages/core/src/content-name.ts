// The spellings of an object's name. An object has two names: its root CID and the plain sha2-256 of
// the whole file. A file of at most one block has one hash under both: its raw CID holds the digest.

import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create as createDigest } from 'multiformats/hashes/digest'
import { InvalidInputError } from './errors.ts'
import { limits } from './limits.ts'

export const sha256Code = 0x12
export const digestBytes = 32

/** What somebody asked for: by CID or by digest, with the file extension they wrote, if any. */
export type ContentName =
  | { readonly kind: 'cid'; readonly cid: CID; readonly extension?: string }
  | { readonly kind: 'digest'; readonly digest: Uint8Array; readonly extension?: string }

const hexDigest = /^[0-9a-fA-F]{64}$/
const extensionForm = /^[A-Za-z0-9]{1,16}$/

/**
 * Reads `<cid|sha256 in hex>[.ext]`, and the spellings other networks have for the same hash (`spellings`).
 * @throws InvalidInputError naming what is wrong.
 */
export function parseContentName(text: string): ContentName {
  if (text.length === 0) throw new InvalidInputError('A name is missing: give a CID or a sha256 in hex.')
  if (text.length > limits.nameCharsMax) {
    throw new InvalidInputError(`A name has at most ${limits.nameCharsMax} characters, not ${text.length}.`)
  }
  const spelling = spellings.find(({ begins }) => text.startsWith(begins))
  if (spelling !== undefined) return spelling.read(text)
  const dot = text.indexOf('.')
  const stem = dot === -1 ? text : text.slice(0, dot)
  const extension = dot === -1 ? undefined : text.slice(dot + 1)
  if (extension !== undefined && !extensionForm.test(extension)) {
    throw new InvalidInputError(`“${text}” has no plain file extension after the dot.`)
  }
  const ending = extension === undefined ? {} : { extension }
  if (hexDigest.test(stem)) return { kind: 'digest', digest: fromHex(stem), ...ending }
  return { kind: 'cid', cid: parseCid(stem), ...ending }
}

/** How other networks write a plain sha2-256. None of them begins like a CID or like hex. */
const spellings: readonly { readonly begins: string; readonly read: (text: string) => ContentName }[] = [
  // RFC 6920 §3; an authority says where it might be, a query of which type: neither changes the name.
  {
    begins: 'ni:',
    read: (text) => {
      const value = /^ni:\/\/[^/]{0,253}\/sha-256;([A-Za-z0-9_-]{43})(?:\?.*)?$/.exec(text)?.[1]
      return digestName(value, 'base64url', 'ni:///sha-256;<43 characters of base64url>', text)
    }
  },
  // FEP-ef61: a hashlink without metadata, which would be a second way to say where to look.
  {
    begins: 'hl:',
    read: (text) => {
      const multihash = /^hl:(z[1-9A-HJ-NP-Za-km-z]{20,100})$/.exec(text)?.[1]
      const bytes = multihash === undefined ? undefined : decodedBase58(multihash)
      const fits = bytes?.length === digestBytes + 2 && bytes[0] === sha256Code && bytes[1] === digestBytes
      if (bytes !== undefined && fits) return { kind: 'digest', digest: bytes.slice(2) }
      throw notThe('hl:z<sha2-256 multihash in base58btc>', text)
    }
  },
  // Secure Scuttlebutt's blob ids.
  {
    begins: '&',
    read: (text) => {
      const value = /^&([A-Za-z0-9+/]{43}=)\.sha256$/.exec(text)?.[1]
      return digestName(value, 'base64', '&<44 characters of base64>.sha256', text)
    }
  },
  // BUD-10; the hints where to look are not part of the name.
  {
    begins: 'blossom:',
    read: (text) => {
      const found = /^blossom:([0-9a-f]{64})(?:\.([A-Za-z0-9]{1,16}))?(?:\?.*)?$/.exec(text)
      if (found?.[1] === undefined) throw notThe('blossom:<sha256 in hex>.<ext>', text)
      const extension = found[2] === undefined ? {} : { extension: found[2] }
      return { kind: 'digest', digest: fromHex(found[1]), ...extension }
    }
  }
]

function digestName(
  value: string | undefined,
  encoding: 'base64' | 'base64url',
  form: string,
  text: string
): ContentName {
  const bytes = value === undefined ? undefined : Buffer.from(value, encoding)
  // A last character with bits to spare spells the same hash a second way: refused, one name is one text.
  const canonical = bytes?.toString(encoding) === value
  if (bytes?.length !== digestBytes || !canonical) throw notThe(form, text)
  return { kind: 'digest', digest: new Uint8Array(bytes) }
}

function decodedBase58(text: string): Uint8Array | undefined {
  try {
    return base58btc.decode(text)
  } catch {
    // Not base58btc: the caller says what was expected.
    return undefined
  }
}

function notThe(form: string, text: string): InvalidInputError {
  return new InvalidInputError(
    `“${text.slice(0, 80)}” is not ${form}, and sha2-256 is the one hash of this network.`
  )
}

/**
 * Reads a CID of version 0 or 1 that this network can hold: sha2-256, in base32, base36 or base58btc.
 * @throws InvalidInputError
 */
export function parseCid(text: string): CID {
  let cid: CID
  try {
    cid = text.startsWith('z') ? CID.parse(text, base58btc) : CID.parse(text)
  } catch (err) {
    throw new InvalidInputError(`“${text.slice(0, 80)}” is neither a CID nor a sha256 of 64 hex digits.`, {
      cause: err
    })
  }
  if (cid.multihash.code !== sha256Code || cid.multihash.digest.length !== digestBytes) {
    throw new InvalidInputError(`“${text.slice(0, 80)}” does not use sha2-256, the one hash of this network.`)
  }
  return cid
}

/** The sha2-256 in the name, whichever kind it is. */
export function digestOf(name: ContentName): Uint8Array {
  return name.kind === 'cid' ? name.cid.multihash.digest : name.digest
}

/** The raw CIDv1 that holds this digest: the second name of every object in DHT and URL. */
export function rawCidOf(digest: Uint8Array): CID {
  return CID.createV1(raw.code, createDigest(sha256Code, digest))
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** @param hex an even number of hex digits; the caller has checked the form. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}
