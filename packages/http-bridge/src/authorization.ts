// Who is asking: the bearer token of a request and what it allows. Every door that needs a token asks here.

import type { IncomingMessage } from 'node:http'
import { InvalidInputError, UnauthorizedError } from '@commonhold/core'
import type { TokenScope, Tokens } from './components.ts'
import { HttpRefusal } from './problems.ts'

/** Our tokens are far shorter; longer text is not worth hashing. */
const tokenCharsMax = 512
const bearer = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * Scopes of the token of this request; undefined when it has none.
 * @throws InvalidInputError for a header that is no bearer token, UnauthorizedError for an unknown token
 */
export async function scopesOf(
  req: IncomingMessage,
  tokens: Tokens
): Promise<readonly TokenScope[] | undefined> {
  const header = req.headers.authorization
  if (header === undefined) return undefined
  const token = bearer.exec(header.trim())?.[1]
  if (token === undefined || token.length > tokenCharsMax) {
    throw new InvalidInputError('The Authorization header is not of the form “Bearer <token>”.')
  }
  const scopes = await tokens.scopesOf(token)
  if (scopes.length === 0)
    throw new UnauthorizedError('This token is not known here. It may have been removed.')
  return scopes
}

/** @throws UnauthorizedError without a token (401), HttpRefusal when it does not allow this (403) */
export async function requireScope(req: IncomingMessage, tokens: Tokens, scope: TokenScope): Promise<void> {
  const scopes = await scopesOf(req, tokens)
  if (scopes === undefined) {
    throw new UnauthorizedError(
      `This needs a token with the scope “${scope}”: Authorization: Bearer <token>.`
    )
  }
  if (!scopes.includes(scope)) {
    throw new HttpRefusal(403, 'The token does not allow this', `The token lacks the scope “${scope}”.`)
  }
}
