// The certificate is one that others accept, at any time of theirs, and the handshake is the one of `@libp2p/tls`.
// Seen to fail with `notBefore` an hour ago, as the stock certificate has it.

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { noise } from '@libp2p/noise'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { verifyPeerCertificate } from '@libp2p/tls/utils'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { makeCertificate, timelessTls } from '../src/timeless-tls.ts'

test('the stock verifier accepts it under any clock, and for no other peer', async (t) => {
  const [key, other] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  const [id, otherId] = [peerIdFromPrivateKey(key), peerIdFromPrivateKey(other)]
  const { raw } = new X509Certificate((await makeCertificate(key)).cert)
  t.mock.timers.enable({ apis: ['Date'] })
  for (const year of ['1971', '2001', '2026', '2038', '2199', '9998']) {
    t.mock.timers.setTime(Date.parse(`${year}-06-01T00:00:00Z`))
    assert.ok((await verifyPeerCertificate(raw, id)).equals(id), year)
  }
  await assert.rejects(verifyPeerCertificate(raw, otherId), { name: 'UnexpectedPeerError' })
})

test('a certificate whose libp2p signature is another key’s is refused', async () => {
  const [key, other] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')]
  const forged = { ...key, publicKey: other.publicKey, type: key.type, raw: key.raw, equals: key.equals }
  const { cert } = await makeCertificate({ ...forged, sign: (data, options) => key.sign(data, options) })
  await assert.rejects(verifyPeerCertificate(new X509Certificate(cert).raw), {
    name: 'InvalidCryptoExchangeError'
  })
})

type Encrypter = ReturnType<typeof tls>

async function nodeWith(encrypter: Encrypter): Promise<Libp2p> {
  return await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [encrypter, noise()],
    streamMuxers: [yamux()]
  })
}

test('it speaks with itself and with the stock one, either side dialling', async () => {
  for (const [ours, theirs] of [
    [timelessTls(), timelessTls()],
    [timelessTls(), tls()],
    [tls(), timelessTls()]
  ] as const) {
    const [from, to] = [await nodeWith(ours), await nodeWith(theirs)]
    try {
      const connection = await from.dial(to.getMultiaddrs())
      assert.equal(connection.encryption, '/tls/1.0.0')
      assert.ok(connection.remotePeer.equals(to.peerId))
      await to.handle('/echo', (stream) => {
        stream.addEventListener('message', ({ data }) => void stream.send(data))
      })
      const stream = await connection.newStream('/echo')
      const answered = new Promise<number>((resolve) =>
        stream.addEventListener('message', ({ data }) => resolve(data.byteLength), { once: true })
      )
      stream.send(new Uint8Array(1000))
      assert.equal(await answered, 1000)
    } finally {
      await from.stop()
      await to.stop()
    }
  }
})
