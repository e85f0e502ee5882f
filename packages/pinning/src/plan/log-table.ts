// −log2 of a fraction in integers. `Math.log` may differ in its last bit between engines and processors,
// and one bit is enough for two members to rank a group differently for ever. The table is computed from
// its definition with exact integer arithmetic. Normative text: docs/protocol/ranking.md.

/** Entries of the table: [1, 2) in 1,024 steps, with straight lines between: off by at most 1.8e-7. */
const stepBits = 10
/** Binary digits after the point of a table entry. */
const fractionBits = 40
const one = 2 ** fractionBits

let table: Float64Array | undefined

/** log2(1 + i/1024) × 2^40 for i = 0…1024, each rounded down. Exact: squaring doubles the logarithm. */
export function log2Table(): Float64Array {
  if (table !== undefined) return table
  const steps = 2 ** stepBits
  const built = new Float64Array(steps + 1)
  // 128 binary digits: the floor of 40 squarings loses at most 2^-80, far below the last digit kept.
  const precision = 128n
  const two = 2n << precision
  for (let i = 1; i < steps; i++) {
    let x = (BigInt(steps + i) << precision) >> BigInt(stepBits)
    let log = 0
    for (let bit = 1; bit <= fractionBits; bit++) {
      x = (x * x) >> precision
      log *= 2
      if (x >= two) {
        x >>= 1n
        log += 1
      }
    }
    built[i] = log
  }
  built[steps] = one
  table = built
  return built
}

/**
 * −log2(u) × 2^40 for u = (2 × draw + 1) / 2^33, rounded as the format says; an integer, at least 1, below 2^46.
 * @param draw 0 ≤ draw < 2^32; the odd numerator keeps u strictly between 0 and 1.
 */
export function negativeLog2(draw: number): number {
  const logs = log2Table()
  const x = 2 * draw + 1
  // Highest set bit of the 33-bit x.
  const exponent = 32 - Math.clz32(draw)
  // Fraction of x above its highest bit, in 32 binary digits: exact, for x − 2^e < 2^32.
  const fraction = (x - 2 ** exponent) * 2 ** (32 - exponent)
  const step = Math.floor(fraction / 2 ** (32 - stepBits))
  const within = fraction - step * 2 ** (32 - stepBits)
  const low = logs[step] ?? 0
  const high = logs[step + 1] ?? one
  // (high − low) < 2^31 and within < 2^22: the product is exact in a double.
  const log = low + Math.floor(((high - low) * within) / 2 ** (32 - stepBits))
  return Math.max(1, (33 - exponent) * one - log)
}
