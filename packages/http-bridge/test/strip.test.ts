// Metadata removal: nothing personal left, not one pixel changed, however the bytes are cut into chunks; and input
// that is damaged or hostile ends in a typed refusal or in a file, never in anything else.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, describe, it } from 'node:test'
import { OperatingError } from '@commonhold/core'
import fc from 'fast-check'
import sharp from 'sharp'
import { sniff } from '../src/sniff.ts'
import { ByteReader } from '../src/strip/byte-reader.ts'
import { orientationOf, tiffWith } from '../src/strip/orientation.ts'
import { stripMetadata } from '../src/strip/strip.ts'
import { box, fullBox, gifWithEverything, movie } from './media-builders.ts'

const secret = 'SECRET-at-52.5200N-13.4050E'
const fixtures = new URL('../../../test/fixtures/', import.meta.url)
const bytesMax = 1024 * 1024

async function strip(
  type: string,
  bytes: Uint8Array,
  cut = 65_536
): Promise<{ out: Buffer; removed: string[] }> {
  const stripped = stripMetadata(type, new ByteReader(pieces(bytes, cut)), bytesMax)
  const out: Uint8Array[] = []
  for await (const part of stripped.bytes) out.push(new Uint8Array(part))
  return { out: Buffer.concat(out), removed: [...(stripped.removed ?? [])].sort() }
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** Pixels as stored, and as shown with the orientation applied. */
async function pixels(bytes: Uint8Array): Promise<{ stored: Buffer; shown: Buffer }> {
  const stored = await sharp(bytes, { animated: true }).raw().toBuffer()
  const shown = await sharp(bytes).autoOrient().raw().toBuffer()
  return { stored, shown }
}

const xmp = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="${secret}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`

async function picture(
  format: 'jpeg' | 'png' | 'webp' | 'avif' | 'gif',
  orientation: number
): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const
  return await sharp({ create: { width: 61, height: 37, channels: 3, background: 'teal', noise } })
    .withMetadata({ orientation })
    .withExifMerge({
      IFD0: { Copyright: secret },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 0/1' }
    })
    .withXmp(xmp)
    .withIccProfile('p3')
    .toFormat(format, format === 'webp' ? { lossless: true } : {})
    .toBuffer()
}

