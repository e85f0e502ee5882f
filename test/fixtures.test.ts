// The committed fixtures carry what the tests of metadata removal rely on; a re-encoded file would lose it unseen.

import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import test from 'node:test'
import sharp from 'sharp'
import { photograph, video } from '../scripts/make-fixtures.ts'

test('the photograph has orientation 6, EXIF with a position, XMP and a profile, and is small', async () => {
  const { format, width, height, orientation, exif, xmp, icc } = await sharp(photograph).metadata()
  assert.deepEqual(
    { format, width, height, orientation },
    { format: 'jpeg', width: 800, height: 1200, orientation: 6 }
  )
  // Tag 0x8825, the pointer to the directory of the position, little-endian, type LONG, one value.
  assert.ok(exif?.includes(Buffer.from('258804000100', 'hex')))
  assert.ok(exif?.includes('SN-0042'))
  assert.ok(xmp?.includes('exif:GPSLatitude'))
  assert.ok(icc !== undefined)
  assert.ok((await stat(photograph)).size <= 150_000)
})

test('the video begins with ftyp and moov, says where it was taken, and is small', async () => {
  const bytes = await readFile(video)
  const boxes: string[] = []
  for (let at = 0; at < bytes.length; at += bytes.readUInt32BE(at))
    boxes.push(bytes.toString('latin1', at + 4, at + 8))
  assert.deepEqual(boxes.slice(0, 2), ['ftyp', 'moov'])
  assert.ok(boxes.includes('mdat'))
  assert.ok(bytes.indexOf('loci') < bytes.indexOf('mdat'))
  assert.ok(bytes.length <= 200_000)
})
