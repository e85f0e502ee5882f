// The page that lists a folder: names that strangers chose, as text, and links to them. Pure.

import { escaped, pageHeaders } from '../page.ts'
import type { GatewayPath } from './path.ts'

export interface Entry {
  readonly name: string
  readonly cid: string
  /** Bytes below it, as the folder claims. */
  readonly size?: number
}

export function listingPage(
  path: GatewayPath,
  entries: readonly Entry[],
  isWhole: boolean
): { readonly body: Buffer; readonly headers: Readonly<Record<string, string>> } {
  return { body: Buffer.from(pageOf(path, entries, isWhole)), headers: pageHeaders }
}

function pageOf({ cid, names }: GatewayPath, entries: readonly Entry[], isWhole: boolean): string {
  const root = `/ipfs/${encodeURIComponent(cid)}`
  const places = names.map(
    (_, i) =>
      `${root}/${names
        .slice(0, i + 1)
        .map(encodeURIComponent)
        .join('/')}`
  )
  const here = places.at(-1) ?? root
  const crumbs = [link(root, cid), ...names.map((name, i) => link(places[i] ?? root, name))].join('/')
  const up = names.length === 0 ? '' : `<tr><td colspan="3">${link(`${here}/..`, '..')}</td></tr>\n`
  const rows = [...entries].sort(byName).map((entry) => rowOf(here, entry))
  const more = isWhole
    ? ''
    : '<p>There are more than are listed here. Each can be asked for by its name.</p>\n'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(`/ipfs/${[cid, ...names].join('/')}`)}</title>
<style>
:root { color-scheme: light dark }
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 70rem; margin: 3rem auto; padding: 0 1.2rem }
h1 { font-size: 1.15rem; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
td { padding: .25rem .6rem .25rem 0; border-top: 1px solid #8884; overflow-wrap: anywhere }
.ipfs-hash { font-family: ui-monospace, monospace; font-size: .8rem }
td:last-child { text-align: right; white-space: nowrap }
</style>
</head>
<body>
<h1>Index of /ipfs/${crumbs}</h1>
<table>
${up}${rows.join('\n')}
</table>
${more}</body>
</html>
`
}

function rowOf(here: string, { name, cid, size }: Entry): string {
  const encoded = encodeURIComponent(name)
  const hash = `/ipfs/${cid}?filename=${encoded}`
  const bytes = size === undefined ? '' : `${size.toLocaleString('en')} B`
  return (
    `<tr><td>${link(`${here}/${encoded}`, name)}</td>` +
    `<td><a class="ipfs-hash" translate="no" href="${escaped(hash)}">${cid}</a></td><td>${bytes}</td></tr>`
  )
}

function link(to: string, text: string): string {
  return `<a href="${escaped(to)}">${escaped(text)}</a>`
}

function byName(a: Entry, b: Entry): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
