// Derives the other formats and sizes of the committed photograph with sharp, for tests and for the demo:
//   node scripts/make-fixtures.ts FOLDER
// The derived files are never committed. Encoders change with their version, so no test may rely on the hash
// of a derived file; the two committed files are the ones whose bytes are fixed.

import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp, { type Sharp } from 'sharp'

export const photograph: string = fileURLToPath(new URL('../test/fixtures/coffee.jpg', import.meta.url))
export const video: string = fileURLToPath(new URL('../test/fixtures/coffee.mp4', import.meta.url))

export interface Fixtures {
  /** The committed photograph with EXIF, XMP and GPS, orientation 6. */
  jpeg: string
  /** The committed video, `moov` first. */
  mp4: string
  png: string
  webp: string
  avif: string
  gif: string
  /** Eight frames. */
  animatedWebp: string
  /** 4,096 × 3,072 pixels as shown, 12 MP: several blocks long. */
  largeJpeg: string
}

/** Writes every fixture into `folder`, which is made when missing, and names the files. */
export async function makeFixtures(folder: string): Promise<Fixtures> {
  await mkdir(folder, { recursive: true })
  const fixtures: Fixtures = {
    jpeg: join(folder, 'coffee.jpg'),
    mp4: join(folder, 'coffee.mp4'),
    png: join(folder, 'coffee.png'),
    webp: join(folder, 'coffee.webp'),
    avif: join(folder, 'coffee.avif'),
    gif: join(folder, 'coffee.gif'),
    animatedWebp: join(folder, 'coffee-animated.webp'),
    largeJpeg: join(folder, 'coffee-12mp.jpg')
  }
  // The pictures keep EXIF and XMP, so that every format has something for the metadata removal to do.
  const picture = (widthPx: number): Sharp =>
    sharp(photograph).resize(widthPx).keepExif().keepXmp().keepIccProfile()
  await copyFile(photograph, fixtures.jpeg)
  await copyFile(video, fixtures.mp4)
  await picture(400).png().toFile(fixtures.png)
  await picture(600).webp({ quality: 75 }).toFile(fixtures.webp)
  await picture(400).avif({ quality: 50, effort: 2 }).toFile(fixtures.avif)
  await sharp(photograph).resize(200).gif({ effort: 1 }).toFile(fixtures.gif)
  await (await animation(8, 160)).webp({ delay: 80, loop: 0 }).toFile(fixtures.animatedWebp)
  await largePhotograph(3072, 4096).toFile(fixtures.largeJpeg)
  return fixtures
}

/** Frames of a slow zoom. */
async function animation(frames: number, edgePx: number): Promise<Sharp> {
  const pages = await Promise.all(
    Array.from({ length: frames }, (_, i) => {
      const cropPx = 800 - i * 20
      const frame = { left: i * 10, top: i * 10, width: cropPx, height: cropPx }
      return sharp(photograph).extract(frame).resize(edgePx, edgePx).png().toBuffer()
    })
  )
  return sharp(pages, { join: { animated: true } })
}

/** With grain, because an enlarged picture alone is so smooth that it stays small. */
function largePhotograph(widthPx: number, heightPx: number): Sharp {
  const grain = {
    create: {
      width: widthPx,
      height: heightPx,
      channels: 3 as const,
      background: 'grey',
      noise: { type: 'gaussian' as const, mean: 128, sigma: 40 }
    }
  }
  return sharp(photograph)
    .resize(widthPx, heightPx, { fit: 'cover' })
    .composite([{ input: grain, blend: 'soft-light' }])
    .keepExif()
    .jpeg({ quality: 92 })
}

if (import.meta.main) {
  const folder = process.argv[2]
  if (folder === undefined) {
    console.error('Say where to: node scripts/make-fixtures.ts FOLDER')
    process.exit(64)
  }
  console.log(Object.values(await makeFixtures(folder)).join('\n'))
}
