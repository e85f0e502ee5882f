// Reads the DAG-JSON spelling that the vectors use for bytes (`{"/": {"bytes": "…"}}`) and links (`{"/": "b…"}`).

import { CID } from 'multiformats/cid'

export function fromDagJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(fromDagJson)
  if (typeof value !== 'object' || value === null) return value
  if ('/' in value) {
    const special = value['/']
    if (typeof special === 'string') return CID.parse(special)
    return new Uint8Array(Buffer.from((special as { bytes: string }).bytes, 'base64'))
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromDagJson(item)]))
}
