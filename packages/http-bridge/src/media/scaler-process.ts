// The process that decodes strangers' pictures: decoders are where media servers get broken into, so they run where
// there is nothing to take. It has no keys, no files to write, no children and no environment; a picture that
// crashes it or fills its memory ends it, and nothing else. Reads tasks from standard input, answers on standard output.
// It imports nothing of ours, so that it starts with the libraries alone.

import { stdin, stdout } from 'node:process'
import { encode as blurhashOf } from 'blurhash'
import sharp, { type Metadata, type Sharp } from 'sharp'
import type { ScalerAnswer, ScalerTask } from './scaler-wire.ts'
import { frameOf, framesOf } from './scaler-wire.ts'

// One picture at a time on one core: how many run at once is how many processes there are.
sharp.concurrency(1)
sharp.cache(false)

for await (const frame of framesOf(stdin)) {
  const task = frame.head as ScalerTask
  stdout.write(await answerTo(task, frame.body))
}

async function answerTo(task: ScalerTask, input: Uint8Array): Promise<Uint8Array> {
  try {
    const { answer, body } = task.do === 'scale' ? await scaled(task, input) : await described(task, input)
    return frameOf(answer, body)
  } catch (err) {
    const refusal: ScalerAnswer = { is: 'refused', why: err instanceof Error ? err.message : String(err) }
    return frameOf(refusal, new Uint8Array())
  }
}

interface Done {
  readonly answer: ScalerAnswer
  readonly body: Uint8Array
}

async function scaled(task: Extract<ScalerTask, { do: 'scale' }>, input: Uint8Array): Promise<Done> {
  const { variant, pixelsMax } = task
  const moving = variant.animated && variant.format === 'webp'
  await checked(input, moving, pixelsMax)
  const picture = open(input, moving, pixelsMax)
    .autoOrient()
    .resize({
      width: variant.width,
      height: variant.height,
      fit: variant.fit,
      withoutEnlargement: true
    })
    .toColourspace('srgb')
  const { format, quality } = variant
  const encoded =
    format === 'png'
      ? picture.png({ compressionLevel: 9 })
      : format === 'avif'
        ? picture.avif({ quality, effort: 2 })
        : format === 'jpeg'
          ? picture.flatten({ background: '#fff' }).jpeg({ quality, mozjpeg: true })
          : picture.webp({ quality, effort: 4 })
  return { answer: { is: 'scaled' }, body: await encoded.toBuffer() }
}

async function described(task: Extract<ScalerTask, { do: 'describe' }>, input: Uint8Array): Promise<Done> {
  const metadata = await checked(input, false, task.pixelsMax)
  const { width, height } = metadata.autoOrient
  // A hash of a few numbers needs few pixels; ours come out the same for every size of the same picture.
  const small = await open(input, false, task.pixelsMax)
    .autoOrient()
    .resize({ width: 32, height: 32, fit: 'inside' })
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const pixels = new Uint8ClampedArray(small.data)
  const blurhash = blurhashOf(pixels, small.info.width, small.info.height, 4, 3)
  return {
    answer: { is: 'described', width, height, frames: metadata.pages ?? 1, blurhash },
    body: new Uint8Array()
  }
}

function open(input: Uint8Array, moving: boolean, pixelsMax: number): Sharp {
  return sharp(input, {
    animated: moving,
    limitInputPixels: pixelsMax,
    failOn: 'truncated',
    sequentialRead: true
  })
}

/** Before a pixel is decoded: the header says how many there are, all frames together. */
async function checked(input: Uint8Array, moving: boolean, pixelsMax: number): Promise<Metadata> {
  const metadata = await open(input, false, pixelsMax).metadata()
  const frames = moving ? (metadata.pages ?? 1) : 1
  const pixels = metadata.width * metadata.height * frames
  if (pixels > pixelsMax) {
    throw new Error(
      `it has ${metadata.width} × ${metadata.height} pixels${frames > 1 ? ` in ${frames} frames` : ''}; at most ${pixelsMax} in all are decoded`
    )
  }
  return metadata
}
