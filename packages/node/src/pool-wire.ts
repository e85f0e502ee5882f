// Pool messages on the wire: the literals that both ends must agree on for ever. The frames around them
// are frame-stream.ts. Normative text and vectors: docs/protocol/pool.md, test/vectors/pool-messages.json.

export const poolProtocol = '/commonhold/pool/1.0.0'

/** Frame types; from there on the answers of the asked. */
export const poolWire: Readonly<Record<'request' | 'answer' | 'refusal', number>> = Object.freeze({
  request: 0x01,
  answer: 0x11,
  refusal: 0x12
})

/** Body of a refusal: one byte. Codes are for ever. */
export const poolRefusals: Readonly<Record<'busy' | 'failed' | 'too-large', number>> = Object.freeze({
  busy: 1,
  failed: 2,
  'too-large': 3
})
