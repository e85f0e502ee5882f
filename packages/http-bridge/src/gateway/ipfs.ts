// GET /ipfs/<cid>/path: the address every IPFS gateway has, as a file or folder, a block or a CAR.
// https://specs.ipfs.tech/http-gateways/path-gateway/

import type { ServerResponse } from 'node:http'
import { NotAFileError, parseCid } from '@commonhold/core'
import type { Request } from 'express'
import type { CID } from 'multiformats/cid'
import { ClientGone } from '../client-gone.ts'
import type { FoundObject } from '../lookup.ts'
import { queryOf, wishesOf } from '../media/get.ts'
import { HttpRefusal } from '../problems.ts'
import type { Handler } from '../route.ts'
import { type Serving, serveFound, type Wishes } from '../serve-object.ts'
import { sniff } from '../sniff.ts'
import { sendSmall, serveNoFile } from './folder.ts'
import { formatOf } from './format.ts'
import { findEntity, type GatewayPath, gatewayPathOf, inlineBlock, resolvePath } from './path.ts'
import { serveBlock, serveCar } from './trustless.ts'

export function gateway(serving: Serving): Handler {
  return async (req, res) => {
    const path = gatewayPathOf(req)
    const format = formatOf(queryOf(req) ?? none, req.headers.accept)
    const inline = inlineBlock(path.cid)
    if (inline === undefined && asksForLocal(req)) await refuseAbsent(serving, path)
    using gone = new ClientGone(res)
    const object = inline === undefined ? await findEntity(serving, req, path.cid) : inlineObject(inline.cid)
    const resolved = await gone.wait(
      (until) => resolvePath(serving, object, path.names, until),
      path.names.length === 0 ? undefined : serving.options.upstreamWaitMsMax
    )
    const asked = { path, resolved, addressed: addressOf(path, resolved.roots) }
    const wishes = wishesOf(req)
    if (format.is === 'raw') await serveBlock(serving, req, res, asked, wishes.filename)
    else if (format.is === 'car') await serveCar(serving, req, res, asked, format, wishes.filename)
    else if (inline !== undefined && path.names.length === 0)
      await serveInline(req, res, object, inline.bytes)
    else await serve(serving, req, res, asked, { ...wishes, varies: true, addressed: asked.addressed }, gone)
  }
}

const none = new URLSearchParams()

type Asked = Parameters<typeof serveBlock>[3]

async function serve(
  serving: Serving,
  req: Request,
  res: ServerResponse,
  { path, resolved }: Asked,
  wishes: Wishes,
  gone: ClientGone
): Promise<void> {
  try {
    await serveFound(serving, req, res, resolved.object, wishes)
  } catch (err) {
    if (!(err instanceof NotAFileError) || res.headersSent) throw err
    await gone.wait(
      (until) => serveNoFile(serving, req, res, path, resolved, wishes, until),
      serving.options.upstreamWaitMsMax
    )
  }
}

/** A name that holds its bytes; clients ask for the empty one to find out whether somebody is a gateway. */
async function serveInline(
  req: Request,
  res: ServerResponse,
  object: FoundObject,
  bytes: Uint8Array
): Promise<void> {
  const { contentType } = await sniff(bytes)
  sendSmall(req, res, object, bytes, contentType, { download: false })
}

function inlineObject(cid: CID): FoundObject {
  return { root: cid, wanted: false, visibility: 'public', name: { kind: 'cid', cid }, key: cid.toString() }
}

/** RFC 9111 §5.2.1.7, as gateways use it: what is not on this disk is not fetched. */
function asksForLocal(req: Request): boolean {
  return /(^|[\s,])only-if-cached([\s,]|$)/i.test(req.headers['cache-control'] ?? '')
}

async function refuseAbsent({ components }: Serving, { cid }: GatewayPath): Promise<void> {
  if ((await components.library.blockHere(parseCid(cid))) !== undefined) return
  throw new HttpRefusal(412, 'Not here', 'This node does not hold the object, and was asked not to fetch it.')
}

function addressOf({ text, cid }: GatewayPath, [, ...further]: readonly CID[]): readonly string[] {
  return ['X-Ipfs-Path', text, 'X-Ipfs-Roots', [cid, ...further].join(',')]
}
