// The shape of every benchmark's result, and how it is shown and kept. A benchmark asserts nothing:
// it prints figures and, beside each, the figure of a peer or a limit measured in the same run, because
// on a shared machine only the ratio means something.

import { appendFile, readFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'

export interface BenchRow {
  /** What was measured, e.g. `ingest 100 KiB files`. */
  what: string
  value: number
  /** Unit of `value`, e.g. `objects/s`, `MiB/s`, `ms`. */
  unit: string
  /** The peer or limit of the same run, in the same unit. */
  against?: { what: string; value: number }
  /** The goal for value ÷ against, when there is one. */
  ratioGoal?: number
}

const recordFile = new URL('../../docs/benchmarks.md', import.meta.url)

/** Prints the rows as a table; with `--record` also appends them to docs/benchmarks.md. */
export async function reportBench(title: string, rows: readonly BenchRow[], notes = ''): Promise<void> {
  const text = [`### ${title}`, '', ...table(rows), ...(notes === '' ? [] : ['', notes]), ''].join('\n')
  process.stdout.write(`${text}\n`)
  if (process.argv.includes('--record')) {
    const day = new Date().toISOString().slice(0, 10)
    const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`
    const heading = `## ${day}, ${machine}`
    const kept = await readFile(recordFile, 'utf8').catch(() => '')
    await appendFile(recordFile, kept.includes(heading) ? `\n${text}` : `\n${heading}\n\n${text}`)
  }
}

function table(rows: readonly BenchRow[]): string[] {
  const lines = ['| what | figure | against, same run | ratio | goal |', '|---|---:|---:|---:|---:|']
  for (const { what, value, unit, against, ratioGoal } of rows) {
    const peer = against === undefined ? '' : `${show(against.value)} ${unit} (${against.what})`
    const ratio = against === undefined ? '' : (value / against.value).toFixed(2)
    lines.push(`| ${what} | ${show(value)} ${unit} | ${peer} | ${ratio} | ${ratioGoal ?? ''} |`)
  }
  return lines
}

function show(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3)
}

/** The middle of the runs: what to quote from a noisy machine. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2
}
