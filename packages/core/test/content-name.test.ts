// The spellings of a name: what is read, what is refused, and that both spellings of one hash meet.

import assert from 'node:assert/strict'
import test, { suite } from 'node:test'
import {
  digestBytes,
  fromHex,
  InvalidInputError,
  limits,
  parseCid,
  parseContentName,
  rawCidOf,
  toHex
} from '@commonhold/core'
import fc from 'fast-check'
import { base16 } from 'multiformats/bases/base16'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'

const digests = fc.uint8Array({ minLength: digestBytes, maxLength: digestBytes })
const extensions = fc.stringMatching(/^[A-Za-z0-9]{1,16}$/)
const dagPb = 0x70

suite('parseContentName', () => {
  test('reads every digest in hex of either case, with and without an extension', () => {
    fc.assert(
      fc.property(
        digests,
        fc.option(extensions, { nil: undefined }),
        fc.boolean(),
        (digest, extension, upper) => {
          const hex = upper ? toHex(digest).toUpperCase() : toHex(digest)
          const name = parseContentName(extension === undefined ? hex : `${hex}.${extension}`)
          assert.ok(name.kind === 'digest')
          assert.deepEqual(name.digest, digest)
          assert.equal(name.extension, extension)
        }
      )
    )
  })

  test('reads a CID in base32, base58btc and as version 0, always as the same hash', () => {
    fc.assert(
      fc.property(digests, extensions, (digest, extension) => {
        const v1 = CID.createV1(dagPb, createDigest(0x12, digest))
        for (const text of [v1.toString(), v1.toString(base58btc), v1.toV0().toString()]) {
          const name = parseContentName(`${text}.${extension}`)
          assert.ok(name.kind === 'cid')
          assert.deepEqual(name.cid.multihash.digest, digest)
          assert.equal(name.cid.code, dagPb)
          assert.equal(name.extension, extension)
        }
      })
    )
  })

  test('reads the spellings of other networks as the same hash, and no second spelling of any', () => {
    fc.assert(
      fc.property(digests, (digest) => {
        const base64 = Buffer.from(digest).toString('base64')
        const base64url = Buffer.from(digest).toString('base64url')
        const multihash = base58btc.encode(createDigest(0x12, digest).bytes)
        const spelled = [
          `ni:///sha-256;${base64url}`,
          `ni://media.example.org/sha-256;${base64url}?ct=image/png`,
          `hl:${multihash}`,
          `&${base64}.sha256`,
          `blossom:${toHex(digest)}.png?xs=media.example.org`
        ]
        for (const text of spelled) {
          const name = parseContentName(text)
          assert.ok(name.kind === 'digest', text)
          assert.deepEqual(name.digest, digest)
        }
      })
    )
    const zeros = 'A'.repeat(43)
    const bad = [
      `ni:///sha-256;${zeros.slice(1)}B`, // the last character has two bits to spare
      `ni:///sha-256-128;${zeros.slice(0, 22)}`,
      `ni:///sha-256;${zeros}=`,
      'ni:',
      `hl:${base58btc.encode(createDigest(0x13, new Uint8Array(64)).bytes)}`,
      `hl:${base58btc.encode(new Uint8Array(34))}`,
      `hl:${base58btc.encode(createDigest(0x12, new Uint8Array(32)).bytes)}:zQm`,
      'hl:z0OIl',
      `&${zeros}.sha256`,
      `&${zeros.slice(1)}B=.sha256`,
      `&${zeros}=.sha512`,
      `blossom:${'A'.repeat(64)}.png`,
      'blossom:'
    ]
    for (const text of bad) {
      assert.throws(
        () => parseContentName(text),
        { name: 'InvalidInputError', message: /is not .*sha2-256/ },
        text
      )
    }
  })

  test('reads base36, which fits the one label of a host name that a gateway has for it', () => {
    const cid = rawCidOf(new Uint8Array(digestBytes).fill(9))
    const name = parseContentName(cid.toString(base36))
    assert.ok(name.kind === 'cid' && name.cid.equals(cid))
  })

  test('refuses anything else with InvalidInputError and never with another error', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 200 }),
          fc.base64String(),
          fc.stringMatching(/^[0-9a-fA-F.]{0,130}$/)
        ),
        (text) => {
          try {
            parseContentName(text)
          } catch (err) {
            assert.ok(err instanceof InvalidInputError, String(err))
          }
        }
      ),
      { numRuns: 1_000 }
    )
  })

  const digest = 'ab'.repeat(32)
  const refused: Record<string, string> = {
    'an empty name': '',
    'a name longer than the limit': 'b'.repeat(limits.nameCharsMax + 1),
    'a digest one digit short': digest.slice(1),
    'a digest one digit long': `${digest}a`,
    'an extension with a slash': `${digest}./etc`,
    'an extension that is a path upwards': `${digest}...`,
    'an empty extension': `${digest}.`,
    'two extensions': `${digest}.tar.gz`,
    'white space': ` ${digest}`,
    'a NUL': `${digest}\0`,
    'a base that nobody writes names in': rawCidOf(new Uint8Array(digestBytes)).toString(base16),
    'another hash than sha2-256': CID.createV1(0x55, createDigest(0x13, new Uint8Array(64))).toString(),
    'an identity hash, which would carry its bytes in its name': CID.createV1(
      0x55,
      createDigest(0x00, new Uint8Array(32))
    ).toString(),
    'a sha2-256 of 31 bytes': CID.createV1(0x55, createDigest(0x12, new Uint8Array(31))).toString()
  }
  for (const [what, text] of Object.entries(refused)) {
    test(`refuses ${what}`, () => assert.throws(() => parseContentName(text), { name: 'InvalidInputError' }))
  }
})

test('rawCidOf names the digest, and a CID of a file of one block holds it', () => {
  fc.assert(
    fc.property(digests, (digest) => {
      const cid = rawCidOf(digest)
      assert.equal(cid.code, 0x55)
      assert.deepEqual(parseCid(cid.toString()).multihash.digest, digest)
    })
  )
})

test('hex there and back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => assert.deepEqual(fromHex(toHex(bytes)), bytes))
  )
})

test('toHex of a view shows the view, not the buffer behind it', () => {
  assert.equal(toHex(Uint8Array.of(1, 2, 3, 4).subarray(1, 3)), '0203')
})
