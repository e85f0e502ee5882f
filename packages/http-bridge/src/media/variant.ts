// Which scaled pictures may be asked for, and how one is named. Pure. What a stranger may ask for is a short list of
// sizes, or whatever carries the signature of somebody who knows the key: otherwise every pixel more is another
// picture to be made and cached.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { InvalidInputError } from '@commonhold/core'
import type { BridgeOptions } from '../options.ts'

export const variantFormats = ['webp', 'jpeg', 'png', 'avif'] as const
export type VariantFormat = (typeof variantFormats)[number]

export interface Variant {
  /** Pixels; the picture fits into them and is never made larger than it is. */
  readonly width?: number
  readonly height?: number
  /** `inside` keeps all of the picture, `cover` fills width and height and cuts the rest off. */
  readonly fit: 'inside' | 'cover'
  readonly format: VariantFormat
  /** 1 to 100. */
  readonly quality: number
  /** Whether a moving picture keeps moving, where the format can. */
  readonly animated: boolean
}

/** Parameters that make a request one for a scaled picture; `fit`, `quality` and the rest alone change nothing. */
const asking = ['width', 'height', 'format'] as const

/** What makes the pictures. In the ETag, because another version may make other bytes of the same picture. */
export const encoder = 'sharp-0.35.5'

/** Quality when none is asked for: where the eye sees no difference at the size of a preview. */
const qualityUsual: Readonly<Record<VariantFormat, number>> = { webp: 80, jpeg: 80, png: 100, avif: 50 }

export function asksForVariant(query: URLSearchParams): boolean {
  return asking.some((name) => query.has(name))
}

/**
 * @throws InvalidInputError for a parameter that means nothing, or a size that is neither listed nor signed
 */
export function variantOf(root: string, query: URLSearchParams, options: BridgeOptions): Variant {
  const width = wholeNumber(query, 'width', options.variantSideMax)
  const height = wholeNumber(query, 'height', options.variantSideMax)
  const format = oneOf(query, 'format', variantFormats, 'webp')
  const asked: Variant = {
    ...(width === undefined ? {} : { width }),
    ...(height === undefined ? {} : { height }),
    fit: oneOf(query, 'fit', ['inside', 'cover'], 'inside'),
    format,
    quality: wholeNumber(query, 'quality', 100) ?? qualityUsual[format],
    animated: oneOf(query, 'animated', ['true', 'false'], 'true') === 'true'
  }
  if (asked.fit === 'cover' && (width === undefined || height === undefined)) {
    throw new InvalidInputError('“fit=cover” needs both width and height.')
  }
  if (!isListed(asked, options) && !isSigned(root, asked, query.get('sig'), options.variantKey)) {
    throw new InvalidInputError(
      `This size or quality is not offered. Widths and heights are ${options.variantSides.join(', ')}, qualities ` +
        `${options.variantQualities.join(', ')}; others need a signature (docs/http-api.md).`
    )
  }
  return asked
}

/** One text per variant, in one order: key of the cache, part of the ETag, and what is signed. */
export function canonical(variant: Variant): string {
  const { width, height, fit, format, quality, animated } = variant
  return `w${width ?? ''}h${height ?? ''}-${fit}-${format}-q${quality}${animated ? '' : '-still'}`
}

/** base64url of HMAC-SHA256(key, `<root CID>?<canonical>`). */
export function signatureOf(root: string, variant: Variant, key: string): string {
  return createHmac('sha256', key)
    .update(`${root}?${canonical(variant)}`)
    .digest('base64url')
}

function isListed({ width, height, format, quality }: Variant, options: BridgeOptions): boolean {
  const offered = (side: number | undefined): boolean =>
    side === undefined || options.variantSides.includes(side)
  const usual = quality === qualityUsual[format] || options.variantQualities.includes(quality)
  // Neither width nor height is the picture at its own size in another format: one variant, and a large one.
  return offered(width) && offered(height) && usual && (width !== undefined || height !== undefined)
}

function isSigned(root: string, variant: Variant, given: string | null, key: string | undefined): boolean {
  if (given === null || key === undefined) return false
  const right = Buffer.from(signatureOf(root, variant, key))
  const shown = Buffer.from(given)
  return right.length === shown.length && timingSafeEqual(right, shown)
}

function wholeNumber(query: URLSearchParams, name: string, max: number): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : Number.NaN
  if (!(value <= max)) throw new InvalidInputError(`“${name}” is a whole number from 1 to ${max}.`)
  return value
}

function oneOf<T extends string>(query: URLSearchParams, name: string, values: readonly T[], usual: T): T {
  const text = query.get(name)
  if (text === null) return usual
  const found = values.find((value) => value === text)
  if (found === undefined) throw new InvalidInputError(`“${name}” is one of ${values.join(', ')}.`)
  return found
}
