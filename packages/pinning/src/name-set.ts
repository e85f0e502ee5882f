// A set of names (sha2-256 of records) that two nodes compare without telling it: hashes of ranges first, and
// only where they differ ranges of these, then names. What it costs goes with the difference, not with the set.
// Both sides of the comparison; what the names stand for is its users' business.
// Normative text: docs/protocol/sync.md, "Comparing sets".

import { createHash } from 'node:crypto'
import { fromHex, MalformedRecordError, toHex } from '@commonhold/core'
import { z } from 'zod'
import { hashField, sameBytes } from './fields.ts'
import { defaults } from './options.ts'

/** Names as lower-case hex: strings are compared, kept and looked up faster than bytes, in the same order. */
export type Name = string

export class NameSet {
  /** Sorted. */
  #names: Name[]
  readonly #digests = new Map<string, Uint8Array>()

  constructor(names: Iterable<Name> = []) {
    this.#names = [...new Set(names)].sort()
  }

  get size(): number {
    return this.#names.length
  }

  has(name: Name): boolean {
    return this.#names[this.#place(name)] === name
  }

  add(name: Name): void {
    const at = this.#place(name)
    if (this.#names[at] === name) return
    this.#names.splice(at, 0, name)
    this.#forget(name)
  }

  delete(name: Name): void {
    const at = this.#place(name)
    if (this.#names[at] !== name) return
    this.#names.splice(at, 1)
    this.#forget(name)
  }

  clear(): void {
    this.#names = []
    this.#digests.clear()
  }

  /** The names that begin with these hex digits, in order; all of them for none. */
  under(prefix: string): Name[] {
    return this.#names.slice(this.#place(prefix), this.#place(`${prefix}g`))
  }

  /** sha2-256 over the names of the range, in order. */
  digest(prefix = ''): Uint8Array {
    const known = this.#digests.get(prefix)
    if (known !== undefined) return known
    const hash = createHash('sha256').update(Buffer.from(this.under(prefix).join(''), 'hex'))
    const digest = new Uint8Array(hash.digest())
    if (prefix.length <= keptDigits) this.#digests.set(prefix, digest)
    return digest
  }

  /** Where a name is, or would be. `g` comes after every hex digit. */
  #place(name: string): number {
    let from = 0
    let to = this.#names.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#names[middle] ?? '') < name) from = middle + 1
      else to = middle
    }
    return from
  }

  #forget(name: Name): void {
    for (let length = 0; length <= keptDigits; length++) this.#digests.delete(name.slice(0, length))
  }
}

/** Digests are kept of ranges this wide and wider, 273 at most: narrower ones hold few names, whoever asks for them. */
const keptDigits = 2

/** Hex digits that all names of the range begin with, and the asker's digest of its own range. */
export type Range = [prefix: string, digest: Uint8Array]

/** `null`: the same. Few names are told, of more the digests of the sixteen ranges within. */
export type RangeAnswer = null | { names: Uint8Array[] } | { digests: Uint8Array[] }

const digits = Array.from('0123456789abcdef')
const emptyDigest = new NameSet().digest()

export const rangesField: z.ZodType<Range[]> = z
  .array(z.tuple([z.string().regex(/^[0-9a-f]{0,64}$/), hashField]))
  .min(1)
  .max(defaults.rangesPerMessageMax)

export const rangeAnswersField: z.ZodType<RangeAnswer[]> = z
  .array(
    z.union([
      z.null(),
      z.strictObject({ names: z.array(hashField).max(defaults.rangeNamesMax) }),
      z.strictObject({ digests: z.array(hashField).length(digits.length) })
    ])
  )
  .max(defaults.rangesPerMessageMax)

export function answerRanges(own: NameSet, ranges: readonly Range[]): RangeAnswer[] {
  return ranges.map(([prefix, digest]) => {
    if (sameBytes(own.digest(prefix), digest)) return null
    const names = own.under(prefix)
    if (names.length <= defaults.rangeNamesMax) return { names: names.map(fromHex) }
    return { digests: digits.map((digit) => own.digest(prefix + digit)) }
  })
}

export interface Compared {
  /** What the other has. */
  readonly theirs: readonly Name[]
  /** What we have and the other lacks. */
  readonly oursOnly: readonly Name[]
  /** Whether that is all: a set that differs in more is compared to its end another time. */
  readonly complete: boolean
}

/**
 * @param ask puts ranges to the other side
 * @throws MalformedRecordError for answers that do not fit the question
 */
export async function compareNames(
  own: NameSet,
  ask: (ranges: Range[]) => Promise<RangeAnswer[]>
): Promise<Compared> {
  const theirs: Name[] = []
  const oursOnly: Name[] = []
  // The last come first, so that names are found however wide the difference, and what is open stays small.
  const open = ['']
  for (let asked = 0; open.length > 0 && asked < defaults.rangesPerExchangeMax; ) {
    const page = open.splice(-defaults.rangesPerMessageMax)
    asked += page.length
    // Ours as they were when we asked: they may change while the answer is on its way.
    const ours = page.map((prefix) => own.under(prefix))
    const answers = await ask(page.map((prefix): Range => [prefix, own.digest(prefix)]))
    if (answers.length !== page.length) throw unfit('it does not answer each range')
    for (const [i, prefix] of page.entries()) {
      const answer = answers[i] ?? null
      if (answer === null) append(theirs, ours[i] ?? [])
      else if ('names' in answer) {
        const told = namesOf(answer.names, prefix)
        append(theirs, told)
        const set = new Set(told)
        append(
          oursOnly,
          (ours[i] ?? []).filter((name) => !set.has(name))
        )
      } else {
        if (prefix.length === 64) throw unfit('there is nothing within a whole name')
        for (const [digit, digest] of answer.digests.entries()) {
          const within = `${prefix}${digits[digit]}`
          if (sameBytes(digest, own.digest(within))) append(theirs, own.under(within))
          else if (sameBytes(digest, emptyDigest)) append(oursOnly, own.under(within))
          else open.push(within)
        }
      }
    }
  }
  return { theirs, oursOnly, complete: open.length === 0 }
}

function namesOf(names: readonly Uint8Array[], prefix: string): Name[] {
  const told = names.map(toHex)
  for (const [i, name] of told.entries()) {
    if (!name.startsWith(prefix)) throw unfit('a name does not lie in its range')
    if (i > 0 && name <= (told[i - 1] ?? '')) throw unfit('the names are not in order')
  }
  return told
}

function append(to: Name[], names: readonly Name[]): void {
  for (const name of names) to.push(name)
}

function unfit(what: string): MalformedRecordError {
  return new MalformedRecordError('ranges-answer', what)
}
