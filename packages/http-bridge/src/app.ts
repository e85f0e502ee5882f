// The bridge as a function of its parts: routes to handlers, nothing listening. The way of a request can be read
// here from top to bottom; what a route does is in the file named after it.

import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import { Cards } from './cards.ts'
import type { BridgeComponents } from './components.ts'
import { frontPage, robots } from './front-page.ts'
import { gateway } from './gateway/ipfs.ts'
import { deleteMedia } from './media/delete.ts'
import { getMedia, getNamed } from './media/get.ts'
import { otherSpellings } from './media/other-spellings.ts'
import { purgeMedia } from './media/purge.ts'
import { ScaledMedia } from './media/scaled.ts'
import { Uploads } from './media/upload.ts'
import { livez, readyz } from './ops/health.ts'
import { BridgeMetrics } from './ops/metrics.ts'
import { type BridgeOptions, defaults } from './options.ts'
import { Outbox } from './outbox.ts'
import { PassThrough } from './pass-through.ts'
import { HttpRefusal } from './problems.ts'
import { RateLimits } from './rate-limits.ts'
import { RequestLog } from './request-log.ts'
import { route } from './route.ts'
import { peers, providers } from './routing/routing.ts'
import type { Serving } from './serve-object.ts'
import { status } from './status.ts'

export function createBridgeApp(components: BridgeComponents, options?: Partial<BridgeOptions>): Express {
  const settings: BridgeOptions = { ...defaults, ...options }
  const { library, clock } = components
  const serving: Serving = {
    components,
    options: settings,
    cards: new Cards(library, clock, settings),
    passThrough: new PassThrough(library, clock, settings),
    rates: new RateLimits(clock, settings),
    outbox: new Outbox(settings.bodyBytesMax, settings.pressureStallMsMax, () => clock.monotonicMs())
  }
  const metrics = new BridgeMetrics(serving)
  const requests = new RequestLog(components, settings, metrics)
  const scaled = new ScaledMedia(serving)
  const uploads = new Uploads(components, settings)

  const app = express()
  // Each costs time on every request or tells strangers what runs here.
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')

  app.set('trust proxy', [...settings.trustProxy])

  app.use(requests.begin)
  // Before the limits: what watches this node must see it on a busy day.
  route(app, '/livez', { read: livez() })
  route(app, '/readyz', { read: readyz(components) })
  route(app, '/metrics', { read: metrics.handle })
  app.use((req, _res, next) => {
    serving.rates.client(req)
    next()
  })
  route(app, '/ipfs/*name', { read: gateway(serving) })
  route(app, '/routing/v1/providers/:cid', { read: providers(serving) })
  route(app, '/routing/v1/peers/:peer', { read: peers(serving) })
  route(app, '/media/:name', {
    read: getMedia(serving, scaled),
    DELETE: deleteMedia(components),
    PURGE: purgeMedia(serving)
  })
  for (const { path, nameOf } of otherSpellings) route(app, path, { read: getNamed(serving, nameOf) })
  route(app, '/media/:name/meta', { read: scaled.meta })
  route(app, '/media', { POST: uploads.handle })
  route(app, '/status/:name', { read: status(components) })
  route(app, '/robots.txt', { read: robots() })
  route(app, '/', { read: frontPage(components) })
  app.use(() => {
    throw new HttpRefusal(
      404,
      'No such page',
      'This node has nothing under this address. See “/” for what it has.'
    )
  })
  app.use((err: unknown, req: Request, res: Response, _next: NextFunction) => requests.fail(err, req, res))
  return app
}
