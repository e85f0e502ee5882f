// The figures of one or several seeds as a table: the same for the terminal and for docs/durability.md.

import type { ArmResult, RunResult } from './run.ts'

export function tableOf(results: readonly RunResult[]): string {
  const names = results[0]?.arms.map((one) => one.arm) ?? []
  const rows = names.map((name) =>
    rowOf(results.flatMap((result) => result.arms.filter((one) => one.arm === name)))
  )
  return [
    '| policy | copies made per object-year | stored | below min, ppm | none live, ppm | lost | TB moved | proofs per object-year | wrong | false accusations | repairs / fills / moves | releases |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows
  ].join('\n')
}

function rowOf(seeds: readonly ArmResult[]): string {
  const sum = (of: (one: ArmResult) => number): number => seeds.reduce((total, one) => total + of(one), 0)
  const years = sum((one) => one.objectYears)
  const mean = (of: (one: ArmResult) => number): number => sum(of) / seeds.length
  const asked = seeds.every((one) => one.deeds !== undefined)
  const cells = [
    seeds[0]?.arm ?? '',
    (sum((one) => one.copiesMade) / years).toFixed(2),
    mean((one) => one.stored).toFixed(2),
    (mean((one) => one.belowMin) * 1e6).toFixed(0),
    (mean((one) => one.unavailable) * 1e6).toFixed(1),
    String(sum((one) => one.lost)),
    (sum((one) => one.bytesMoved) / 1e12).toFixed(1),
    asked ? (sum((one) => one.deeds?.proofs ?? 0) / years).toFixed(0) : '–',
    asked ? String(sum((one) => one.deeds?.proofsWrong ?? 0)) : '–',
    asked ? String(sum((one) => one.deeds?.falseAccusations ?? 0)) : '–',
    asked
      ? (['repairs', 'fills', 'moves'] as const)
          .map((deed) => (sum((one) => one.deeds?.[deed] ?? 0) / years).toFixed(2))
          .join(' / ')
      : '–',
    asked ? (sum((one) => one.deeds?.releases ?? 0) / years).toFixed(2) : '–'
  ]
  return `| ${cells.join(' | ')} |`
}
