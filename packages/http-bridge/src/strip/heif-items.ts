// The `meta` box of HEIC and AVIF (ISO/IEC 23008-12): which items are metadata, and where their bytes lie. Rotation
// is a property of the picture there (`irot`, `imir`), so nothing drawn depends on what is blanked.

import { boxesIn, damaged } from './boxes.ts'

export interface ItemExtent {
  readonly kind: 'Exif' | 'XMP'
  /** Offsets into the file. */
  readonly from: number
  readonly to: number
}

const metadataTypes: ReadonlySet<string> = new Set(['Exif', 'mime', 'uri '])
/** More extents than any file with a thousand tiles has. */
const extentsMax = 100_000

/**
 * @param bytes the whole box; @param at its position in the file
 * @returns undefined when this `meta` describes no picture
 * @throws InvalidInputError when it cannot be read to the end
 */
export function metadataExtentsOf(
  bytes: Uint8Array,
  headBytes: number,
  at: number
): ItemExtent[] | undefined {
  // A full box: version and flags come before the children.
  const children = [...boxesIn(bytes, headBytes + 4, bytes.length)]
  const find = (type: string) => children.find((box) => box.type === type)
  const handler = find('hdlr')
  if (handler === undefined || new Cursor(bytes, handler.body + 8, handler.end).text(4) !== 'pict')
    return undefined
  const info = find('iinf')
  const location = find('iloc')
  if (info === undefined || location === undefined) return []
  const kinds = metadataItems(bytes, info.body, info.end)
  const data = find('idat')
  const inData = data === undefined ? undefined : at + data.body
  return extentsOf(new Cursor(bytes, location.body, location.end), kinds, inData)
}

function metadataItems(bytes: Uint8Array, from: number, to: number): Map<number, ItemExtent['kind']> {
  const kinds = new Map<number, ItemExtent['kind']>()
  const listFrom = from + 4 + (bytes[from] === 0 ? 2 : 4)
  for (const box of boxesIn(bytes, listFrom, to)) {
    if (box.type !== 'infe') continue
    const cursor = new Cursor(bytes, box.body, box.end)
    const version = cursor.uint(4) >>> 24
    if (version < 2) continue // QuickTime-era entries without a type; no HEIF writer makes them
    const id = cursor.uint(version === 2 ? 2 : 4)
    cursor.uint(2)
    const type = cursor.text(4)
    if (metadataTypes.has(type)) kinds.set(id, type === 'Exif' ? 'Exif' : 'XMP')
  }
  return kinds
}

/** ISO/IEC 14496-12 §8.11.3. */
function extentsOf(
  cursor: Cursor,
  kinds: Map<number, ItemExtent['kind']>,
  inData: number | undefined
): ItemExtent[] {
  const version = cursor.uint(4) >>> 24
  const sizes = cursor.uint(2)
  const offsetBytes = sizes >> 12
  const lengthBytes = (sizes >> 8) & 15
  const baseBytes = (sizes >> 4) & 15
  const indexBytes = version === 0 ? 0 : sizes & 15
  const items = cursor.uint(version < 2 ? 2 : 4)
  const extents: ItemExtent[] = []
  for (let item = 0; item < items; item++) {
    const id = cursor.uint(version < 2 ? 2 : 4)
    const method = version === 0 ? 0 : cursor.uint(2) & 15
    const reference = cursor.uint(2)
    const base = cursor.uint(baseBytes)
    const count = cursor.uint(2)
    if (extents.length + count > extentsMax) throw damaged('in its item locations')
    const kind = kinds.get(id)
    for (let i = 0; i < count; i++) {
      cursor.uint(indexBytes)
      const from = base + cursor.uint(offsetBytes)
      const length = cursor.uint(lengthBytes)
      if (kind === undefined || reference !== 0 || length === 0) continue
      const origin = method === 0 ? 0 : method === 1 ? inData : undefined
      if (origin === undefined) throw damaged('in its item locations')
      extents.push({ kind, from: origin + from, to: origin + from + length })
    }
  }
  return extents.sort((a, b) => a.from - b.from)
}

class Cursor {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes
    this.#at = from
    this.#end = end
  }

  /** Big-endian, 0 to 8 bytes. */
  uint(length: number): number {
    let value = 0
    for (const byte of this.#take(length)) value = value * 256 + byte
    if (!Number.isSafeInteger(value)) throw damaged('in its item locations')
    return value
  }

  text(length: number): string {
    return Buffer.from(this.#take(length)).toString('latin1')
  }

  #take(length: number): Uint8Array {
    if (this.#at + length > this.#end) throw damaged('in its list of items')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}
