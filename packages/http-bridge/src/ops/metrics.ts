// Measurements of the bridge in Prometheus' text form, joined to the node's own. One prefix, base units, and never
// a CID or a peer as a label.

import { Gauge, Histogram, Registry } from 'prom-client'
import { requireScope } from '../authorization.ts'
import { HttpRefusal } from '../problems.ts'
import type { Handler } from '../route.ts'
import type { Serving } from '../serve-object.ts'

/** First path segments that are labels; anything else a client makes up is `other`, so labels stay few. */
const routes: ReadonlySet<string> = new Set([
  'ipfs',
  'media',
  '.well-known',
  'blobs',
  'status',
  'livez',
  'readyz',
  'metrics'
])
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'DELETE', 'PURGE', 'OPTIONS'])

export class BridgeMetrics {
  readonly #serving: Serving
  readonly #registry = new Registry()
  readonly #durations: Histogram<'method' | 'route' | 'status'>

  constructor(serving: Serving) {
    this.#serving = serving
    const registers = [this.#registry]
    this.#durations = new Histogram({
      name: 'commonhold_http_request_duration_seconds',
      help: 'Time from the request to the last byte of its answer',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30],
      registers
    })
    const gauge = (name: string, help: string, value: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        }
      })
    }
    const { passThrough, outbox } = serving
    gauge(
      'commonhold_bridge_cache_bytes',
      'Fetched bytes kept in memory',
      () => passThrough.cache.storedBytes
    )
    gauge(
      'commonhold_bridge_cache_reserved_bytes',
      'Cache room for pieces arriving',
      () => passThrough.cache.reservedBytes
    )
    gauge('commonhold_bridge_flights', 'Fetches from other nodes under way', () => passThrough.flightCount)
    gauge(
      'commonhold_bridge_outbox_bytes',
      'Bytes written and not yet taken by clients',
      () => outbox.heldBytes
    )
  }

  request(method: string, path: string, status: number, durationMs: number): void {
    const first = path.split('/', 2)[1] ?? ''
    const route = first === '' ? 'front' : routes.has(first) ? first : 'other'
    this.#durations.observe(
      { method: methods.has(method) ? method : 'other', route, status },
      durationMs / 1000
    )
  }

  readonly handle: Handler = async (req, res) => {
    const { components, options } = this.#serving
    if (options.metrics === 'off')
      throw new HttpRefusal(404, 'No such page', 'Metrics are switched off here.')
    if (options.metrics === 'token') await requireScope(req, components.tokens, 'metrics')
    const [own, node] = await Promise.all([this.#registry.metrics(), components.health.metrics()])
    const body = Buffer.from(own + node)
    res.writeHead(200, {
      'Content-Type': this.#registry.contentType,
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff'
    })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
}
