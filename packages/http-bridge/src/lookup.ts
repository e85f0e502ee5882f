// From the name in a URL to an object this node may talk about: parse, resolve, policy, visibility, scope. The
// one door of all routes that name an object, so that no route can forget a question.

import type { IncomingMessage } from 'node:http'
import {
  type ContentName,
  type ContentSubject,
  DeniedError,
  NotFoundError,
  parseContentName,
  UnauthorizedError
} from '@commonhold/core'
import { scopesOf } from './authorization.ts'
import type { BridgeComponents, ResolvedName } from './components.ts'
import { HttpRefusal } from './problems.ts'

export interface FoundObject extends ResolvedName {
  readonly name: ContentName
  /** The root as text: key of caches and body of the ETag. */
  readonly key: string
  /** The folder or document it is a part of, when it is no object by itself. */
  readonly within?: ResolvedName
}

/**
 * @throws InvalidInputError for a malformed name, DeniedError, NotFoundError when nobody here knows the digest,
 * UnauthorizedError when the object is for members and no token says who asks.
 * @param onDenied hears which object must be forgotten wherever bytes of it are remembered
 */
export async function findObject(
  req: IncomingMessage,
  text: string,
  components: BridgeComponents,
  onDenied?: (key: string) => void
): Promise<FoundObject> {
  const name = parseContentName(text)
  const resolved = await components.library.resolve(name)
  try {
    await refuseDenied(components, subjectAsked(name, resolved), text)
  } catch (err) {
    if (resolved !== undefined && err instanceof DeniedError) onDenied?.(resolved.root.toString())
    throw err
  }
  if (resolved === undefined) {
    throw new NotFoundError(
      'No object with this sha256 is known here. Ask by CID, or ask a node of the pool that has it.'
    )
  }
  if (resolved.visibility === 'members') {
    const scopes = await scopesOf(req, components.tokens)
    if (scopes === undefined)
      throw new UnauthorizedError('This object is for members: give a token with the scope “read”.')
    if (!scopes.includes('read')) {
      throw new HttpRefusal(403, 'The token does not allow this', 'The token lacks the scope “read”.')
    }
  }
  return { ...resolved, name, key: resolved.root.toString() }
}

/** Whether this client may see this object: allowed, and public or asked for with a token. */
export async function mayBeSeen(
  req: IncomingMessage,
  name: ResolvedName,
  components: BridgeComponents
): Promise<boolean> {
  if ((await components.policy.decide(subjectOf(name))).verdict !== 'allow') return false
  if (name.visibility === 'public') return true
  return (await scopesOf(req, components.tokens))?.includes('read') === true
}

/** The same for an object in hand; a part is denied with what it is a part of. @throws DeniedError */
export async function refuseDeniedObject(components: BridgeComponents, object: FoundObject): Promise<void> {
  if (object.within !== undefined) await refuseDenied(components, subjectOf(object.within), object.key)
  await refuseDenied(components, subjectOf(object), object.key)
}

/** @throws DeniedError; a quarantined object is not shown either, until somebody has decided. */
export async function refuseDenied(
  components: BridgeComponents,
  subject: ContentSubject,
  shown: string
): Promise<void> {
  const decision = await components.policy.decide(subject)
  if (decision.verdict === 'allow') return
  const reasons = decision.reasons.length > 0 ? decision.reasons : ['no reason was given']
  const quarantined =
    decision.verdict === 'quarantine' ? ['in quarantine until it was looked at', ...reasons] : reasons
  throw new DeniedError(shown, quarantined)
}

/** What the policy is asked about an object whose root is known. */
export function subjectOf({ root, digest }: Pick<ResolvedName, 'root' | 'digest'>): ContentSubject {
  return digest === undefined ? { root } : { root, digest }
}

function subjectAsked(name: ContentName, resolved: ResolvedName | undefined): ContentSubject {
  if (resolved !== undefined) {
    const digest = resolved.digest ?? (name.kind === 'digest' ? name.digest : undefined)
    return subjectOf({ ...resolved, ...(digest === undefined ? {} : { digest }) })
  }
  return name.kind === 'cid' ? { root: name.cid } : { digest: name.digest }
}
