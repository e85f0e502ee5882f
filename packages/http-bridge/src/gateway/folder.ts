// What is no file, as a browser sees it: a folder is its index.html or a page that lists it, a symbolic link is its
// target as text, a document is to be asked for as blocks. The page is ours, so it may be HTML; index.html is a
// stranger's and comes as `sniff.ts` finds it.

import type { ServerResponse } from 'node:http'
import { type AbortOptions, NotAFileError, NotFoundError } from '@commonhold/core'
import type { Request } from 'express'
import { ifNoneMatchHolds } from '../conditions.ts'
import type { FoundObject } from '../lookup.ts'
import { HttpRefusal } from '../problems.ts'
import { fixedObjectHeaders } from '../safe-headers.ts'
import { type Serving, serveFound, type Wishes } from '../serve-object.ts'
import { type Entry, listingPage } from './listing.ts'
import { type PathNode, pathNodeOf, prefixLength } from './nodes.ts'
import { blockOf, type GatewayPath, partOf, type Resolved, resolvePath } from './path.ts'

/** A new one whenever the page looks different: part of its ETag. */
const listingVersion = '1'
/** The listing is ours to change, what it lists is not. */
const listingCache = 'max-age=604800, stale-while-revalidate=2678400'

export async function serveNoFile(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  path: GatewayPath,
  { object }: Resolved,
  wishes: Wishes,
  options: AbortOptions
): Promise<void> {
  const node = pathNodeOf(await blockOf(serving, object, options))
  switch (node.kind) {
    case 'file':
      throw new NotAFileError(path.text)
    case 'document':
      throw new HttpRefusal(
        406,
        'Not to be had in this form',
        'This is a document of dag-cbor. Ask for ?format=raw or ?format=car, or for a path in it that leads to a file.'
      )
    case 'symlink':
      sendSmall(req, res, object, node.target, 'text/plain; charset=utf-8', wishes)
      return
    case 'folder':
    case 'shard':
      await serveFolder(serving, req, res, path, object, node, wishes, options)
  }
}

async function serveFolder(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  path: GatewayPath,
  object: FoundObject,
  node: PathNode & { kind: 'folder' | 'shard' },
  wishes: Wishes,
  options: AbortOptions
): Promise<void> {
  if (!path.isFolder) {
    const at = req.url.indexOf('?')
    res.writeHead(301, {
      Location: `${path.text}/${at === -1 ? '' : req.url.slice(at)}`,
      'Content-Length': 0
    })
    res.end()
    return
  }
  const index = await indexOf(serving, object, options)
  if (index !== undefined) {
    try {
      await serveFound(serving, req, res, index, { ...wishes, etag: `"${object.key}"` })
      return
    } catch (err) {
      // A folder by that name is an entry like others.
      if (!(err instanceof NotAFileError)) throw err
    }
  }
  const etag = `"DirIndex-${listingVersion}_CID-${object.key}"`
  const headers: Record<string, string | number> = {
    ETag: etag,
    'Cache-Control': `${object.visibility === 'public' ? 'public' : 'private'}, ${listingCache}`,
    ...pairsOf(wishes.addressed ?? []),
    Vary: 'Accept'
  }
  if (ifNoneMatchHolds(req.headers['if-none-match'], etag)) {
    res.writeHead(304, headers)
    res.end()
    return
  }
  const { entries, isWhole } = await entriesOf(serving, object, node, options)
  const { body, headers: own } = listingPage(path, entries, isWhole)
  res.writeHead(200, { ...own, ...headers, 'Content-Length': body.length })
  res.end(req.method === 'HEAD' ? undefined : body)
}

async function indexOf(
  serving: Serving,
  object: FoundObject,
  options: AbortOptions
): Promise<FoundObject | undefined> {
  try {
    return (await resolvePath(serving, object, ['index.html'], options)).object
  } catch (err) {
    if (err instanceof NotFoundError) return undefined
    throw err
  }
}

/** Of a sharded folder as many as the blocks it may take hold, in the order of the shards. */
async function entriesOf(
  serving: Serving,
  object: FoundObject,
  node: PathNode & { kind: 'folder' | 'shard' },
  options: AbortOptions
): Promise<{ entries: readonly Entry[]; isWhole: boolean }> {
  const { listingEntriesMax, listingBlocksMax } = serving.options
  const entries: Entry[] = []
  const open: PathNode[] = [node]
  let blocks = 1
  for (let shard = open.pop(); shard !== undefined; shard = open.pop()) {
    if (shard.kind !== 'folder' && shard.kind !== 'shard') continue
    const skipped = shard.kind === 'shard' ? prefixLength(shard.fanout) : 0
    for (const { Name: text = '', Hash: cid, Tsize: size } of shard.links) {
      const name = text.slice(skipped)
      if (name === '' && shard.kind === 'shard') {
        if (++blocks > listingBlocksMax) return { entries, isWhole: false }
        open.push(pathNodeOf(await blockOf(serving, partOf(object.within ?? object, cid), options)))
        continue
      }
      if (entries.length === listingEntriesMax) return { entries, isWhole: false }
      entries.push({ name, cid: cid.toString(), ...(size === undefined ? {} : { size }) })
    }
  }
  return { entries, isWhole: true }
}

/** Bytes that are in hand, of a type that is known. */
export function sendSmall(
  req: Request,
  res: ServerResponse,
  { key, visibility }: Pick<FoundObject, 'key' | 'visibility'>,
  bytes: Uint8Array,
  contentType: string,
  wishes: Wishes
): void {
  const etag = `"${key}"`
  const isKnown = ifNoneMatchHolds(req.headers['if-none-match'], etag)
  res.writeHead(isKnown ? 304 : 200, [
    ...fixedObjectHeaders,
    ...(wishes.addressed ?? []),
    'ETag',
    etag,
    'Cache-Control',
    `${visibility === 'public' ? 'public' : 'private'}, max-age=29030400, immutable`,
    ...(isKnown ? [] : ['Content-Type', contentType, 'Content-Length', String(bytes.length)])
  ])
  res.end(isKnown || req.method === 'HEAD' ? undefined : bytes)
}

function pairsOf(flat: readonly string[]): Record<string, string> {
  const pairs: Record<string, string> = {}
  for (let i = 0; i + 1 < flat.length; i += 2) pairs[flat[i] ?? ''] = flat[i + 1] ?? ''
  return pairs
}
