// Live copies over time as a picture by hand: one line per policy, readable on light and dark ground.

import type { Sample } from './meter.ts'
import { type ArmName, armNames, type RunResult } from './run.ts'

const width = 880
const height = 400
const left = 50
const right = 150
const top = 40
const bottom = 45
const colours = ['#0a7d5a', '#d1495b', '#c77d0a', '#7a7f87', '#3b6fd4']

interface Line {
  readonly arm: ArmName
  readonly lost: number
  readonly samples: readonly Sample[]
}

/** @param results of as many seeds as there are; lines are their means */
export function plot(results: readonly RunResult[], title: string): string {
  const arms = linesOf(results)
  const samples = arms.flatMap((arm) => arm.samples)
  const endMs = Math.max(...samples.map((one) => one.atMs))
  const most = Math.ceil(Math.max(...samples.map((one) => one.liveMean)) + 0.5)
  const x = (ms: number): number => left + ((width - left - right) * ms) / endMs
  const y = (copies: number): number => height - bottom - ((height - top - bottom) * copies) / most
  const grid = Array.from({ length: most + 1 }, (_, i) => i).map(
    (i) =>
      `<line class="g" x1="${left}" x2="${width - right}" y1="${y(i)}" y2="${y(i)}"/><text x="${left - 10}" y="${y(i) + 4}" text-anchor="end">${i}</text>`
  )
  const yearMs = 365 * 86_400_000
  const years = Array.from({ length: Math.floor(endMs / yearMs) + 1 }, (_, i) => i).map(
    (i) => `<text x="${x(i * yearMs)}" y="${height - bottom + 20}" text-anchor="middle">year ${i}</text>`
  )
  // Names stand beside the ends of their lines, and never on one another.
  let above = Number.NEGATIVE_INFINITY
  const names = [...arms]
    .sort((a, b) => lastOf(b) - lastOf(a))
    .map((arm) => {
      above = Math.max(y(lastOf(arm)) + 4, above + 17)
      return `<text x="${width - right + 8}" y="${above}" style="fill:${colourOf(arm)}">${arm.arm}, ${arm.lost} lost</text>`
    })
  const lines = arms.map((arm) => {
    const points = arm.samples
      .map((one) => `${x(one.atMs).toFixed(1)},${y(one.liveMean).toFixed(1)}`)
      .join(' ')
    return `<polyline points="${points}" style="stroke:${colourOf(arm)}"/>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
<style>
svg { background: #fff; font: 13px system-ui, sans-serif } text { fill: #333 } .g { stroke: #ddd } polyline { fill: none; stroke-width: 1.6 }
@media (prefers-color-scheme: dark) { svg { background: #16181c } text { fill: #ccc } .g { stroke: #333 } }
</style>
<text x="${left}" y="22">Live copies per object, mean: ${title}</text>
${[...grid, ...years, ...lines, ...names].join('\n')}
</svg>
`
}

/** The same in every picture. */
function colourOf({ arm }: Line): string | undefined {
  return colours[armNames.indexOf(arm)]
}

function linesOf(results: readonly RunResult[]): Line[] {
  const [first] = results
  return (first?.arms ?? []).map(({ arm, samples }, i) => {
    const seeds = results.map((result) => result.arms[i])
    const mean = (at: number): number =>
      seeds.reduce((sum, one) => sum + (one?.samples[at]?.liveMean ?? 0), 0) / seeds.length
    return {
      arm,
      lost: seeds.reduce((sum, one) => sum + (one?.lost ?? 0), 0),
      samples: samples.map((sample, at) => ({ ...sample, liveMean: mean(at) }))
    }
  })
}

function lastOf(arm: Line): number {
  return arm.samples.at(-1)?.liveMean ?? 0
}
