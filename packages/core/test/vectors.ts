// The vectors of docs/protocol/records.md, as the tests read them.

import { readFile } from 'node:fs/promises'

export interface RecordVectors {
  identities: { seed: string; publicKey: string; nodeId: string; operatorId: string }[]
  records: { what: string; json: unknown; cbor: string }[]
  signed: {
    what: string
    seed: string
    kind: string
    json: unknown
    payload: string
    message: string
    envelope: string
    hash: string
  }[]
  refusedRecords: { why: string; cbor: string }[]
  refusedEnvelopes: { why: string; kind: string; envelope: string }[]
}

export async function readVectors(): Promise<RecordVectors> {
  const file = new URL('../../../test/vectors/records.json', import.meta.url)
  return JSON.parse(await readFile(file, 'utf8')) as RecordVectors
}
