// What a question between members and its answer weigh on the wire, frames included: real encoding over a network that
// only counts. TCP, TLS and the muxer are left out.

import { silentLog } from '@commonhold/core'
import { Dialogue, type PinningComponents, type RequestType } from '@commonhold/pinning'
import { encodeFrame } from '../../packages/node/src/frame-stream.ts'

/** As long as every pool's id, and any will do. */
const poolId = new Uint8Array(32)

/** Bytes of the question and of the answer. */
export async function bytesOnWire<Q, A>(
  type: RequestType<Q, A>,
  question: Q,
  answer: A
): Promise<readonly [question: number, answer: number]> {
  const sizes: number[] = []
  const counted = (message: Uint8Array): Uint8Array => {
    sizes.push(encodeFrame(0x01, 1, message).byteLength)
    return message
  }
  let handler: (from: string, message: Uint8Array) => Promise<Uint8Array> = async () => new Uint8Array()
  const network: PinningComponents['network'] = {
    request: async (_to, message) => counted(await handler('asker', counted(message))),
    handle: (given) => {
      handler = given
    },
    async announce() {},
    subscribe() {},
    unsubscribe() {},
    onPeer() {},
    async addAddresses() {},
    addresses: () => []
  }
  const dialogue = new Dialogue({ network, pool: poolId, isMember: () => true, log: silentLog })
  dialogue.on(type, async () => answer)
  await dialogue.ask('asked', type, question)
  const [asked = 0, answered = 0] = sizes
  return [asked, answered]
}
