// Scaled pictures: what may be asked for, what comes back, and what a picture made to do harm gets. Real decoders in
// their processes. Seen to fail with the list of sizes not asked, the pixel limit left out, the single flight taken
// away, and the policy not asked again.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import sharp from 'sharp'
import { canonical, encoder, signatureOf, type Variant } from '../src/media/variant.ts'
import { Bridge, json } from './client.ts'

describe('scaled pictures', () => {
  let bridge: Bridge
  let photo: Buffer
  before(async () => {
    bridge = await Bridge.start({
      variantKey: 'a shared secret',
      variantPixelsMax: 4_000_000,
      variantMsMax: 60_000
    })
    photo = await sharp({ create: { width: 1200, height: 800, channels: 3, background: 'teal' } })
      .jpeg()
      .withExif({ IFD0: { Copyright: 'somebody' } })
      .toBuffer()
  })
  after(() => bridge[Symbol.asyncDispose]())

  it('comes in the format and the size asked for, upright and without metadata, from near and far', async () => {
    const turned = await sharp(photo).withMetadata({ orientation: 6 }).toBuffer()
    for (const local of [true, false]) {
      const object = bridge.pool.add(turned, { local })
      const small = await bridge.ask(`/media/${object.root}?width=320`)
      assert.equal(small.status, 200, small.body.toString())
      assert.equal(small.headers['content-type'], 'image/webp')
      assert.match(String(small.headers['content-security-policy']), /sandbox$/)
      const seen = await sharp(small.body).metadata()
      assert.deepEqual([seen.format, seen.width, seen.height, seen.exif], ['webp', 320, 480, undefined])
      const cut = await bridge.ask(
        `/media/${object.root}?width=128&height=128&fit=cover&format=jpeg&quality=50`
      )
      const { format, width, height } = await sharp(cut.body).metadata()
      assert.deepEqual([format, width, height], ['jpeg', 128, 128])
      assert.deepEqual((await bridge.ask(`/media/${object.root}`)).body, turned, 'the object is what it was')
    }
    const tiny = bridge.pool.add(await sharp(photo).resize(50).png().toBuffer())
    const same = await sharp((await bridge.ask(`/media/${tiny.root}?width=640`)).body).metadata()
    assert.equal(same.width, 50, 'never larger than it is')
  })

  it('is the same bytes each time, with a tag of its own, and cached', async () => {
    const object = bridge.pool.add(await sharp(photo).modulate({ hue: 40 }).toBuffer(), { local: false })
    const path = `/media/${object.root}?width=256`
    const first = await bridge.ask(path)
    assert.equal(first.headers['cache-status'], 'Commonhold; fwd=miss')
    assert.notEqual(first.headers['etag'], `"${object.root}"`)
    const fetched = bridge.pool.fetches.length
    const again = await bridge.ask(path)
    assert.equal(again.headers['cache-status'], 'Commonhold; hit')
    assert.deepEqual(again.body, first.body)
    const unchanged = await bridge.ask(path, { headers: { 'if-none-match': String(first.headers['etag']) } })
    assert.deepEqual([unchanged.status, unchanged.body.length], [304, 0])
    assert.equal(bridge.pool.fetches.length, fetched)
    assert.equal(
      (await bridge.ask(path, { method: 'HEAD' })).headers['content-length'],
      String(first.body.length)
    )
    await bridge.ask(`/media/${object.root}`, { method: 'PURGE', headers: { authorization: 'Bearer all' } })
    const anew = await bridge.ask(path)
    assert.equal(anew.headers['cache-status'], 'Commonhold; fwd=miss')
    assert.deepEqual(anew.body, first.body, 'made anew, the same bytes')
  })

  it('is made once for all who ask at the same time', async () => {
    const object = bridge.pool.add(await sharp(photo).modulate({ hue: 80 }).toBuffer())
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => bridge.ask(`/media/${object.root}?width=480`))
    )
    const sources = answers.map((answer) => answer.headers['cache-status'])
    assert.equal(sources.filter((source) => source === 'Commonhold; fwd=miss').length, 1, sources.join())
  })

  it('keeps a moving picture moving, unless a still one is asked for', async () => {
    const frames = await Promise.all(
      ['red', 'green', 'blue'].map((background) =>
        sharp({ create: { width: 200, height: 100, channels: 3, background } })
          .png()
          .toBuffer()
      )
    )
    const gif = await sharp(frames, { join: { animated: true } })
      .gif({ delay: [100, 100, 100] })
      .toBuffer()
    const object = bridge.pool.add(gif)
    const pages = async (query: string) =>
      (await sharp((await bridge.ask(`/media/${object.root}?width=128${query}`)).body).metadata()).pages ?? 1
    assert.equal(await pages(''), 3)
    assert.equal(await pages('&animated=false'), 1)
    assert.equal(await pages('&format=jpeg'), 1)
    assert.equal(json(await bridge.ask(`/media/${object.root}/meta`)).frames, 3)
  })

  it('tells what a picture shows without sending it', async () => {
    const object = bridge.pool.add(await sharp(photo).withMetadata({ orientation: 6 }).toBuffer())
    const meta = json(await bridge.ask(`/media/${object.root}/meta`))
    const { width, height, frames, type, size } = meta
    assert.deepEqual([width, height, frames, type, size], [800, 1200, 1, 'image/jpeg', object.bytes.length])
    assert.match(String(meta.blurhash), /^[0-9A-Za-z#$%*+,\-.:;=?@[\]^_{|}~]{28}$/)
    const text = bridge.pool.add(Buffer.from('words'))
    assert.deepEqual(Object.keys(json(await bridge.ask(`/media/${text.root}/meta`))), [
      'cid',
      'sha256',
      'size',
      'type'
    ])
  })

  it('is made in listed sizes, or in signed ones, and in no others', async () => {
    const object = bridge.pool.add(photo)
    const bad = [
      'width=321',
      'width=320&quality=81',
      'format=webp',
      'width=0',
      'width=99999',
      'width=1e3',
      'width=320&format=svg',
      'width=320&fit=cover',
      'width=320&fit=fill',
      'width=320&animated=maybe',
      'width=321&sig=AAAA'
    ]
    for (const query of bad) {
      const answer = await bridge.ask(`/media/${object.root}?${query}`)
      assert.equal(answer.status, 400, query)
    }
    const variant: Variant = { width: 321, fit: 'inside', format: 'webp', quality: 80, animated: true }
    const sig = signatureOf(object.root.toString(), variant, 'a shared secret')
    const signed = await bridge.ask(`/media/${object.root}?width=321&sig=${sig}`)
    assert.equal(signed.status, 200)
    assert.equal((await sharp(signed.body).metadata()).width, 321)
    for (const query of [`width=322&sig=${sig}`, `width=321&quality=10&sig=${sig}`]) {
      assert.equal((await bridge.ask(`/media/${object.root}?${query}`)).status, 400, query)
    }
    assert.equal(canonical(variant), 'w321h-inside-webp-q80')
  })

  it('refuses what would harm the decoder, in words', async () => {
    const bomb = pngOf(10_000, 10_000)
    assert.ok(bomb.length < 400_000)
    const cases: readonly (readonly [what: string, bytes: Buffer, said: RegExp])[] = [
      ['a bomb', bomb, /pixel/i],
      ['a bomb that is one long line', pngOf(30_000, 1000), /pixel/i],
      ['cut off', photo.subarray(0, photo.length / 2), /not decoded|ended its decoder/],
      [
        'a picture in name only',
        Buffer.concat([photo.subarray(0, 20), Buffer.alloc(5000, '<script>')]),
        /not decoded/
      ],
      ['a document with a picture inside', Buffer.concat([Buffer.from('%PDF-1.7\n'), photo]), /octet-stream/],
      ['drawn by program', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /octet-stream/]
    ]
    for (const [what, bytes, said] of cases) {
      const object = bridge.pool.add(bytes)
      const answer = await bridge.ask(`/media/${object.root}?width=320`)
      assert.equal(answer.status, 422, `${what}: ${answer.body}`)
      assert.match(String(json(answer).detail), said, what)
    }
    const well = bridge.pool.add(await sharp(photo).modulate({ hue: 200 }).toBuffer())
    assert.equal((await bridge.ask(`/media/${well.root}?width=64`)).status, 200, 'and goes on')
  })

  it('is refused where the object is', async () => {
    const denied = bridge.pool.add(await sharp(photo).modulate({ hue: 120 }).toBuffer())
    assert.equal((await bridge.ask(`/media/${denied.root}?width=64`)).status, 200)
    bridge.pool.deny(denied)
    for (const path of ['?width=64', '?width=96', '/meta']) {
      assert.equal((await bridge.ask(`/media/${denied.root}${path}`)).status, 410, path)
    }
    const members = bridge.pool.add(await sharp(photo).modulate({ hue: 160 }).toBuffer(), {
      visibility: 'members'
    })
    assert.equal((await bridge.ask(`/media/${members.root}?width=64`)).status, 401)
    const shown = await bridge.ask(`/media/${members.root}?width=64`, {
      headers: { authorization: 'Bearer reader' }
    })
    assert.deepEqual([shown.status, String(shown.headers['cache-control']).split(',')[0]], [200, 'private'])
    assert.equal((await bridge.ask(`/media/${'f'.repeat(64)}?width=64`)).status, 404)
  })

  it('names its encoder in the tag', async () => {
    const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
    assert.equal(encoder, `sharp-${manifest.dependencies.sharp}`)
  })
})

describe('scaling that takes too long', () => {
  it('is given up, and the next picture has a process of its own', async () => {
    await using bridge = await Bridge.start({ variantMsMax: 1 })
    const object = bridge.pool.add(
      await sharp({ create: { width: 100, height: 100, channels: 3, background: 'red' } })
        .png()
        .toBuffer()
    )
    for (let i = 0; i < 3; i++) {
      const answer = await bridge.ask(`/media/${object.root}?width=64`)
      assert.equal(answer.status, 422)
      assert.match(String(json(answer).detail), /given up after 1 ms/)
    }
  })
})

/** A valid PNG of so many black pixels, a few hundred kilobytes whatever they are. */
function pngOf(width: number, height: number): Buffer {
  const chunk = (type: string, data: Uint8Array): Buffer => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 0, 0, 0, 0], 8)
  const rows = deflateSync(Buffer.alloc((width + 1) * height), { level: 9 })
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', new Uint8Array())
  ])
}
