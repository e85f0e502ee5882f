// Which bytes of an object a GET asks for. Pure; RFC 9110 sections 13.1.5 and 14.

import type { ByteRange } from './components.ts'

export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part'; readonly range: ByteRange }
  | { readonly kind: 'unsatisfiable' }

const whole: Selection = Object.freeze({ kind: 'whole' })
const unsatisfiable: Selection = Object.freeze({ kind: 'unsatisfiable' })

/** first-byte-pos, last-byte-pos; either may be empty, not both. Fifteen digits stay exact integers. */
const singleRange = /^bytes[ \t]*=[ \t,]*(\d{0,15})-(\d{0,15})[ \t,]*$/i

/**
 * A range that is malformed, of another unit or one of several is ignored (RFC 9110 §14.2 permits it): the whole
 * object is always a right answer. A last position beyond the end means the end (§14.1.2); Akkoma and AWS clients
 * ask one byte past it.
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
  if (match === null) return whole
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
