// Questions and answers between members, typed, over the opaque messages of the network port. Owns the
// envelope, who may ask what, and how a refusal travels; never what a question means.
// Normative text: docs/protocol/sync.md, "Dialogue".

import {
  BusyError,
  ConflictError,
  DeniedError,
  decodeRecord,
  encodeRecord,
  InvalidInputError,
  type Log,
  MalformedRecordError,
  type NodeId,
  NoSpaceError,
  NotFoundError,
  OperatingError,
  type RecordType,
  UnauthorizedError,
  UnreachableError
} from '@commonhold/core'
import { z } from 'zod'
import type { PoolNetwork, RequestOptions } from './components.ts'
import { bytesField, hashField, lineField } from './fields.ts'
import { defaults } from './options.ts'

/** One kind of question: its literal name on the wire, and what question and answer look like. */
export interface RequestType<Q, A> {
  readonly name: string
  readonly request: RecordType<Q>
  readonly answer: RecordType<A>
  /** Whether somebody who is not in the roster may ask: only what joining needs. */
  readonly strangers?: boolean
}

export interface DialogueParts {
  readonly network: PoolNetwork
  /** Pool id, 32 bytes. */
  readonly pool: Uint8Array
  readonly isMember: (node: NodeId) => boolean
  readonly log: Log
}

type Handler<Q, A> = (from: NodeId, question: Q) => Promise<A>

interface Entry {
  readonly type: RequestType<unknown, unknown>
  readonly handler: Handler<unknown, unknown>
}

export class Dialogue {
  readonly #parts: DialogueParts
  readonly #entries = new Map<string, Entry>()
  #strangersInFlight = 0

  constructor(parts: DialogueParts) {
    this.#parts = parts
    parts.network.handle((from, message) => this.#receive(from, message))
  }

  /** Answers questions of this type from now on. A second handler for one name is a programmer error. */
  on<Q, A>(type: RequestType<Q, A>, handler: Handler<Q, A>): void {
    if (this.#entries.has(type.name)) throw new Error(`two handlers for ${type.name}`)
    this.#entries.set(type.name, {
      type,
      handler: handler as Handler<unknown, unknown>
    })
  }

  /**
   * @throws UnreachableError, BusyError (by the network, or as the peer says), and what the peer answers:
   * UnauthorizedError, MalformedRecordError, ConflictError, NotFoundError, DeniedError, NoSpaceError.
   */
  ask<Q, A>(to: NodeId, type: RequestType<Q, A>, question: Q, options?: RequestOptions): Promise<A> {
    return askPool(this.#parts.network, this.#parts.pool, to, type, question, options)
  }

  async #receive(from: NodeId, message: Uint8Array): Promise<Uint8Array> {
    const member = this.#parts.isMember(from)
    if (!member && this.#strangersInFlight >= defaults.strangerRequestsMax) {
      return refusal(new BusyError('Too many requests by strangers are being answered; try again later.'))
    }
    if (!member) this.#strangersInFlight++
    try {
      return await this.#answer(from, member, message)
    } catch (err) {
      if (err instanceof OperatingError) return refusal(err)
      // The reason may hold paths and addresses: it stays in our log.
      this.#parts.log.error('a question could not be answered', { from, err })
      return refusal(new UnreachableError('The peer failed to answer; its log says why.'))
    } finally {
      if (!member) this.#strangersInFlight--
    }
  }

  async #answer(from: NodeId, member: boolean, message: Uint8Array): Promise<Uint8Array> {
    const envelope = decodeRecord(questionEnvelope, message)
    const entry = this.#entries.get(envelope.type)
    // Membership first: a stranger learns nothing about what this node understands.
    if (!member && entry?.type.strangers !== true) {
      throw new UnauthorizedError('Only members of this pool may ask that; join it first.')
    }
    if (entry === undefined) {
      throw new InvalidInputError(`This node does not know the question “${envelope.type}”.`)
    }
    const anyPool = entry.type.strangers === true && envelope.pool === null
    if (!anyPool && (envelope.pool === null || Buffer.compare(envelope.pool, this.#parts.pool) !== 0)) {
      throw new ConflictError('This node is in another pool.')
    }
    const question = decodeRecord(entry.type.request, envelope.body)
    const answer = await entry.handler(from, question)
    return encodeRecord({ body: encodeRecord(answer) } satisfies AnswerEnvelope)
  }
}

/**
 * Asks without answering: what a joiner does before it knows the pool.
 * @param pool `null` when the asker does not know it; allowed only for questions strangers may ask.
 */
export async function askPool<Q, A>(
  network: PoolNetwork,
  pool: Uint8Array | null,
  to: NodeId,
  type: RequestType<Q, A>,
  question: Q,
  options?: RequestOptions
): Promise<A> {
  const message = encodeRecord({ pool, type: type.name, body: encodeRecord(question) })
  const answer = decodeRecord(answerEnvelope, await network.request(to, message, options))
  if (answer.error !== undefined) throw refused(answer.error)
  if (answer.body === undefined) throw new MalformedRecordError('pool-answer', 'neither body nor error')
  return decodeRecord(type.answer, answer.body)
}

interface QuestionEnvelope {
  pool: Uint8Array | null
  type: string
  body: Uint8Array
}

interface WireError {
  name: string
  message: string
}

interface AnswerEnvelope {
  body?: Uint8Array
  error?: WireError
}

const questionEnvelope: RecordType<QuestionEnvelope> = {
  kind: 'pool-question',
  bytesMax: defaults.messageBytesMax,
  schema: z.strictObject({
    pool: hashField.nullable(),
    type: lineField(64),
    body: bytesField(defaults.messageBytesMax)
  })
}

const answerEnvelope: RecordType<AnswerEnvelope> = {
  kind: 'pool-answer',
  bytesMax: defaults.messageBytesMax,
  schema: z.strictObject({
    body: bytesField(defaults.messageBytesMax).optional(),
    error: z.strictObject({ name: lineField(64), message: lineField(512) }).optional()
  })
}

function refusal(err: OperatingError): Uint8Array {
  const message = err.message.replace(/\p{Cc}/gu, ' ').slice(0, 500) || err.name
  return encodeRecord({ error: { name: err.name, message } } satisfies AnswerEnvelope)
}

/** What the peer refused with, as the error our caller can decide on. Names unknown to us are its failure. */
function refused(error: WireError): OperatingError {
  switch (error.name) {
    case 'MalformedRecordError':
      return new InvalidInputError(`The peer could not read the question: ${error.message}`)
    case 'InvalidInputError':
      return new InvalidInputError(error.message)
    case 'UnauthorizedError':
      return new UnauthorizedError(error.message)
    case 'ConflictError':
      return new ConflictError(error.message)
    case 'NotFoundError':
      return new NotFoundError(error.message)
    case 'DeniedError':
      return new DeniedError('The object', [error.message])
    case 'NoSpaceError':
      return new NoSpaceError(error.message)
    case 'BusyError':
      return new BusyError(error.message)
    default:
      return new UnreachableError(error.message)
  }
}
