// Keys and the names made of them, against vectors of RFC 8032, of libp2p's peer id specification and of ours.

import assert from 'node:assert/strict'
import test, { suite } from 'node:test'
import {
  fromHex,
  nodeIdOf,
  operatorIdOf,
  publicKeyBytes,
  publicKeyOfNode,
  publicKeyOfOperator,
  signatureBytes,
  signingKeyFromSeed,
  toHex,
  verifySignature
} from '@commonhold/core'
import fc from 'fast-check'
import { readVectors } from './vectors.ts'

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 })
const messages = fc.uint8Array({ maxLength: 200 })

suite('signatures', () => {
  test('RFC 8032 §7.1, test 2', () => {
    const key = signingKeyFromSeed(
      fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')
    )
    assert.equal(toHex(key.publicKey), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')
    assert.equal(
      toHex(key.sign(Uint8Array.of(0x72))),
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
    )
  })

  test('the signer is believed, nobody else, and no other message', () => {
    fc.assert(
      fc.property(seeds, seeds, messages, messages, (seed, otherSeed, message, otherMessage) => {
        const key = signingKeyFromSeed(seed)
        const signature = key.sign(message)
        assert.ok(verifySignature(key.publicKey, message, signature))
        const other = signingKeyFromSeed(otherSeed)
        assert.equal(verifySignature(other.publicKey, message, signature), toHex(seed) === toHex(otherSeed))
        assert.equal(
          verifySignature(key.publicKey, otherMessage, signature),
          toHex(message) === toHex(otherMessage)
        )
      })
    )
  })

  test('a signature with S + L for S is refused: nobody can make a second one of it', () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(3))
    const message = Uint8Array.of(1, 2, 3)
    const signature = key.sign(message)
    const order = (1n << 252n) + 27742317777372353535851937790883648493n
    const s = BigInt(`0x${toHex(signature.slice(32).toReversed())}`) + order
    const malleable = Uint8Array.of(
      ...signature.slice(0, 32),
      ...fromHex(s.toString(16).padStart(64, '0')).toReversed()
    )
    assert.equal(malleable.length, signatureBytes)
    assert.equal(verifySignature(key.publicKey, message, malleable), false)
  })

  test('garbage for a key or a signature is false, not an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 70 }), (key, signature) => {
        assert.equal(verifySignature(key, Uint8Array.of(1), signature), false)
      })
    )
  })

  test('a seed of another length is refused', () => {
    for (const length of [0, 31, 33, 64]) {
      assert.throws(() => signingKeyFromSeed(new Uint8Array(length)), { name: 'InvalidInputError' })
    }
  })
})

suite('names', () => {
  test('a node is named as libp2p names it', () => {
    // The Ed25519 example of the specification of peer ids, without its protobuf frame.
    const publicKey = fromHex('1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e')
    assert.equal(nodeIdOf(publicKey), '12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq')
  })

  test('vectors', async () => {
    const { identities } = await readVectors()
    for (const { seed, publicKey, nodeId, operatorId } of identities) {
      const key = signingKeyFromSeed(fromHex(seed))
      assert.equal(toHex(key.publicKey), publicKey)
      assert.equal(nodeIdOf(key.publicKey), nodeId)
      assert.equal(operatorIdOf(key.publicKey), operatorId)
    }
    assert.ok(identities.length >= 3)
  })

  test('a name holds the key, there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: publicKeyBytes, maxLength: publicKeyBytes }), (key) => {
        assert.deepEqual(publicKeyOfNode(nodeIdOf(key)), key)
        assert.deepEqual(publicKeyOfOperator(operatorIdOf(key)), key)
      })
    )
  })

  test('a node is not taken for an operator, nor any other text for either', () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(1)).publicKey
    assert.throws(() => publicKeyOfOperator(nodeIdOf(key)), { name: 'InvalidInputError' })
    assert.throws(() => publicKeyOfNode(operatorIdOf(key)), { name: 'InvalidInputError' })
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (text) => {
        assert.throws(() => publicKeyOfNode(text), { name: 'InvalidInputError' })
        assert.throws(() => publicKeyOfOperator(text), { name: 'InvalidInputError' })
      })
    )
  })

  test('an RSA peer id, which does not hold its key, is refused', () => {
    assert.throws(() => publicKeyOfNode('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'), {
      name: 'InvalidInputError'
    })
  })

  test('a key of another length has no name', () => {
    assert.throws(() => nodeIdOf(new Uint8Array(31)), { name: 'InvalidInputError' })
    assert.throws(() => operatorIdOf(new Uint8Array(33)), { name: 'InvalidInputError' })
  })
})
