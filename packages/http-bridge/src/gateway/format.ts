// What an IPFS client asks for: the file, one block, or a CAR of blocks. Pure. The query wins over Accept (IPIP-523),
// and among what Accept lists the first form this gateway knows.
// https://specs.ipfs.tech/http-gateways/trustless-gateway/

import { InvalidInputError } from '@commonhold/core'
import type { ByteRange } from '../components.ts'
import { HttpRefusal } from '../problems.ts'

export type Format = { readonly is: 'file' } | { readonly is: 'raw' } | CarFormat

export interface CarFormat {
  readonly is: 'car'
  /** Of a file, `entity` and `all` are the same: nothing is linked that is not part of it. */
  readonly scope: 'block' | 'entity' | 'all'
  readonly entityBytes?: EntityBytes
  /** Whether a block that has two places in the file comes twice. */
  readonly duplicates: boolean
}

/** Both ends included; negative counts from the end of the file, `to` absent is the end. */
interface EntityBytes {
  readonly from: number
  readonly to?: number
}

const raw = 'application/vnd.ipld.raw'
const car = 'application/vnd.ipld.car'
/** Forms of other codecs and of names that can change: known, and not to be had of a store of files. */
const elsewhere: ReadonlySet<string> = new Set([
  'application/vnd.ipfs.ipns-record',
  'application/vnd.ipld.dag-json',
  'application/vnd.ipld.dag-cbor',
  'application/json',
  'application/cbor',
  'application/x-tar'
])
const formats: ReadonlyMap<string, string> = new Map([
  ['raw', raw],
  ['car', car],
  ['ipns-record', 'application/vnd.ipfs.ipns-record'],
  ['dag-json', 'application/vnd.ipld.dag-json'],
  ['dag-cbor', 'application/vnd.ipld.dag-cbor'],
  ['json', 'application/json'],
  ['cbor', 'application/cbor'],
  ['tar', 'application/x-tar']
])

/** @throws InvalidInputError for a form or parameter that means nothing; HttpRefusal 406 for one not to be had */
export function formatOf(query: URLSearchParams, accept: string | undefined): Format {
  const asked = query.get('format')
  const listed = (accept ?? '').split(',').map(mediaTypeOf)
  if (asked !== null) {
    const type = formats.get(asked)
    if (type === undefined)
      throw new InvalidInputError(`“format” is one of ${[...formats.keys()].join(', ')}.`)
    // Details of a CAR may still come with Accept.
    return known(type, query, listed.find((each) => each.type === type)?.parameters ?? new Map())
  }
  const found = listed.find(({ type }) => type === raw || type === car || elsewhere.has(type))
  if (found === undefined || listed.some(({ type }) => showable.has(type))) return { is: 'file' }
  return known(found.type, query, found.parameters)
}

/** Who takes a page or any picture is a browser, whatever else it lists. */
const showable: ReadonlySet<string> = new Set(['text/html', 'image/*'])

function known(type: string, query: URLSearchParams, parameters: ReadonlyMap<string, string>): Format {
  if (type === raw) return { is: 'raw' }
  if (type !== car) {
    throw new HttpRefusal(
      406,
      'Not to be had in this form',
      `This gateway serves files, their blocks (${raw}) and CARs of them (${car}); not ${type}.`
    )
  }
  const parameter = (name: string): string | undefined => query.get(`car-${name}`) ?? parameters.get(name)
  oneOf('car version', parameter('version'), ['1'])
  oneOf('car order', parameter('order'), ['dfs', 'unk'])
  const duplicates = oneOf('car dups', parameter('dups'), ['y', 'n']) === 'y'
  const scope = oneOf('dag-scope', query.get('dag-scope') ?? undefined, ['block', 'entity', 'all']) ?? 'all'
  const entityBytes = entityBytesOf(query.get('entity-bytes'))
  return { is: 'car', scope, duplicates, ...(entityBytes === undefined ? {} : { entityBytes }) }
}

/** The file bytes a CAR has to lead to. */
export function carRange({ scope, entityBytes }: CarFormat, size: number): ByteRange {
  if (scope === 'block') return { from: 0, to: 0 }
  if (entityBytes === undefined) return { from: 0, to: size }
  const position = (value: number): number => Math.max(0, value < 0 ? size + value : value)
  const from = position(entityBytes.from)
  // The last byte is included; a range beyond the end, or of nothing, still has the root.
  const to = entityBytes.to === undefined ? size : Math.min(size, position(entityBytes.to) + 1)
  return from >= to ? { from: 0, to: 0 } : { from, to }
}

function entityBytesOf(text: string | null): EntityBytes | undefined {
  if (text === null) return undefined
  const found = /^(-?\d{1,15}):(?:(-?\d{1,15})|\*)$/.exec(text)
  if (found === null)
    throw new InvalidInputError('“entity-bytes” is from:to, whole numbers, with * for the end.')
  return { from: Number(found[1]), ...(found[2] === undefined ? {} : { to: Number(found[2]) }) }
}

function oneOf<T extends string>(
  what: string,
  value: string | undefined,
  values: readonly T[]
): T | undefined {
  if (value === undefined) return undefined
  const found = values.find((each) => each === value)
  if (found === undefined) throw new InvalidInputError(`“${what}” is one of ${values.join(', ')}.`)
  return found
}

function mediaTypeOf(text: string): {
  readonly type: string
  readonly parameters: ReadonlyMap<string, string>
} {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase())
  const pairs = rest.map((part) => part.split('=', 2) as [string, string?])
  return { type, parameters: new Map(pairs.map(([name, value]) => [name, value ?? ''])) }
}
