// The table of requests a command can make: method, path, the shapes it accepts, and what answers it.
// Everything is checked here, so that behind this file there are only values of the right type.

import { type ContentName, limits, parseContentName } from '@commonhold/core'
import { z } from 'zod'
import type { ControlledNode } from './ports.ts'
import { controlVersion } from './protocol.ts'

export interface Call<Q = unknown, B = unknown> {
  readonly node: ControlledNode
  /** Present exactly when the path has `:name`. */
  readonly name: string
  readonly query: Q
  readonly body: B
  /** Raw body of an upload. */
  readonly bytes: AsyncIterable<Uint8Array>
  readonly signal: AbortSignal
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly pattern: URLPattern
  readonly query: z.ZodType
  /** `upload`: the raw bytes belong to the answerer; otherwise JSON of this shape, or no body. */
  readonly body: z.ZodType | 'upload'
  readonly answer: (call: Call) => Answer
}

/** A value becomes JSON; `lines` become NDJSON; `bytes` go out as they are. */
export type Answer =
  | Promise<unknown>
  | { readonly lines: AsyncIterable<unknown> }
  | { readonly bytes: (call: Call) => Promise<{ length: number; chunks: AsyncIterable<Uint8Array> }> }

const none = z.strictObject({})
const copies = z.coerce.number().int().min(1).max(32)
const visibility = z.enum(['public', 'members'])
const flag = z.enum(['true', 'false']).transform((text) => text === 'true')
const label = z.string().trim().min(1).max(64)
const byteOffset = z.coerce.number().int().min(0).max(limits.objectBytesMax)
const sentence = z.string().trim().min(1).max(500)
const scope = z.enum(['upload', 'delete', 'read', 'metrics'])

const wishQuery = z.strictObject({
  copies: copies.optional(),
  visibility: visibility.optional(),
  settle: flag.default(false),
  size: byteOffset.optional()
})
const importQuery = wishQuery.omit({ settle: true })
const wishBody = z.strictObject({ copies: copies.optional(), visibility: visibility.optional() })
const rangeQuery = z.strictObject({ from: byteOffset.optional(), to: byteOffset.optional() })
const pageQuery = z.strictObject({
  after: z.string().max(limits.nameCharsMax).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000)
})
/** `<live copies>.<cid>` of the last object of the page before. */
const needyQuery = pageQuery.extend({
  after: z
    .string()
    .max(limits.nameCharsMax + 10)
    .regex(/^\d{1,9}\./, 'not the `next` of a page')
    .optional()
})
const poolBody = z.strictObject({
  name: label,
  admission: z.enum(['open', 'vouch']).default('open'),
  copiesMin: z.number().int().min(1).max(32).default(3),
  groupBits: z.number().int().min(4).max(16).default(12)
})
const joinBody = z.strictObject({
  address: z.string().min(1).max(1024),
  keepBytes: z.number().int().min(0).optional()
})
const tokenBody = z.strictObject({
  name: label,
  scopes: z.array(scope).min(1).max(4),
  expiresAt: z.iso.datetime().optional()
})
const policyBody = z.strictObject({ copiesMin: z.number().int().min(1).max(32) })
const leaveBody = z.strictObject({ now: z.boolean() })
const memberQuery = z.strictObject({ node: z.string().max(128).default('') })
const denialBody = z.strictObject({
  name: z.string().min(1),
  reason: sentence,
  now: z.boolean().optional()
})
const admitBody = z.strictObject({ operator: z.string().min(1).max(128) })

