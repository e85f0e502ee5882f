// Where a command speaks: results to stdout, everything else to stderr. Colours appear only on a
// terminal whose owner has not refused them; a pipe gets plain text.

import { styleText } from 'node:util'

export type Paint = Parameters<typeof styleText>[0]

export interface Terminal {
  /** Print machine-readable JSON instead of text for people. */
  readonly json: boolean
  readonly stdoutTTY: boolean
  readonly stderrTTY: boolean
  readonly columns: number
  /** One line (or several) of result on stdout. */
  line(text?: string): void
  /** A result as JSON, one document per line. */
  document(value: unknown): void
  /** A remark on stderr, never part of the result. */
  note(text: string): void
  paint(format: Paint, text: string): string
  /** Redraws one line on stderr; nothing when stderr is no terminal. */
  progress(text: string): void
  progressDone(): void
}

export function processTerminal(options: { json: boolean; noColor: boolean }): Terminal {
  const { stdout, stderr } = process
  const coloured = stdout.isTTY === true && !options.noColor && !options.json
  let drawn = false
  return {
    json: options.json,
    stdoutTTY: stdout.isTTY === true,
    stderrTTY: stderr.isTTY === true,
    columns: stdout.columns ?? 80,
    line: (text = '') => {
      stdout.write(`${text}\n`)
    },
    document: (value) => {
      stdout.write(`${JSON.stringify(value)}\n`)
    },
    note: (text) => {
      stderr.write(`${text}\n`)
    },
    paint: (format, text) => (coloured ? styleText(format, text, { validateStream: false }) : text),
    progress: (text) => {
      if (stderr.isTTY !== true || options.json) return
      drawn = true
      stderr.write(`\r\u001b[K${text.slice(0, (stderr.columns ?? 80) - 1)}`)
    },
    progressDone: () => {
      if (drawn) stderr.write('\r\u001b[K')
      drawn = false
    }
  }
}
