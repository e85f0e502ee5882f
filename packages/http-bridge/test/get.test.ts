// Reading: headers, types, ranges, conditions, and the three ways of not being there told apart.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { rawCidOf, toHex } from '@commonhold/core'
import { base58btc } from 'multiformats/bases/base58'
import sharp from 'sharp'
import { Bridge, json } from './client.ts'
import { Gate, unreachable } from './in-memory-pool.ts'

const MiB = 1024 * 1024

describe('GET of an object', () => {
  let bridge: Bridge
  let png: Buffer
  before(async () => {
    bridge = await Bridge.start({ upstreamWaitMsMax: 300 })
    png = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'teal' } })
      .png()
      .toBuffer()
  })
  after(() => bridge[Symbol.asyncDispose]())

  it('answers by CID, by digest, with and without extension, on both routes', async () => {
    for (const local of [true, false]) {
      const object = bridge.pool.add(png, { local })
      const names = [
        `/ipfs/${object.root}`,
        `/media/${object.root}`,
        `/media/${toHex(object.digest)}.png`,
        `/ipfs/${object.root}/`
      ]
      for (const path of names) {
        const answer = await bridge.ask(path)
        assert.equal(answer.status, 200, path)
        assert.deepEqual(answer.body, png)
        assert.equal(answer.headers['content-type'], 'image/png')
        assert.equal(answer.headers['content-length'], String(png.length))
        assert.equal(answer.headers['etag'], `"${object.root}"`)
        assert.equal(answer.headers['cache-control'], 'public, max-age=29030400, immutable')
        assert.equal(answer.headers['x-content-type-options'], 'nosniff')
        assert.match(String(answer.headers['content-security-policy']), /^default-src 'none'.*sandbox$/)
        assert.equal(answer.headers['cross-origin-resource-policy'], 'cross-origin')
        assert.equal(answer.headers['access-control-allow-origin'], '*')
        assert.equal(answer.headers['referrer-policy'], 'no-referrer')
        assert.equal(answer.headers['content-disposition'], undefined)
      }
      const head = await bridge.ask(`/media/${object.root}`, {
        method: 'HEAD',
        headers: { range: 'bytes=1-2' }
      })
      assert.equal(head.status, 200)
      assert.equal(head.headers['content-length'], String(png.length))
      assert.equal(head.body.length, 0)
    }
  })

  // Seen to fail with the source of a joined flight called its own, and with PURGE leaving the pieces.
  it('says where bytes came from, and forgets what it does not keep when told to', async () => {
    const kept = bridge.pool.add(Buffer.concat([png, Buffer.from('kept')]))
    const passing = bridge.pool.add(Buffer.concat([png, Buffer.from('passing')]), { local: false })
    const statusOf = async (root: unknown): Promise<unknown> =>
      (await bridge.ask(`/media/${root}`)).headers['cache-status']
    assert.equal(await statusOf(kept.root), 'Commonhold; fwd=bypass; detail=kept-here')
    assert.equal(await statusOf(passing.root), 'Commonhold; fwd=miss')
    assert.equal(await statusOf(passing.root), 'Commonhold; hit')

    const purge = (token?: string, name = `${passing.root}`) =>
      bridge.ask(`/media/${name}`, {
        method: 'PURGE',
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` }
      })
    assert.equal((await purge()).status, 401)
    assert.equal((await purge('uploader')).status, 403)
    assert.equal(await statusOf(passing.root), 'Commonhold; hit')
    assert.equal((await purge('all', 'no-name')).status, 400)
    assert.equal((await purge('all')).status, 204)
    assert.equal(await statusOf(passing.root), 'Commonhold; fwd=miss')
    assert.equal((await purge('all', `${kept.root}`)).status, 204)
    assert.equal(await statusOf(kept.root), 'Commonhold; fwd=bypass; detail=kept-here')
  })

  // Seen to fail with each row of other-spellings.ts taken out.
  it('answers under the addresses of other networks, as they state', async () => {
    // A digest whose base64 holds a slash and a plus, which is where paths go wrong.
    let object = bridge.pool.add(png)
    for (let i = 0; !/\/.*\+|\+.*\//.test(Buffer.from(object.digest).toString('base64')); i++) {
      object = bridge.pool.add(Buffer.concat([png, Buffer.from(`${i}`)]))
    }
    const digest = Buffer.from(object.digest)
    const hl = `hl:${base58btc.encode(rawCidOf(object.digest).multihash.bytes)}`
    const ssb = `&${digest.toString('base64')}.sha256`
    const paths = [
      `/${toHex(digest)}`,
      `/${toHex(digest)}.png`,
      `/${toHex(digest).toUpperCase()}`,
      `/.well-known/ni/sha-256/${digest.toString('base64url')}`,
      `/.well-known/ni/sha-256/${digest.toString('base64url')}?ct=text/html`,
      `/.well-known/apgateway/${hl}`,
      `/.well-known/apgateway/${encodeURIComponent(hl)}`,
      `/blobs/get/${ssb}`,
      `/blobs/get/${encodeURIComponent(ssb)}`
    ]
    for (const path of paths) {
      for (const method of ['GET', 'HEAD'] as const) {
        const answer = await bridge.ask(path, { method })
        assert.equal(answer.status, 200, path)
        assert.equal(answer.headers['content-type'], 'image/png')
        assert.equal(answer.headers['etag'], `"${object.root}"`)
        assert.deepEqual(answer.body, method === 'GET' ? Buffer.from(object.bytes) : Buffer.alloc(0))
      }
      const part = await bridge.ask(path, { headers: { range: 'bytes=1-3' } })
      assert.equal(part.status, 206, path)
      assert.equal((await bridge.ask(path, { method: 'PUT' })).status, 405, path)
    }
    const unknown = Buffer.alloc(32, 7)
    const malformed = [
      `/${'f'.repeat(64)}.`,
      '/.well-known/ni/sha-256/short',
      `/.well-known/apgateway/hl:${base58btc.encode(new Uint8Array(34))}`,
      `/.well-known/apgateway/${hl}:zMetadata`,
      '/.well-known/apgateway/did:key:z6Mk/objects',
      `/blobs/get/${ssb}x`,
      `/blobs/get/${digest.toString('base64')}.sha256`
    ]
    for (const path of malformed) {
      const { status } = await bridge.ask(path)
      assert.ok(status === 400 || (status === 404 && path.includes('/objects')), `${path}: ${status}`)
    }
    for (const path of [
      `/${toHex(unknown)}`,
      `/.well-known/ni/sha-256/${unknown.toString('base64url')}`,
      `/.well-known/apgateway/hl:${base58btc.encode(rawCidOf(unknown).multihash.bytes)}`,
      `/blobs/get/&${unknown.toString('base64')}.sha256`
    ]) {
      assert.equal((await bridge.ask(path)).status, 404, path)
    }
  })

  it('serves what is no picture, video or sound only as a download, of no type or as plain text', async () => {
    const dangerous = {
      html: '<!doctype html><script>alert(1)</script>',
      svg: '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
      xml: '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
      pdf: '%PDF-1.7\n%âãÏÓ',
      empty: ''
    }
    for (const [kind, text] of Object.entries(dangerous)) {
      const object = bridge.pool.add(Buffer.from(text))
      const answer = await bridge.ask(`/media/${object.root}?filename=${kind}.html`)
      assert.equal(answer.status, 200, kind)
      assert.equal(answer.headers['content-type'], 'application/octet-stream', kind)
      assert.match(String(answer.headers['content-disposition']), /^attachment; filename=/, kind)
    }
    const text = bridge.pool.add(Buffer.from('just text, 1 < 2'))
    const answer = await bridge.ask(`/media/${text.root}?filename=text.html`)
    assert.equal(answer.headers['content-type'], 'text/plain; charset=utf-8')
    assert.match(String(answer.headers['content-disposition']), /^attachment; filename=/)
  })

  it('names downloads as asked, without letting the name do anything else', async () => {
    const object = bridge.pool.add(png)
    const dispositionFor = async (query: string): Promise<string | undefined> =>
      (await bridge.ask(`/media/${object.root}?${query}`)).headers['content-disposition']
    assert.equal(await dispositionFor('filename=cat.png'), 'inline; filename=cat.png')
    assert.match(
      String(await dispositionFor('filename=cat.png&download=true')),
      /^attachment; filename="?cat\.png"?$/
    )
    assert.match(String(await dispositionFor('filename=..%2F..%2Fetc%2Fpasswd')), /filename="?passwd"?$/)
    for (const hostile of [
      '%0d%0aSet-Cookie:%20a=b',
      '%22;%20x=%22',
      'a%E2%80%AEgpj.exe',
      '%F0%9F%90%88',
      '%ff',
      'a'.repeat(5000)
    ]) {
      const shown = await dispositionFor(`filename=${hostile}`)
      assert.ok(shown === undefined || shown.startsWith('inline'), hostile)
      assert.ok((shown ?? '').length < 2000)
      assert.doesNotMatch(shown ?? '', /\u202e|set-cookie:\s*a=b.*\n/i)
    }
  })

  it('clamps, ignores and refuses ranges as RFC 9110 section 14 says', async () => {
    const bytes = randomBytes(1000)
    for (const local of [true, false]) {
      const object = bridge.pool.add(bytes, { local })
      const etag = `"${object.root}"`
      const table: [range: string, status: number, from: number, to: number, ifRange?: string][] = [
        ['bytes=0-0', 206, 0, 1],
        ['bytes=0-999', 206, 0, 1000],
        ['bytes=0-1000', 206, 0, 1000],
        ['bytes=990-99999999999', 206, 990, 1000],
        ['bytes=500-', 206, 500, 1000],
        ['bytes=-1', 206, 999, 1000],
        ['bytes=-5000', 206, 0, 1000],
        ['Bytes = 5-9', 206, 5, 10],
        ['bytes=1000-', 416, 0, 0],
        ['bytes=5000-6000', 416, 0, 0],
        ['bytes=-0', 416, 0, 0],
        ['bytes=9-5', 200, 0, 1000],
        ['bytes=a-b', 200, 0, 1000],
        ['bytes=-', 200, 0, 1000],
        ['bytes=5-6,2000-', 206, 5, 7],
        ['bytes=0-999,0-999', 200, 0, 1000],
        ['bytes=0-1,x', 200, 0, 1000],
        [`bytes=${'0-0,'.repeat(17)}`, 200, 0, 1000],
        ['items=0-5', 200, 0, 1000],
        ['bytes=0-5', 206, 0, 6, etag],
        ['bytes=0-5', 200, 0, 1000, `W/${etag}`],
        ['bytes=0-5', 200, 0, 1000, '"other"'],
        ['bytes=0-5', 200, 0, 1000, 'Wed, 21 Oct 2015 07:28:00 GMT']
      ]
      for (const [range, status, from, to, ifRange] of table) {
        const headers = ifRange === undefined ? { range } : { range, 'if-range': ifRange }
        const answer = await bridge.ask(`/ipfs/${object.root}`, { headers })
        assert.equal(answer.status, status, `${range} ${ifRange ?? ''}`)
        if (status === 416) {
          assert.equal(answer.headers['content-range'], 'bytes */1000')
          assert.equal(answer.headers['content-type'], 'application/problem+json')
          continue
        }
        assert.deepEqual(answer.body, bytes.subarray(from, to), range)
        assert.equal(
          answer.headers['content-range'],
          status === 206 ? `bytes ${from}-${to - 1}/1000` : undefined
        )
      }
    }
  })

  it('serves ranges across leaves of any size, byte for byte', async () => {
    const bytes = randomBytes(3 * MiB + 77)
    for (const leafBytes of [MiB, 256 * 1024, 262_158, 2 * MiB]) {
      bridge.pool.leafBytes = leafBytes
      const object = bridge.pool.add(Buffer.concat([bytes, Buffer.from(String(leafBytes))]), { local: false })
      for (const [from, to] of [
        [MiB - 1, MiB + 1],
        [5, 3 * MiB],
        [2 * MiB, 2 * MiB + 1],
        [0, object.bytes.length]
      ] as const) {
        const answer = await bridge.ask(`/ipfs/${object.root}`, {
          headers: { range: `bytes=${from}-${to - 1}` }
        })
        assert.equal(answer.status, 206)
        assert.ok(answer.body.equals(object.bytes.subarray(from, to)), `${leafBytes}: ${from}-${to}`)
      }
    }
    bridge.pool.leafBytes = MiB
  })

  it('confirms a name without a look at size or bytes', async () => {
    const object = bridge.pool.add(randomBytes(100), { local: false })
    const etag = `"${object.root}"`
    const before = bridge.pool.stats
    for (const given of [etag, `W/${etag}`, '*', `"a", W/${etag}, "b"`]) {
      const answer = await bridge.ask(`/media/${object.root}`, { headers: { 'if-none-match': given } })
      assert.equal(answer.status, 304, given)
      assert.equal(answer.headers['etag'], etag)
      assert.equal(answer.body.length, 0)
    }
    assert.equal(bridge.pool.stats, before)
    assert.equal(
      (await bridge.ask(`/media/${object.root}`, { headers: { 'if-none-match': '"a", "b"' } })).status,
      200
    )
    assert.equal((await bridge.ask(`/media/${object.root}`, { headers: { 'if-match': '"a"' } })).status, 412)
    assert.equal((await bridge.ask(`/media/${object.root}`, { headers: { 'if-match': etag } })).status, 200)
  })

  it('tells not there, not wanted, denied and not answering apart', async () => {
    const absent = toHex(randomBytes(32))
    assert.equal((await bridge.ask(`/media/${absent}`)).status, 404)
    const nobody = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
    assert.equal((await bridge.ask(`/ipfs/${nobody}`)).status, 404)

    const unwanted = bridge.pool.add(randomBytes(10), { wanted: false })
    assert.equal((await bridge.ask(`/ipfs/${unwanted.root}`)).status, 404)

    const lost = bridge.pool.add(randomBytes(11), { local: false })
    bridge.pool.weather = unreachable
    const failing = await bridge.ask(`/ipfs/${lost.root}`)
    assert.equal(failing.status, 504)
    assert.ok(Number(failing.headers['retry-after']) > 0)
    assert.equal(json(failing)['type'], 'urn:commonhold:UnreachableError')

    const gate = new Gate()
    bridge.pool.weather = (_key, _offset, options) => gate.pass(options)
    assert.equal((await bridge.ask(`/ipfs/${lost.root}`)).status, 504, 'a source that says nothing at all')
    bridge.pool.weather = () => {}

    const bad = bridge.pool.add(randomBytes(12))
    bridge.pool.deny(bad)
    const gone = await bridge.ask(`/ipfs/${bad.root}`)
    assert.equal(gone.status, 410)
    assert.deepEqual(json(gone)['reasons'], ['on the list of this operator'])
    assert.equal(gone.headers['cache-control'], 'no-store')
  })

  it('gives members-only objects to tokens alone, and out of shared caches', async () => {
    const object = bridge.pool.add(randomBytes(20), { visibility: 'members' })
    const path = `/media/${object.root}`
    const without = await bridge.ask(path)
    assert.equal(without.status, 401)
    assert.equal(without.headers['www-authenticate'], 'Bearer')
    assert.equal((await bridge.ask(path, { headers: { authorization: 'Bearer wrong' } })).status, 401)
    assert.equal((await bridge.ask(path, { headers: { authorization: 'Bearer uploader' } })).status, 403)
    const etag = { 'if-none-match': `"${object.root}"` }
    assert.equal((await bridge.ask(path, { headers: etag })).status, 401, 'no oracle by way of 304')
    const answer = await bridge.ask(path, { headers: { authorization: 'Bearer reader' } })
    assert.equal(answer.status, 200)
    assert.match(String(answer.headers['cache-control']), /^private/)
    assert.equal((await bridge.ask(`/status/${object.root}`)).status, 401)
  })

  it('answers preflights for reading and names the methods there are', async () => {
    const options = await bridge.ask('/media/x', {
      method: 'OPTIONS',
      headers: { origin: 'https://a.example' }
    })
    assert.equal(options.status, 204)
    assert.match(String(options.headers['access-control-allow-headers']), /Range/)
    for (const [path, allow] of [
      ['/ipfs/x', 'GET, HEAD, OPTIONS'],
      ['/media/x', 'GET, HEAD, DELETE, PURGE, OPTIONS'],
      ['/media', 'POST, OPTIONS'],
      ['/', 'GET, HEAD, OPTIONS'],
      ['/livez', 'GET, HEAD, OPTIONS']
    ] as const) {
      const answer = await bridge.ask(path, { method: 'PROPFIND' })
      assert.equal(answer.status, 405, path)
      assert.equal(answer.headers['allow'], allow)
    }
  })
})
