// Columns for people: no lines, a quiet header, two spaces between. Numbers stand to the right.

import Table from 'cli-table3'
import type { Terminal } from '../terminal.ts'

export interface Column {
  readonly title: string
  readonly align?: 'left' | 'right'
}

const noLines = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  '
}

export function renderTable(
  terminal: Terminal,
  columns: readonly Column[],
  rows: readonly (readonly string[])[]
): string {
  const table = new Table({
    chars: noLines,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map(({ align }) => align ?? 'left')
  })
  table.push(
    columns.map(({ title }) => terminal.paint('dim', title)),
    ...rows.map((row) => [...row])
  )
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

/** Names of nodes all begin alike, as do those of operators: the end tells them apart. */
export function shortName(id: string): string {
  return `…${id.slice(-8)}`
}
