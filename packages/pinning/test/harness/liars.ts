// Keepers that lie, each in its own way, around the production code of everybody else. What a liar keeps is
// said by its disk, what it answers by the wires; its own node runs on and believes what it is shown.

import { decodeRecord, encodeRecord, type RecordType } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { z } from 'zod'
import { challengeRequest } from '../../src/proof/challenge.ts'
import type { House } from './village.ts'
import type { Twist } from './wires.ts'

interface Envelope {
  type: string
}

const question: RecordType<Envelope> = {
  kind: 'any question',
  bytesMax: 2 ** 22,
  schema: z.object({ type: z.string() })
}

interface Answer {
  body: Uint8Array
}

const answer: RecordType<Answer> = {
  kind: 'any answer',
  bytesMax: 2 ** 22,
  schema: z.object({ body: z.instanceof(Uint8Array) })
}

export function isChallenge(message: Uint8Array): boolean {
  return decodeRecord(question, message).type.startsWith('challenge')
}

/** Throws these bytes away and goes on claiming them. */
export function drop(liar: House, roots: readonly CID[]): void {
  for (const root of roots) liar.disk.dropBytes(root)
}

/** Answers challenges with what another keeper answers to the very same question, under its own store epoch. */
export function replay(liar: House, from: House): void {
  const { wires } = liar.village
  const relayed: Twist = async (asker, message, honest) => {
    if (!isChallenge(message)) return await honest(asker, message)
    const { body } = decodeRecord(answer, await wires.carry(liar.id, from.id, message))
    const { answers } = decodeRecord(challengeRequest.answer, body)
    return encodeRecord({ body: encodeRecord({ storeEpoch: liar.disk.storeEpoch, answers }) })
  }
  wires.twists.set(liar.id, relayed)
}

/** Keeps no bytes and reads those of whoever has them, over a link of that speed, when it is asked. */
export function fetchOnDemand(liar: House, bytesPerSecond: number): void {
  const { village, disk } = liar
  disk.lies = true
  disk.fetching = async (root, size) => {
    await village.clock.sleep((size / bytesPerSecond) * 1000)
    const [source] = village.holdingHouses(root)
    return source?.disk.bytesOf(root) ?? new Uint8Array(1)
  }
}

/** Speaks about everything but challenges. */
export function keepSilent(liar: House): void {
  const { wires, clock } = liar.village
  wires.twists.set(liar.id, async (asker, message, honest) => {
    if (isChallenge(message)) await clock.sleep(86_400_000)
    return await honest(asker, message)
  })
}
