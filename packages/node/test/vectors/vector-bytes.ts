// The content of the vectors, by formula, so that 100 MiB need no file: byte i is byte i mod 32 of
// sha2-256 of the text `commonhold <j>` with j = floor(i / 32) mod 32,768, in decimal. It repeats after
// 1 MiB, on purpose: equal leaves are one block, and several links to it.
// Run as a program it writes that many bytes: `node vector-bytes.ts 1048577`.

import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'

const period = 1024 * 1024

function periodBytes(): Buffer {
  const parts: Buffer[] = []
  for (let j = 0; j < period / 32; j++) parts.push(createHash('sha256').update(`commonhold ${j}`).digest())
  return Buffer.concat(parts)
}

export async function* vectorBytes(size: number): AsyncGenerator<Uint8Array> {
  const bytes = periodBytes()
  for (let at = 0; at < size; at += period) yield bytes.subarray(0, Math.min(period, size - at))
}

if (import.meta.main) await pipeline(vectorBytes(Number(process.argv[2])), process.stdout)
