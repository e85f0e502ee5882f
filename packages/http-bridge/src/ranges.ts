// Which bytes of an object a GET asks for. Pure; RFC 9110 sections 13.1.5 and 14.

import type { ByteRange } from './components.ts'

export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'parts'; readonly ranges: readonly ByteRange[] }
  | { readonly kind: 'unsatisfiable' }

const whole: Selection = Object.freeze({ kind: 'whole' })
const unsatisfiable: Selection = Object.freeze({ kind: 'unsatisfiable' })

/** first-byte-pos, last-byte-pos; either may be empty, not both. Fifteen digits stay exact integers. */
const singleRange = /^bytes[ \t]*=[ \t,]*(\d{0,15})-(\d{0,15})[ \t,]*$/i

/** More parts than any reader of documents asks for at once cost more than the whole (§14.2). */
const rangesMax = 16

/**
 * A range that is malformed or of another unit is ignored (RFC 9110 §14.2 permits it), and so are too many, or more
 * bytes in all than there are: the whole object is always a right answer. A last position beyond the end means the end
 * (§14.1.2); Akkoma and AWS clients ask one byte past it.
 */
export function selectRange(
  header: string | undefined,
  ifRange: string | undefined,
  etag: string,
  size: number
): Selection {
  if (header === undefined) return whole
  // If-Range needs the strong comparison; a date cannot match, because we send no Last-Modified (§13.1.5).
  if (ifRange !== undefined && ifRange.trim() !== etag) return whole
  const match = singleRange.exec(header)
  return match === null ? selectSeveral(header, size) : selectOne(match, size)
}

function selectSeveral(header: string, size: number): Selection {
  const list = /^bytes[ \t]*=(.*)$/i
    .exec(header)?.[1]
    ?.split(',')
    .map((each) => each.trim())
  const asked = list?.filter((each) => each !== '') ?? []
  if (asked.length < 2 || asked.length > rangesMax) return whole
  const ranges: ByteRange[] = []
  for (const each of asked) {
    const match = singleRange.exec(`bytes=${each}`)
    const selection = match === null ? whole : selectOne(match, size)
    if (selection.kind === 'whole') return whole
    if (selection.kind === 'part') ranges.push(selection.range)
  }
  const [only] = ranges
  if (only === undefined) return unsatisfiable
  if (ranges.length === 1) return { kind: 'part', range: only }
  return ranges.reduce((sum, { from, to }) => sum + to - from, 0) > size ? whole : { kind: 'parts', ranges }
}

function selectOne(match: RegExpExecArray, size: number): Selection {
  const first = match[1] ?? ''
  const last = match[2] ?? ''
  if (first === '') {
    if (last === '') return whole
    const length = Math.min(Number(last), size)
    return length === 0 ? unsatisfiable : { kind: 'part', range: { from: size - length, to: size } }
  }
  const from = Number(first)
  if (last !== '' && Number(last) < from) return whole
  if (from >= size) return unsatisfiable
  const to = last === '' ? size : Math.min(Number(last) + 1, size)
  return { kind: 'part', range: { from, to } }
}
