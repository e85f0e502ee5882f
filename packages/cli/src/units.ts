// How amounts are written and read by people: bytes in powers of ten as disks are sold, durations in
// the largest unit that says enough.

import { InvalidInputError } from '@commonhold/core/errors'

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const
const bytesForm = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i
const durationForm = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d)$/i

const byteFactors: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40
}

const durationFactors: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000
}

/** Reads `50GB`, `512 MiB`, `1.5t` or a plain number of bytes. */
export function parseBytes(text: string, what: string): number {
  const found = bytesForm.exec(text.trim())
  const factor = found === null ? undefined : byteFactors[(found[2] ?? '').toLowerCase()]
  const bytes = found === null || factor === undefined ? Number.NaN : Math.round(Number(found[1]) * factor)
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidInputError(
      `“${text.slice(0, 40)}” is not a size for ${what}: write it like 50GB or 512MiB.`
    )
  }
  return bytes
}

/** Reads `90s`, `15m`, `24h`, `7d`. */
export function parseDurationMs(text: string, what: string): number {
  const found = durationForm.exec(text.trim())
  const factor = found === null ? undefined : durationFactors[(found[2] ?? '').toLowerCase()]
  const ms = found === null || factor === undefined ? Number.NaN : Math.round(Number(found[1]) * factor)
  if (!Number.isSafeInteger(ms)) {
    throw new InvalidInputError(
      `“${text.slice(0, 40)}” is not a duration for ${what}: write it like 90s, 15m or 24h.`
    )
  }
  return ms
}

/** `0 B`, `14.2 kB`, `3 TB`: three digits at most, so that columns stay narrow. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < decimalUnits.length - 1) {
    value /= 1000
    unit++
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${decimalUnits[unit]}`
}

/** `now`, `42 s`, `5 min`, `3 h`, `12 d`. */
export function formatAge(ms: number): string {
  if (ms < 1500) return 'now'
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`
  if (ms < 90 * 60_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 36 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

/** `1 object`, `2 objects`. */
export function counted(n: number, one: string, many: string = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}