describe('pictures', () => {
  for (const format of ['jpeg', 'png', 'webp', 'avif'] as const) {
    for (const orientation of [1, 3, 6, 8]) {
      it(`${format} with orientation ${orientation}: pixels, profile and orientation stay, the rest goes`, async () => {
        const before = await picture(format, orientation)
        assert.ok(before.includes(secret), 'the test picture has something to hide')
        const type = (await sniff(before)).contentType
        assert.equal(type, `image/${format}`)
        const { out, removed } = await strip(type, before)
        assert.ok(!out.includes(secret))
        assert.ok(!out.includes('xmpmeta'))
        assert.ok(removed.includes('Exif'), removed.join())
        const [was, is] = [await sharp(before).metadata(), await sharp(out).metadata()]
        assert.equal(is.orientation ?? 1, was.orientation ?? 1)
        assert.deepEqual(is.icc, was.icc)
        assert.equal(is.xmp === undefined || !is.xmp.includes('<'), true)
        const [a, b] = [await pixels(before), await pixels(out)]
        assert.ok(a.stored.equals(b.stored))
        assert.ok(a.shown.equals(b.shown))
        assert.deepEqual((await strip(type, out)).out, out, 'a second pass changes nothing')
        for (const cut of [1, 2, 3, 7, 1000])
          assert.deepEqual((await strip(type, before, cut)).out, out, `cut ${cut}`)
      })
    }
  }

  it('the photograph of the fixtures loses its place and keeps its orientation', async () => {
    const before = await readFile(new URL('coffee.jpg', fixtures))
    const { out, removed } = await strip('image/jpeg', before)
    const [was, is] = [await sharp(before).metadata(), await sharp(out).metadata()]
    assert.equal(is.orientation, was.orientation)
    assert.ok(was.exif !== undefined && was.exif.length > 100, 'the fixture has Exif')
    assert.ok(removed.includes('Exif'))
    assert.ok((is.exif?.length ?? 0) <= 6 + 26)
    assert.ok((await pixels(before)).stored.equals((await pixels(out)).stored))
  })

  it('progressive JPEG with comments, thumbnails, makers’ blocks and a film behind the picture', async () => {
    const plain = await sharp({ create: { width: 80, height: 60, channels: 3, background: 'red' } })
      .jpeg({ progressive: true })
      .toBuffer()
    const segment = (marker: number, text: string): Buffer => {
      const body = Buffer.from(text, 'latin1')
      return Buffer.concat([
        Buffer.from([0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 0xff]),
        body
      ])
    }
    const before = Buffer.concat([
      plain.subarray(0, 2),
      segment(0xe0, `JFIF\0\x01\x02\0\0\x01\0\x01\x01\x01${secret.slice(0, 3)}`),
      segment(0xe0, `JFXX\0${secret}`),
      segment(0xe2, `MPF\0${secret}`),
      segment(0xed, `Photoshop 3.0\0${secret}`),
      segment(0xeb, `JP${secret}`),
      segment(0xfe, secret),
      Buffer.from([0xff, 0xff, 0xff]),
      plain.subarray(3),
      Buffer.from(`\0\0\0\x18ftypmp42${secret}`)
    ])
    const { out, removed } = await strip('image/jpeg', before, 11)
    assert.ok(!out.includes('SEC'))
    assert.deepEqual(removed, ['APP0', 'APP11', 'APP2', 'IPTC', 'comment', 'thumbnail', 'trailing data'])
    assert.ok((await pixels(before)).stored.equals((await pixels(out)).stored))
  })

  it('animated GIF keeps frames, loop and timing, and loses comment and XMP', async () => {
    const before = await gifWithEverything(secret, xmp)
    const { out, removed } = await strip('image/gif', before)
    assert.ok(!out.includes(secret))
    assert.deepEqual(removed, ['XMP', 'comment', 'trailing data'])
    const [was, is] = [
      await sharp(before, { animated: true }).metadata(),
      await sharp(out, { animated: true }).metadata()
    ]
    assert.equal(is.pages, 3)
    assert.deepEqual([is.loop, is.delay], [was.loop, was.delay])
    assert.ok((await pixels(before)).stored.equals((await pixels(out)).stored))
    for (const cut of [1, 5]) assert.deepEqual((await strip('image/gif', before, cut)).out, out)
  })

  it('animated WebP keeps its frames', async () => {
    const gif = await gifWithEverything('', '')
    const before = await sharp(gif, { animated: true }).webp({ lossless: true }).withXmp(xmp).toBuffer()
    const { out } = await strip('image/webp', before)
    assert.ok(!out.includes(secret))
    assert.equal(out.length, before.length)
    assert.equal((await sharp(out, { animated: true }).metadata()).pages, 3)
    assert.ok((await pixels(before)).stored.equals((await pixels(out)).stored))
  })

  it('PNG loses text, time, private chunks and what follows its end', async () => {
    const before = Buffer.concat([await picture('png', 1), Buffer.from(secret)])
    const { out, removed } = await strip('image/png', before)
    assert.ok(!out.includes('SECRET'))
    assert.ok(removed.includes('trailing data') && removed.includes('text'))
  })

  it('HEIC-like items inside idat, before and after their description', async () => {
    const heif = (place: 'idat' | 'behind' | 'before'): Buffer => heifWith(place)
    for (const place of ['idat', 'behind'] as const) {
      const { out, removed } = await strip('image/heic', heif(place), 5)
      assert.equal(out.length, heif(place).length)
      assert.ok(!out.includes(secret), place)
      assert.ok(out.includes('PIXELS'), place)
      assert.deepEqual(removed, ['Exif', 'XMP'])
    }
    await assert.rejects(strip('image/heic', heif('before')), {
      name: 'InvalidInputError',
      message: /metadata=keep/
    })
  })
})

describe('film and sound', () => {
  it('blanks place, time and owner without moving a byte, wherever moov stands', async () => {
    for (const order of ['moov first', 'moov last'] as const) {
      const before = movie(secret, order)
      const { out, removed } = await strip('video/mp4', before)
      assert.equal(out.length, before.length)
      assert.ok(!out.includes(secret))
      assert.ok(out.includes('SAMPLES') && out.includes('stco-table'))
      assert.equal(out.indexOf('SAMPLES'), before.indexOf('SAMPLES'))
      assert.deepEqual(removed, ['time', 'timed metadata', 'user data', 'uuid'])
      assert.deepEqual((await strip('video/mp4', out)).out, out)
      for (const cut of [1, 3, 17]) assert.deepEqual((await strip('video/mp4', before, cut)).out, out)
    }
  })

  it('the film of the fixtures keeps every byte of its samples', async () => {
    const before = await readFile(new URL('coffee.mp4', fixtures))
    const { out } = await strip('video/mp4', before)
    assert.equal(out.length, before.length)
    const data = before.indexOf('mdat')
    const length = before.readUInt32BE(data - 4)
    assert.ok(out.subarray(data - 4, data - 4 + length).equals(before.subarray(data - 4, data - 4 + length)))
    assert.ok(!out.includes('\xa9xyz', 0, 'latin1'))
    assert.ok(!out.includes('udta'))
  })

  it('refuses a moov larger than it may hold, by name', async () => {
    const head = Buffer.alloc(8)
    head.writeUInt32BE(bytesMax + 1)
    head.write('moov', 4, 'latin1')
    await assert.rejects(strip('video/mp4', Buffer.concat([box('ftyp', 'isom'), head])), {
      name: 'TooLargeError'
    })
  })
})

