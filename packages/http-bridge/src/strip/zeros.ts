// Zeros in place of what was removed, without allocating as much as a hostile length says.

const block = new Uint8Array(64 * 1024)

export function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= block.length)
    yield block.subarray(0, Math.min(left, block.length))
}
