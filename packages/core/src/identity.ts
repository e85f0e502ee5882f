// Ed25519 keys as this system names them. A node's key is its libp2p identity, so a node is named by
// its peer id; an operator is named by the did:key form of its public key. Both names contain the
// whole public key, so a signature can be checked from the name alone.

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { base58btc } from 'multiformats/bases/base58'
import { InvalidInputError } from './errors.ts'

/** libp2p peer id of a node, base58btc (`12D3KooW…`). */
export type NodeId = string
/** Operator public key as multibase base58btc of multicodec ed25519-pub + key (`z6Mk…`), the body of a did:key. */
export type OperatorId = string

export const publicKeyBytes = 32
export const signatureBytes = 64
const seedBytes = 32

/** libp2p-key protobuf {type: Ed25519 (1), data: 32 bytes} in an identity multihash. */
const nodeIdPrefix = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
/** Unsigned varint of multicodec ed25519-pub (0xed). */
const operatorIdPrefix = Uint8Array.of(0xed, 0x01)
/** RFC 8410 DER framing of raw Ed25519 keys. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')

export interface SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** Ed25519 signature (RFC 8032), 64 bytes. */
  sign(message: Uint8Array): Uint8Array
}

/** @param seed the 32-byte private scalar seed of RFC 8032. */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.length !== seedBytes) {
    throw new InvalidInputError(`An Ed25519 seed has ${seedBytes} bytes, not ${seed.length}.`)
  }
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, seed]),
    format: 'der',
    type: 'pkcs8'
  })
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
  const publicKey = new Uint8Array(spki.subarray(spkiPrefix.length))
  return { publicKey, sign: (message) => new Uint8Array(sign(null, message, privateKey)) }
}

/** Whether `signature` is the holder of `publicKey` over `message`. False for malformed keys. */
export function verifySignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== publicKeyBytes || signature.length !== signatureBytes) return false
  let key: KeyObject
  try {
    key = createPublicKey({
      key: Buffer.concat([spkiPrefix, publicKey]),
      format: 'der',
      type: 'spki'
    })
  } catch {
    // Not a point on the curve: nobody can have signed with it.
    return false
  }
  return verify(null, message, key, signature)
}

export function nodeIdOf(publicKey: Uint8Array): NodeId {
  return named(publicKey, nodeIdPrefix, (bytes) => base58btc.baseEncode(bytes))
}

export function operatorIdOf(publicKey: Uint8Array): OperatorId {
  return named(publicKey, operatorIdPrefix, (bytes) => base58btc.encode(bytes))
}

export function publicKeyOfNode(id: NodeId): Uint8Array {
  return publicKeyIn(id, nodeIdPrefix, (text) => base58btc.baseDecode(text), 'node id (12D3KooW…)')
}

export function publicKeyOfOperator(id: OperatorId): Uint8Array {
  return publicKeyIn(id, operatorIdPrefix, (text) => base58btc.decode(text), 'operator id (z6Mk…)')
}

function named(key: Uint8Array, prefix: Uint8Array, encode: (bytes: Uint8Array) => string): string {
  if (key.length !== publicKeyBytes) {
    throw new InvalidInputError(`An Ed25519 public key has ${publicKeyBytes} bytes, not ${key.length}.`)
  }
  const bytes = new Uint8Array(prefix.length + key.length)
  bytes.set(prefix)
  bytes.set(key, prefix.length)
  return encode(bytes)
}

function publicKeyIn(
  id: string,
  prefix: Uint8Array,
  decode: (text: string) => Uint8Array,
  what: string
): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = decode(id)
  } catch (err) {
    throw new InvalidInputError(`“${id.slice(0, 80)}” is not a ${what}.`, { cause: err })
  }
  const fits = bytes.length === prefix.length + publicKeyBytes && prefix.every((byte, i) => bytes[i] === byte)
  if (!fits) throw new InvalidInputError(`“${id.slice(0, 80)}” is not an Ed25519 ${what}.`)
  return bytes.slice(prefix.length)
}