describe('damaged and hostile input', () => {
  const seeds = new Map<string, Buffer>()
  before(async () => {
    for (const format of ['jpeg', 'png', 'webp', 'avif'] as const)
      seeds.set(`image/${format}`, await picture(format, 6))
    seeds.set('image/gif', await gifWithEverything(secret, xmp))
    seeds.set('image/heic', heifWith('behind'))
    seeds.set('video/mp4', movie(secret, 'moov last'))
  })

  it('a file cut at any point is stored without what is removed, or refused', async () => {
    for (const [type, bytes] of seeds) {
      const step = Math.max(1, Math.floor(bytes.length / 400))
      for (let length = 0; length < bytes.length; length += step) {
        const out = await outcome(type, bytes.subarray(0, length), 1000)
        assert.ok(out === undefined || !out.includes(secret), `${type} cut at ${length}`)
      }
    }
  })

  it('mutations end in a file or in a refusal, and never grow', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds.keys()),
        fc.array(
          fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.uint8Array({ minLength: 1, maxLength: 8 })),
          { maxLength: 6 }
        ),
        fc.integer({ min: 1, max: 3000 }),
        async (type, changes, cut) => {
          const bytes = Buffer.from(seeds.get(type) ?? '')
          for (const [where, what] of changes)
            bytes.set(what.subarray(0, bytes.length), Math.floor(where * (bytes.length - 8)))
          const out = await outcome(type, bytes, cut)
          assert.ok(out === undefined || out.length <= bytes.length + 64)
        }
      ),
      { numRuns: 6000 }
    )
  })

  it('garbage behind every signature', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...seeds.keys()),
        fc.uint8Array({ maxLength: 300 }),
        async (type, garbage) => {
          await outcome(
            type,
            Buffer.concat([(seeds.get(type) ?? Buffer.alloc(0)).subarray(0, 12), garbage]),
            7
          )
        }
      ),
      { numRuns: 3000 }
    )
  })

  it('reads an orientation from any bytes without stumbling', () => {
    for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8] as const)
      assert.equal(orientationOf(tiffWith(orientation)), orientation)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const head of ['II*\0', 'MM\0*', '']) {
          const found = orientationOf(Buffer.concat([Buffer.from(head, 'latin1'), bytes]))
          assert.ok(found === undefined || (found >= 1 && found <= 8))
        }
      }),
      { numRuns: 5000 }
    )
  })

  async function outcome(type: string, bytes: Uint8Array, cut: number): Promise<Buffer | undefined> {
    try {
      return (await strip(type, bytes, cut)).out
    } catch (err) {
      if (err instanceof OperatingError) return undefined
      throw err
    }
  }
})

function heifWith(place: 'idat' | 'behind' | 'before'): Buffer {
  const tiff = Buffer.concat([Buffer.alloc(4), tiffWith(3), Buffer.from(secret)])
  const about = Buffer.from(xmp)
  const data = Buffer.concat([tiff, about, Buffer.from('PIXELS')])
  const ftyp = box('ftyp', 'heic\0\0\0\0mif1heic')
  const meta = (method: number, base: number): Buffer => {
    const item = (id: number, from: number, length: number): Buffer => {
      const bytes = Buffer.alloc(16)
      bytes.writeUInt16BE(id, 0)
      bytes.writeUInt16BE(method, 2)
      bytes.writeUInt16BE(1, 6)
      bytes.writeUInt32BE(base + from, 8)
      bytes.writeUInt32BE(length, 12)
      return bytes
    }
    const entry = (id: number, type: string): Buffer =>
      fullBox('infe', 2, Buffer.from([0, id, 0, 0]), type, '\0')
    return fullBox(
      'meta',
      0,
      fullBox('hdlr', 0, Buffer.alloc(4), 'pict', Buffer.alloc(13)),
      fullBox('iinf', 0, Buffer.from([0, 3]), entry(1, 'hvc1'), entry(2, 'Exif'), entry(3, 'mime')),
      fullBox(
        'iloc',
        1,
        Buffer.from([0x44, 0x00, 0, 3]),
        item(1, tiff.length + about.length, 6),
        item(2, 0, tiff.length),
        item(3, tiff.length, about.length)
      ),
      method === 1 ? box('idat', data) : Buffer.alloc(0)
    )
  }
  if (place === 'idat') return Buffer.concat([ftyp, meta(1, 0)])
  if (place === 'before') return Buffer.concat([ftyp, box('mdat', data), meta(0, ftyp.length + 8)])
  const metaBytes = meta(0, 0).length
  return Buffer.concat([ftyp, meta(0, ftyp.length + metaBytes + 8), box('mdat', data)])
}
