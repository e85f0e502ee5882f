// The one thing of Exif that pictures are drawn by: the orientation. Read from a TIFF block, and written as the
// smallest TIFF block that says nothing else.

/** Exif 2.32 §4.6.4 A: 1 is upright, 2-8 are the mirrorings and quarter turns. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8

const orientationTag = 0x0112
const shortType = 3
/** More entries in one directory than any camera writes; what is beyond is not worth the time. */
const entriesMax = 1000

/** Orientation in IFD0 of a TIFF block; undefined when it is absent or the block is damaged. */
export function orientationOf(tiff: Uint8Array): Orientation | undefined {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length)
  if (tiff.length < 14) return undefined
  const order = view.getUint16(0)
  if (order !== 0x4949 && order !== 0x4d4d) return undefined
  const little = order === 0x4949
  if (view.getUint16(2, little) !== 42) return undefined
  const start = view.getUint32(4, little)
  if (start + 2 > tiff.length) return undefined
  const count = Math.min(view.getUint16(start, little), entriesMax)
  for (let i = 0; i < count; i++) {
    const at = start + 2 + i * 12
    if (at + 12 > tiff.length) return undefined
    if (view.getUint16(at, little) !== orientationTag || view.getUint16(at + 2, little) !== shortType)
      continue
    const value = view.getUint16(at + 8, little)
    return value >= 1 && value <= 8 ? (value as Orientation) : undefined
  }
  return undefined
}

export const smallTiffBytes = 26

/** Header, one directory with one entry, no next directory. */
export function tiffWith(orientation: Orientation): Uint8Array {
  return Uint8Array.of(
    ...[0x4d, 0x4d, 0, 42, 0, 0, 0, 8],
    ...[0, 1, 0x01, 0x12, 0, shortType, 0, 0, 0, 1, 0, orientation, 0, 0],
    ...[0, 0, 0, 0]
  )
}
