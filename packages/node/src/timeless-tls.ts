// TLS for libp2p as `@libp2p/tls` speaks it, with a certificate that is valid at any time. The stock one
// begins an hour before its owner's clock and is refused by whoever's clock is behind that: a machine
// without a battery could not join. The certificate proves a key and nothing about time, so its dates say
// so; every verifier that follows the libp2p TLS specification accepts them, whatever its own clock shows.
// It is made once per process and not once per connection. Verification is the stock one.
// Why not a redial with Noise: docs/decisions/0304-timeless-certificates.md

import { generateKeyPair, randomBytes, sign } from 'node:crypto'
import { connect, TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import {
  type ConnectionEncrypter,
  InvalidCryptoExchangeError,
  type MessageStream,
  type PrivateKey,
  type SecureConnectionOptions,
  type SecuredConnection,
  serviceCapabilities
} from '@libp2p/interface'
import { PROTOCOL, type TLSComponents } from '@libp2p/tls'
import { encodeSignatureData, toMessageStream, toNodeDuplex, verifyPeerCertificate } from '@libp2p/tls/utils'

interface Certificate {
  readonly cert: string
  readonly key: string
}

export function timelessTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => new TimelessTls(components)
}

class TimelessTls implements ConnectionEncrypter {
  readonly protocol: string = PROTOCOL
  readonly [Symbol.toStringTag] = '@commonhold/timeless-tls'
  readonly [serviceCapabilities]: string[] = ['@libp2p/connection-encryption']
  readonly #components: TLSComponents
  #certificate: Promise<Certificate> | undefined

  constructor(components: TLSComponents) {
    this.#components = components
  }

  secureInbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, 'server', options)
  }

  secureOutbound(connection: MessageStream, options?: SecureConnectionOptions): Promise<SecuredConnection> {
    return this.#secure(connection, 'client', options)
  }

  async #secure(
    connection: MessageStream,
    side: 'server' | 'client',
    options?: SecureConnectionOptions
  ): Promise<SecuredConnection> {
    this.#certificate ??= makeCertificate(this.#components.privateKey)
    const certificate = await this.#certificate
    options?.signal?.throwIfAborted()
    const all = this.#components.upgrader.getStreamMuxers()
    const muxers: typeof all = options?.skipStreamMuxerNegotiation === true ? new Map() : all
    const shared = {
      ...certificate,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      // Everybody's is signed by itself; who they are is proven by the extension, checked below.
      rejectUnauthorized: false
    } as const
    const duplex = toNodeDuplex(connection)
    const socket =
      side === 'server'
        ? new TLSSocket(duplex, {
            ...shared,
            isServer: true,
            requestCert: true,
            ALPNCallback: ({ protocols }) =>
              protocols.find((name) => muxers.has(name)) ?? protocols.find((name) => name === noMuxer)
          })
        : connect({ ...shared, socket: duplex, ALPNProtocols: [...muxers.keys(), noMuxer] })
    duplex.on('error', (err) => socket.emit('error', err))
    const onAbort = (): void => void socket.emit('error', new Error('The TLS handshake took too long.'))
    options?.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await secured(connection, socket)
      const remotePeer = await verifyPeerCertificate(socket.getPeerCertificate().raw, options?.remotePeer)
      const agreed = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : noMuxer
      const streamMuxer = muxers.get(agreed)
      if (streamMuxer === undefined && agreed !== noMuxer) {
        throw new InvalidCryptoExchangeError(`The peer chose the muxer ${agreed}, which it was not offered.`)
      }
      return {
        remotePeer,
        connection: toMessageStream(connection, socket),
        ...(streamMuxer === undefined ? {} : { streamMuxer })
      }
    } catch (err) {
      socket.destroy()
      connection.abort(err instanceof Error ? err : new Error(String(err)))
      throw err
    } finally {
      options?.signal?.removeEventListener('abort', onAbort)
    }
  }
}

/** ALPN name of a peer that agrees on the muxer later. */
const noMuxer = 'libp2p'

/** Resolves when both have the keys; from then on an error of the socket ends the connection. */
function secured(connection: MessageStream, socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('error', (err) => {
      socket.destroy()
      connection.abort(err)
      reject(err)
    })
    socket.once('secure', () => resolve())
    socket.once('close', () => reject(new InvalidCryptoExchangeError('The peer hung up in the handshake.')))
  })
}

/** X.509 v3, self-signed ECDSA P-256 with the libp2p extension (libp2p specs, tls/tls.md). */
export async function makeCertificate(privateKey: PrivateKey): Promise<Certificate> {
  const keys = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' })
  const publicKey = publicKeyToProtobuf(privateKey.publicKey)
  const signature = await privateKey.sign(encodeSignatureData(new Uint8Array(spki).buffer))
  const signedKey = der(0x30, der(0x04, publicKey), der(0x04, signature))
  const extension = der(0x30, oidOfSignedKey, der(0x01, Uint8Array.of(0xff)), der(0x04, signedKey))
  const body = der(
    0x30,
    der(0xa0, der(0x02, Uint8Array.of(2))),
    // Positive and without a leading zero: the first bits are 01.
    der(0x02, Uint8Array.of(0x40), randomBytes(15)),
    ecdsaWithSha256,
    emptyName,
    der(0x30, der(0x17, Buffer.from('700101000000Z')), der(0x18, Buffer.from('99991231235959Z'))),
    emptyName,
    spki,
    der(0xa3, der(0x30, extension))
  )
  const bodySignature = sign('sha256', body, keys.privateKey)
  const whole = der(0x30, body, ecdsaWithSha256, der(0x03, Uint8Array.of(0), bodySignature))
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${whole.toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** One DER value: tag, length, contents (ITU-T X.690, 8.1.3). */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts)
  const { length } = contents
  if (length > 0xffff) throw new Error('too long for a certificate')
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...head), contents])
}

/** 1.3.6.1.4.1.53594.1.1 */
const oidOfSignedKey = Buffer.from('060a2b0601040183a25a0101', 'hex')
/** 1.2.840.10045.4.3.2 */
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex')
const emptyName = der(0x30)
