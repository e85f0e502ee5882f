// What delegated routing answers with, and what of it a client wants to hear. Pure.
// https://specs.ipfs.tech/routing/http-routing-v1/

import { isIP } from 'node:net'

/** Schema `peer`. */
export interface PeerRecord {
  readonly Schema: 'peer'
  readonly ID: string
  readonly Addrs: readonly string[]
  readonly Protocols: readonly string[]
}

/** A bridge as IPFS clients know one: a trustless gateway at an origin. Absent for an origin that no multiaddr can say. */
export function gatewayRecord(nodeId: string, origin: string): PeerRecord | undefined {
  if (!URL.canParse(origin)) return undefined
  const { protocol, hostname, port, pathname } = new URL(origin)
  if (pathname !== '/' || (protocol !== 'https:' && protocol !== 'http:')) return undefined
  const isSecure = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const kind = { 0: 'dns', 4: 'ip4', 6: 'ip6' }[isIP(host)] ?? 'dns'
  const address = `/${kind}/${host}/tcp/${port || (isSecure ? 443 : 80)}${isSecure ? '/tls' : ''}/http`
  return { Schema: 'peer', ID: nodeId, Addrs: [address], Protocols: ['transport-ipfs-gateway-http'] }
}

/** IPIP-484: names to be in an address, names with `!` not to be, `unknown` for records without any. */
export function filtered(
  record: PeerRecord,
  addresses: string | null,
  protocols: string | null
): PeerRecord | undefined {
  const wanted = listOf(protocols)
  if (wanted.length > 0) {
    const own = record.Protocols.length === 0 ? ['unknown'] : record.Protocols
    if (!own.some((each) => wanted.includes(each.toLowerCase()))) return undefined
  }
  const rules = listOf(addresses)
  if (rules.length === 0) return record
  const without = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1))
  const withOne = rules.filter((rule) => !rule.startsWith('!') && rule !== 'unknown')
  const left = record.Addrs.filter((address) => {
    const names = address.toLowerCase().split('/')
    if (without.some((name) => names.includes(name))) return false
    return withOne.length === 0
      ? !rules.includes('unknown') || without.length > 0
      : withOne.some((name) => names.includes(name))
  })
  if (left.length === 0 && !(record.Addrs.length === 0 && rules.includes('unknown'))) return undefined
  return { ...record, Addrs: left }
}

function listOf(text: string | null): string[] {
  return (text ?? '')
    .toLowerCase()
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}