export const routes: readonly Route[] = [
  route('GET', '/about', none, none, async ({ node }) => node.about()),
  route('GET', '/status', none, none, ({ node, signal }) => node.status({ signal })),
  route('GET', '/status/at-risk', needyQuery, none, ({ node, query }) =>
    node.needy(query.after, query.limit)
  ),
  route('GET', '/status/member', memberQuery, none, ({ node, query }) => node.keeperRecord(query.node)),
  route('GET', '/doctor', none, none, ({ node, signal }) => node.doctor({ signal })),
  route('GET', '/peers', none, none, async ({ node }) => node.peers()),

  route('GET', '/pool', none, none, async ({ node }) => node.pool()),
  route('POST', '/pool', none, poolBody, ({ node, body, signal }) => node.createPool({ ...body, signal })),
  route('POST', '/pool/policy', none, policyBody, ({ node, body, signal }) =>
    node.setPool({ ...body, signal })
  ),
  route('GET', '/pool/members', none, none, async ({ node }) => node.members()),
  route('POST', '/pool/operators', none, admitBody, ({ node, body, signal }) =>
    node.admit(body.operator, { signal })
  ),
  route('POST', '/join', none, joinBody, ({ node, body: { address, keepBytes }, signal }) =>
    node.join(address, { ...(keepBytes === undefined ? {} : { keepBytes }), signal })
  ),

  route('POST', '/leave', none, leaveBody, ({ node, body, signal }) => node.leave({ ...body, signal })),
  route('DELETE', '/leave', none, none, ({ node }) => node.stay()),
  route('GET', '/leave', none, none, ({ node, signal }) => ({ lines: node.leaving({ signal }) })),

  route('POST', '/objects', wishQuery, 'upload', ({ node, query, bytes, signal }) =>
    node.put(bytes, {
      ...wish(query),
      ...(query.size === undefined ? {} : { sizeMax: query.size }),
      mustSettle: query.settle,
      signal
    })
  ),
  route('POST', '/imports', importQuery, 'upload', ({ node, query, bytes, signal }) =>
    node.import(bytes, {
      ...wish(query),
      ...(query.size === undefined ? {} : { sizeMax: query.size }),
      signal
    })
  ),
  route('GET', '/objects/:name', none, none, ({ node, name, signal }) =>
    node.stat(content(name), { signal })
  ),
  route('GET', '/objects/:name/bytes', rangeQuery, none, () => ({ bytes: readBytes })),
  route('GET', '/objects/:name/settled', none, none, ({ node, name, signal }) => ({
    lines: node.settle(content(name), { signal })
  })),
  route('POST', '/objects/:name/proofs', none, none, ({ node, name, signal }) =>
    node.prove(content(name), { signal })
  ),

  route('GET', '/pins', pageQuery, none, ({ node, query, signal }) =>
    node.pins(query.after, query.limit, { signal })
  ),
  route('POST', '/pins/:name', none, wishBody, ({ node, name, body, signal }) =>
    node.pin(content(name), { ...wish(body), signal })
  ),
  route('DELETE', '/pins/:name', none, none, async ({ node, name, signal }) => ({
    removed: await node.unpin(content(name), { signal })
  })),
  route('GET', '/pins/:name', none, none, ({ node, name, signal }) =>
    node.pinStatus(content(name), { signal })
  ),
  route('GET', '/pins/:name/why', none, none, ({ node, name, signal }) =>
    node.why(content(name), { signal })
  ),

  route('GET', '/tokens', none, none, ({ node }) => node.tokens()),
  route('POST', '/tokens', none, tokenBody, ({ node, body }) =>
    node.addToken(body.name, body.scopes, body.expiresAt === undefined ? undefined : new Date(body.expiresAt))
  ),
  route('DELETE', '/tokens/:name', none, none, async ({ node, name }) => ({
    removed: await node.removeToken(name)
  })),

  route('GET', '/denials', none, none, ({ node }) => node.denials()),
  route('POST', '/denials', none, denialBody, ({ node, body }) =>
    node.deny(content(body.name), body.reason, body.now === true)
  ),
  route('DELETE', '/denials/:name', none, none, async ({ node, name }) => ({
    removed: await node.undoDenial(content(name))
  }))
]

async function readBytes(call: Call): Promise<{ length: number; chunks: AsyncIterable<Uint8Array> }> {
  const { node, name, signal } = call
  const query = call.query as z.output<typeof rangeQuery>
  const subject = content(name)
  const { size } = await node.stat(subject, { signal })
  const to = Math.min(query.to ?? size, size)
  const from = Math.min(query.from ?? 0, to)
  return { length: to - from, chunks: node.read(subject, { from, to }, { signal }) }
}

function wish(given: { copies?: number | undefined; visibility?: 'public' | 'members' | undefined }) {
  return {
    ...(given.copies === undefined ? {} : { copiesMin: given.copies }),
    ...(given.visibility === undefined ? {} : { visibility: given.visibility })
  }
}

function content(name: string): ContentName {
  return parseContentName(name)
}

function route<Q extends z.ZodType, B extends z.ZodType | 'upload'>(
  method: Route['method'],
  path: string,
  query: Q,
  body: B,
  answer: (call: Call<z.output<Q>, B extends z.ZodType ? z.output<B> : undefined>) => Answer
): Route {
  return {
    method,
    pattern: new URLPattern({ pathname: `/${controlVersion}${path}` }),
    query,
    body,
    answer: answer as Route['answer']
  }
}
