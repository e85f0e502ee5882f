// The documented bytes of every message (test/vectors/exchange.json, pool-messages.json) are what we write and what we read.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fromHex, toHex } from '@commonhold/core'
import { CID } from 'multiformats/cid'
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeBlockPart,
  encodeQuestion
} from '../src/exchange/wire.ts'
import { encodeFrame, FrameDecoder } from '../src/frame-stream.ts'
import { poolRefusals, poolWire } from '../src/pool-wire.ts'

interface Vector {
  what: string
  hex: string
  id: number
  message: Record<string, unknown>
}

const vectorsOf = async (name: string): Promise<Vector[]> =>
  JSON.parse(await readFile(new URL(`../../../test/vectors/${name}.json`, import.meta.url), 'utf8'))

function onlyFrame(hex: string) {
  const frames = [...new FrameDecoder(() => 1_000_000).push(fromHex(hex))]
  assert.equal(frames.length, 1)
  const [frame] = frames
  assert.ok(frame !== undefined)
  return frame
}

/** The message as the JSON writes it: CIDs as text, bytes as hex. */
function plain(message: object): unknown {
  return JSON.parse(
    JSON.stringify(
      message,
      (_, value) => {
        if (value instanceof Uint8Array) return toHex(value)
        return value
      },
      0
    )
  )
}

test('exchange vectors', async () => {
  for (const { what, hex, id, message } of await vectorsOf('exchange')) {
    const frame = onlyFrame(hex)
    assert.equal(frame.id, id, what)
    let encoded: Uint8Array
    switch (message['kind']) {
      case 'get': {
        const decoded = decodeQuestion(frame)
        assert.ok(decoded.kind === 'get')
        const within = decoded.within === undefined ? {} : { within: decoded.within.toString() }
        assert.deepEqual({ ...decoded, ...within, root: decoded.root.toString() }, message, what)
        encoded = encodeQuestion(id, decoded).subarray()
        break
      }
      case 'have': {
        const decoded = decodeQuestion(frame)
        assert.ok(decoded.kind === 'have')
        assert.deepEqual(decoded.roots.map(String), message['roots'], what)
        encoded = encodeQuestion(id, {
          kind: 'have',
          roots: (message['roots'] as string[]).map((root) => CID.parse(root))
        }).subarray()
        break
      }
      case 'credit':
      case 'cancel': {
        const decoded = decodeQuestion(frame)
        assert.deepEqual(decoded, message, what)
        encoded = encodeQuestion(id, decoded).subarray()
        break
      }
      case 'block': {
        const decoded = decodeAnswer(frame)
        assert.ok(decoded.kind === 'block')
        assert.equal(decoded.length, message['length'])
        assert.equal(toHex(decoded.data.subarray()), message['data'])
        const block = new Uint8Array(decoded.length)
        block.set(decoded.data.subarray())
        encoded = encodeBlockPart(id, block, 0, decoded.data.byteLength).subarray()
        break
      }
      case 'more': {
        const decoded = decodeAnswer(frame)
        assert.ok(decoded.kind === 'more')
        assert.equal(toHex(decoded.data.subarray()), message['data'])
        const data = decoded.data.subarray()
        encoded = encodeBlockPart(id, Buffer.concat([Uint8Array.of(0), data]), 1, data.length).subarray()
        break
      }
      default: {
        const decoded = decodeAnswer(frame)
        assert.deepEqual(plain(decoded), message, what)
        assert.ok(decoded.kind === 'end' || decoded.kind === 'refusal' || decoded.kind === 'bitmap')
        encoded = encodeAnswer(id, decoded).subarray()
      }
    }
    assert.equal(toHex(encoded), hex, what)
  }
})

test('pool vectors', async () => {
  for (const { what, hex, id, message } of await vectorsOf('pool-messages')) {
    const frame = onlyFrame(hex)
    const kind = message['kind'] as keyof typeof poolWire
    const body =
      kind === 'refusal'
        ? Uint8Array.of(poolRefusals[message['reason'] as keyof typeof poolRefusals])
        : fromHex(message['body'] as string)
    assert.equal(frame.id, id, what)
    assert.equal(frame.type, poolWire[kind], what)
    assert.deepEqual(frame.body.slice(), body, what)
    assert.equal(toHex(encodeFrame(poolWire[kind], id, body).subarray()), hex, what)
  }
})
