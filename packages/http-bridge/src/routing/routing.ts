// Delegated routing: where IPFS clients can have an object. The answer is this bridge, for what it would serve to
// everybody: other members speak no protocol that such a client knows, and where they are is theirs to tell.

import type { ServerResponse } from 'node:http'
import { InvalidInputError, parseCid } from '@commonhold/core'
import type { Request } from 'express'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import type { ResolvedName } from '../components.ts'
import { subjectOf } from '../lookup.ts'
import { queryOf } from '../media/get.ts'
import { HttpRefusal } from '../problems.ts'
import type { Handler } from '../route.ts'
import type { Serving } from '../serve-object.ts'
import { filtered, gatewayRecord, type PeerRecord } from './records.ts'

/** Multicodec of a peer id written as a CID. */
const peerIdCode = 0x72
const json = 'application/json'
const lines = 'application/x-ndjson'

export function providers(serving: Serving): Handler {
  return async (req, res) => {
    const cid = parseCid(String(req.params['cid'] ?? ''))
    const here = (await isServed(serving, cid)) ? ownRecord(serving) : undefined
    answer(req, res, 'Providers', here)
  }
}

export function peers(serving: Serving): Handler {
  return (req, res) => {
    const asked = peerIdOf(String(req.params['peer'] ?? ''))
    const own = ownRecord(serving)
    answer(req, res, 'Peers', own?.ID === asked ? own : undefined)
  }
}

function ownRecord({ components, options }: Serving): PeerRecord | undefined {
  if (options.publicUrl === undefined) return undefined
  return gatewayRecord(components.health.about().nodeId, options.publicUrl)
}

/** Whether anybody who asks is served it: what is for members, denied or wanted by nobody has no providers here. */
async function isServed({ components, options }: Serving, cid: CID): Promise<boolean> {
  const { library, policy } = components
  const resolved = await library.resolve({ kind: 'cid', cid })
  const asked = resolved === undefined ? { root: cid } : subjectOf(resolved)
  if ((await policy.decide(asked)).verdict !== 'allow') return false
  const mayGo = ({ wanted, visibility }: ResolvedName): boolean =>
    visibility === 'public' && (wanted || options.bridgeScope === 'any')
  if (resolved?.wanted === true) return mayGo(resolved)
  for (const owner of (await library.blockHere(cid))?.owners ?? []) {
    if (mayGo(owner) && (await policy.decide(subjectOf(owner))).verdict === 'allow') return true
  }
  return false
}

function answer(
  req: Request,
  res: ServerResponse,
  list: 'Providers' | 'Peers',
  found: PeerRecord | undefined
): void {
  const accept = req.headers.accept ?? json
  const asLines = accept.includes(lines)
  if (!asLines && !/application\/(json|\*)|\*\/\*/.test(accept)) {
    throw new HttpRefusal(406, 'Not to be had in this form', `Routing is answered as ${json} or ${lines}.`)
  }
  const query = queryOf(req) ?? new URLSearchParams()
  const record =
    found === undefined
      ? undefined
      : filtered(found, query.get('filter-addrs'), query.get('filter-protocols'))
  const records = record === undefined ? [] : [record]
  const body = Buffer.from(
    asLines
      ? records.map((each) => `${JSON.stringify(each)}\n`).join('')
      : JSON.stringify({ [list]: records })
  )
  res.writeHead(200, {
    'Content-Type': asLines ? lines : json,
    'Content-Length': body.length,
    // What is not here yet may come soon, says the specification.
    'Cache-Control': `public, max-age=${records.length === 0 ? 15 : 300}, stale-while-revalidate=172800, stale-if-error=172800`,
    Vary: 'Accept',
    'X-Content-Type-Options': 'nosniff',
    'Access-Control-Allow-Origin': '*'
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}

/** In base58btc, whichever of the spellings of libp2p was used. @throws InvalidInputError */
function peerIdOf(text: string): string {
  try {
    if (/^(12D3KooW|Qm)/.test(text)) {
      base58btc.baseDecode(text)
      return text
    }
    const cid = text.startsWith('k') ? CID.parse(text, base36) : CID.parse(text)
    if (cid.code === peerIdCode && cid.multihash.digest.length > 0 && cid.multihash.code <= 0x12)
      return base58btc.baseEncode(cid.multihash.bytes)
  } catch (err) {
    throw new InvalidInputError(`“${text.slice(0, 80)}” is no peer id.`, { cause: err })
  }
  throw new InvalidInputError(`“${text.slice(0, 80)}” is no peer id.`)
}
