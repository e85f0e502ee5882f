// Media files made by hand where no encoder puts in what a test needs.

import sharp from 'sharp'

export function box(type: string, ...parts: (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))
  )
  const head = Buffer.alloc(8)
  head.writeUInt32BE(8 + body.length)
  head.write(type, 4, 'latin1')
  return Buffer.concat([head, body])
}

export function fullBox(type: string, version: number, ...parts: (Uint8Array | string)[]): Buffer {
  return box(type, Buffer.from([version, 0, 0, 0]), ...parts)
}

/** A film as a phone makes it: place in user data, times, an XMP box and a track of timed metadata. */
export function movie(secret: string, order: 'moov first' | 'moov last'): Buffer {
  const times = Buffer.from('e2f3a4b5e2f3a4b6', 'hex')
  const track = (handler: string, hidden: string): Buffer =>
    box(
      'trak',
      fullBox('tkhd', 0, times, Buffer.alloc(72)),
      box(
        'mdia',
        fullBox('mdhd', 0, times, Buffer.alloc(12)),
        fullBox('hdlr', 0, Buffer.alloc(4), handler, Buffer.alloc(13)),
        box('minf', box('stbl', fullBox('stco', 0, 'stco-table', hidden)))
      ),
      box('udta', box('name', hidden))
    )
  const moov = box(
    'moov',
    fullBox('mvhd', 0, times, Buffer.alloc(88)),
    track('vide', ''),
    track('meta', secret),
    box('udta', box('\xa9xyz', secret)),
    box('meta', fullBox('hdlr', 0, Buffer.alloc(4), 'mdta', Buffer.alloc(13)), box('ilst', secret)),
    box('free', secret)
  )
  const data = box('mdat', 'SAMPLES '.repeat(50))
  const about = box('uuid', Buffer.from('be7acfcb97a942e89c71999491e3afac', 'hex'), secret)
  const ftyp = box('ftyp', 'isom\0\0\x02\0isomiso2mp41')
  return Buffer.concat(order === 'moov first' ? [ftyp, moov, about, data] : [ftyp, data, about, moov])
}

/** Three frames, looped, with a comment, XMP and something behind the end. */
export async function gifWithEverything(comment: string, xmp: string): Promise<Buffer> {
  const frame = (background: string): Promise<Buffer> =>
    sharp({ create: { width: 20, height: 10, channels: 3, background } })
      .png()
      .toBuffer()
  const frames = await Promise.all([frame('red'), frame('green'), frame('blue')])
  const plain = await sharp(frames, { join: { animated: true } })
    .gif({ loop: 2, delay: [100, 200, 300] })
    .toBuffer()
  if (comment === '') return plain
  const table = 3 * 2 ** (((plain[10] ?? 0) & 7) + 1)
  const at = 13 + ((plain[10] ?? 0) & 0x80 ? table : 0)
  const text = Buffer.from(comment, 'latin1')
  const magic = Buffer.concat([
    Buffer.from([1]),
    Buffer.from(Array.from({ length: 256 }, (_, i) => 255 - i)),
    Buffer.alloc(1)
  ])
  return Buffer.concat([
    plain.subarray(0, at),
    Buffer.concat([Buffer.from([0x21, 0xfe, text.length]), text, Buffer.alloc(1)]),
    Buffer.concat([Buffer.from([0x21, 0xff, 11]), Buffer.from('XMP DataXMP'), Buffer.from(xmp), magic]),
    plain.subarray(at),
    text
  ])
}
