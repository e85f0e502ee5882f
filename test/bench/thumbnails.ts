// `npm run bench thumbnails`: a 12-megapixel photo to 320 px of WebP over HTTP, cold (made each time) and warm (from the
// cache), beside sharp alone in a process without a bridge.

import { BridgeServer } from '@commonhold/http-bridge'
import sharp from 'sharp'
import { InMemoryPool } from '../../packages/http-bridge/test/in-memory-pool.ts'
import { median, reportBench } from './report.ts'

const rounds = 3
const coldPhotos = 12
const warmRequests = 2000

/** As many pixels as a phone's, and not as flat as a drawing. */
async function photoOf(seed: number): Promise<Buffer> {
  const noise = { type: 'gaussian', mean: 120 + seed, sigma: 30 } as const
  const small = await sharp({ create: { width: 400, height: 300, channels: 3, background: 'teal', noise } })
    .png()
    .toBuffer()
  return await sharp(small).resize(4000, 3000, { kernel: 'cubic' }).jpeg({ quality: 88 }).toBuffer()
}

const photos = await Promise.all(Array.from({ length: coldPhotos }, (_, i) => photoOf(i)))
sharp.concurrency(1)
sharp.cache(false)

async function perSecond(count: number, work: (i: number) => Promise<unknown>): Promise<number> {
  const began = performance.now()
  let next = 0
  // Two at a time: as many as there are scaling processes.
  const line = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) await work(i)
  }
  await Promise.all([line(), line()])
  return (count * 1000) / (performance.now() - began)
}

const cold: number[] = []
const alone: number[] = []
const warm: number[] = []
for (let round = 0; round < rounds; round++) {
  const pool = new InMemoryPool()
  await using server = new BridgeServer(pool.components(), { cacheBytesMax: 100e6 })
  await server.start({ host: '127.0.0.1', port: 0 })
  const urls = photos.map(
    (photo) => `http://127.0.0.1:${server.address?.port}/media/${pool.add(photo).root}?width=320`
  )
  const ask = async (i: number): Promise<void> => {
    const answer = await fetch(urls[i % urls.length] ?? '')
    if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  // Both processes are there before the clock runs: the start of one is not what is measured.
  await Promise.all(
    [`${urls[0]}&format=png`, `${urls[1]}&format=png`].map((url) => fetch(url).then((r) => r.arrayBuffer()))
  )
  cold.push(await perSecond(coldPhotos, ask))
  warm.push(await perSecond(warmRequests, ask))
  alone.push(
    await perSecond(coldPhotos, (i) =>
      sharp(photos[i]).autoOrient().resize({ width: 320 }).webp({ quality: 80 }).toBuffer()
    )
  )
}
await reportBench('Scaled pictures: 12 megapixels of JPEG to 320 px of WebP', [
  {
    what: 'made anew, two at a time',
    value: median(cold),
    unit: 'pictures/s',
    against: { what: 'sharp alone', value: median(alone) }
  },
  { what: 'from the cache', value: median(warm), unit: 'pictures/s' }
])
