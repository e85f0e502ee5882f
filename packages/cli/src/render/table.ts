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

/** `12D3KooWLr…x7Qk`: enough of a long name to recognise it by both its ends. */
export function shortName(name: string, head = 8, tail = 4): string {
  return name.length <= head + tail + 1 ? name : `${name.slice(0, head)}…${name.slice(-tail)}`
}

/** Node ids all begin alike (12D3KooW): the end tells them apart. */
export function shortNode(id: string): string {
  return `…${id.slice(-8)}`
}

export function shortOperator(id: string): string {
  return `…${id.slice(-8)}`
}
