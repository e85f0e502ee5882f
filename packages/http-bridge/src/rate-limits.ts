// How often one client, and all clients together for one object, may ask. Each limit is a bucket that refills
// evenly (GCRA: one number per key, the time at which its bucket would be full again). The keys remembered are bounded;
// the one forgotten is the one that asked longest ago, whose bucket is the fullest.

import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import type { Clock } from '@commonhold/core'
import type { Request } from 'express'
import { LRUCache } from 'lru-cache'
import type { BridgeOptions } from './options.ts'
import { HttpRefusal } from './problems.ts'

const minuteMs = 60_000

export class RateLimits {
  readonly #clients: Buckets | undefined
  readonly #objects: Buckets | undefined

  constructor(clock: Clock, options: BridgeOptions) {
    const { clientRequestsPerMinute, clientBurst, objectRequestsPerMinute, rateKeysMax } = options
    if (clientRequestsPerMinute > 0) {
      this.#clients = new Buckets('client', clock, clientRequestsPerMinute, clientBurst, rateKeysMax)
    }
    if (objectRequestsPerMinute > 0) {
      this.#objects = new Buckets(
        'object',
        clock,
        objectRequestsPerMinute,
        objectRequestsPerMinute,
        rateKeysMax
      )
    }
  }

  /** @throws HttpRefusal 429 */
  client(req: Request): void {
    const key = clientKeyOf(req.ip)
    if (key !== undefined) this.#clients?.take(key)
  }

  /** @throws HttpRefusal 429 */
  object(req: IncomingMessage, key: string): void {
    // A condition that holds costs neither disk nor network, and spares the answer.
    if (req.headers['if-none-match'] === undefined) this.#objects?.take(key)
  }
}

class Buckets {
  readonly #name: string
  readonly #clock: Clock
  readonly #perMinute: number
  readonly #burst: number
  readonly #fullAtMs: LRUCache<string, number>

  constructor(name: string, clock: Clock, perMinute: number, burst: number, keysMax: number) {
    this.#name = name
    this.#clock = clock
    this.#perMinute = perMinute
    this.#burst = burst
    this.#fullAtMs = new LRUCache({ max: keysMax })
  }

  take(key: string): void {
    const nowMs = this.#clock.monotonicMs()
    const everyMs = minuteMs / this.#perMinute
    const fullAtMs = Math.max(nowMs, this.#fullAtMs.get(key) ?? nowMs) + everyMs
    const overMs = fullAtMs - nowMs - this.#burst * everyMs
    if (overMs <= 0) {
      this.#fullAtMs.set(key, fullAtMs)
      return
    }
    // Structured fields of draft-ietf-httpapi-ratelimit-headers.
    const retryS = Math.ceil(overMs / 1000)
    throw new HttpRefusal(
      429,
      'Too many requests',
      `More than ${this.#perMinute} requests a minute of one ${this.#name}. Try again in ${retryS} s.`,
      {
        'Retry-After': String(retryS),
        'RateLimit-Policy': `"${this.#name}";q=${this.#perMinute};w=60`,
        RateLimit: `"${this.#name}";r=0;t=${retryS}`
      }
    )
  }
}

/**
 * One client: an IPv4 address, or the /64 that one line gets of IPv6. Absent for this machine itself: a proxy here that
 * does not say for whom it asks would make all the world one client.
 */
function clientKeyOf(address: string | undefined): string | undefined {
  if (address === undefined || address === '::1' || address.startsWith('127.')) return undefined
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return clientKeyOf(mapped)
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0')
  return [...before, ...(tail === undefined ? [] : zeros), ...after].slice(0, 4).join(':')
}
