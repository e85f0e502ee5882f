// A CAR (content-addressable archive, version 1): a head that names the root, then each block behind its name, all behind
// their lengths. https://ipld.io/specs/transport/car/carv1/

import { encode as encodeDagCbor } from '@ipld/dag-cbor'
import { varint } from 'multiformats'
import type { CID } from 'multiformats/cid'
import type { NamedBlock } from '../components.ts'

export function carHead(root: CID): Uint8Array {
  return framed([encodeDagCbor({ roots: [root], version: 1 })])
}

export function carBlock({ cid, bytes }: NamedBlock): Uint8Array {
  return framed([cid.bytes, bytes])
}

function framed(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const prefix = varint.encodeTo(length, new Uint8Array(varint.encodingLength(length)))
  return Buffer.concat([prefix, ...parts])
}
