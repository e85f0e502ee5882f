// What the bridge and a scaling process say to each other over a pipe: a JSON head and a body, each behind its length.

import type { Variant } from './variant.ts'

export type ScalerTask =
  | { readonly do: 'scale'; readonly variant: Variant; readonly pixelsMax: number }
  | { readonly do: 'describe'; readonly pixelsMax: number }

export type ScalerAnswer =
  | { readonly is: 'scaled' }
  | {
      readonly is: 'described'
      readonly width: number
      readonly height: number
      readonly frames: number
      readonly blurhash: string
    }
  | { readonly is: 'refused'; readonly why: string }

const lengthsBytes = 8

/** uint32 length of head, uint32 length of body, both big-endian, then both. */
export function frameOf(head: ScalerTask | ScalerAnswer, body: Uint8Array): Uint8Array {
  const headBytes = Buffer.from(JSON.stringify(head))
  const lengths = Buffer.alloc(lengthsBytes)
  lengths.writeUInt32BE(headBytes.length, 0)
  lengths.writeUInt32BE(body.length, 4)
  return Buffer.concat([lengths, headBytes, body])
}

/** Both ends are ours: a length is believed. */
export async function* framesOf(
  pipe: AsyncIterable<Uint8Array>
): AsyncGenerator<{ readonly head: unknown; readonly body: Uint8Array }> {
  let parts: Uint8Array[] = []
  let have = 0
  let need = lengthsBytes
  for await (const part of pipe) {
    parts.push(part)
    have += part.length
    while (have >= need) {
      const all = parts.length === 1 && parts[0] !== undefined ? Buffer.from(parts[0]) : Buffer.concat(parts)
      parts = [all]
      const headBytes = all.readUInt32BE(0)
      const whole = lengthsBytes + headBytes + all.readUInt32BE(4)
      need = whole
      if (have < whole) break
      const head: unknown = JSON.parse(all.toString('utf8', lengthsBytes, lengthsBytes + headBytes))
      yield { head, body: all.subarray(lengthsBytes + headBytes, whole) }
      parts = [all.subarray(whole)]
      have -= whole
      need = lengthsBytes
    }
  }
}
