// What somebody who mistyped a word perhaps meant.

/** The known word at the smallest edit distance, when it is near enough to be a typing mistake. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Optimal string alignment: typing two letters in the wrong order is one mistake, not two. */
function editDistance(a: string, b: string): number {
  // Words are short; garbage must cost nothing.
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const distance = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted)
      next.push(swapped ? Math.min(distance, (before[j - 2] ?? 0) + 1) : distance)
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}
