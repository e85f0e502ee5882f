// A trace of requests as a media bridge sees them: pictures liked by a Zipf law, of the sizes pictures have, and among
// them a crawler that asks for everything once. The same seed gives the same trace.

import { seededRandom } from '@commonhold/core'
import { LRUCache } from 'lru-cache'
import { S3Fifo } from '../src/s3-fifo.ts'

export interface TraceOptions {
  readonly seed: number
  readonly requests: number
  readonly objects: number
  /** Exponent of the Zipf law: 0.7 is flat, 1.1 steep. */
  readonly alpha: number
  /** Share of requests that come from the crawler. */
  readonly scanShare: number
}

interface TraceRequest {
  readonly key: string
  readonly bytes: number
}

function* cacheTrace({ seed, requests, objects, alpha, scanShare }: TraceOptions): Generator<TraceRequest> {
  const random = seededRandom(seed)
  const cumulated = new Float64Array(objects)
  let sum = 0
  for (let i = 0; i < objects; i++) {
    sum += 1 / (i + 1) ** alpha
    cumulated[i] = sum
  }
  // 20 KB to 1 MB, most of them small, drawn once per object and unrelated to how liked it is.
  const sizes = Array.from({ length: objects }, () => Math.round(20_000 * 50 ** (random.unit() ** 2)))
  let scanned = 0
  for (let i = 0; i < requests; i++) {
    if (random.unit() < scanShare) {
      scanned++
      yield { key: `scan-${scanned}`, bytes: Math.round(20_000 * 50 ** (random.unit() ** 2)) }
      continue
    }
    const at = firstAtLeast(cumulated, random.unit() * sum)
    yield { key: `object-${at}`, bytes: sizes[at] ?? 0 }
  }
}

/** What a policy must be able to do to be compared. `get` counts as a use. */
export interface Policy {
  get(key: string): boolean
  /** Stores it, and puts out others until no more than the cap is stored. */
  add(key: string, bytes: number): void
  readonly bytes: number
}

export const policies: Readonly<Record<'S3-FIFO' | 'LRU' | 'FIFO', (bytesMax: number) => Policy>> = {
  'S3-FIFO': (bytesMax) => {
    const cache = new S3Fifo<true>(bytesMax)
    return {
      get: (key) => cache.get(key) !== undefined,
      add: (key, bytes) => {
        while (cache.bytes + bytes > bytesMax) cache.evict()
        cache.set(key, true, bytes)
      },
      get bytes() {
        return cache.bytes
      }
    }
  },
  LRU: (bytesMax) => {
    const cache = new LRUCache<string, number>({ maxSize: bytesMax, sizeCalculation: (bytes) => bytes })
    return {
      get: (key) => cache.get(key) !== undefined,
      add: (key, bytes) => void cache.set(key, bytes),
      get bytes() {
        return cache.calculatedSize
      }
    }
  },
  FIFO: (bytesMax) => {
    const cache = new Map<string, number>()
    let stored = 0
    return {
      get: (key) => cache.has(key),
      add: (key, bytes) => {
        for (const [oldest, size] of cache) {
          if (stored + bytes <= bytesMax) break
          cache.delete(oldest)
          stored -= size
        }
        cache.set(key, bytes)
        stored += bytes
      },
      get bytes() {
        return stored
      }
    }
  }
}

/**
 * Hits per request, the first fifth left out: a cache begins empty.
 * @throws when more than the cap was ever stored
 */
export function hitRatio(name: keyof typeof policies, bytesMax: number, trace: TraceOptions): number {
  const policy = policies[name](bytesMax)
  const warmUp = trace.requests / 5
  let seen = 0
  let hits = 0
  for (const { key, bytes } of cacheTrace(trace)) {
    const hit = policy.get(key)
    if (!hit) policy.add(key, bytes)
    if (policy.bytes > bytesMax) throw new Error(`${name} stored ${policy.bytes} bytes of ${bytesMax}`)
    if (seen++ >= warmUp && hit) hits++
  }
  return hits / (trace.requests - warmUp)
}

function firstAtLeast(sorted: Float64Array, value: number): number {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}
