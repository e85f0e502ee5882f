// A served store and a client joined by in-memory streams: the exchange without sockets. Used by the
// exchange's tests; the peer on the other side can be given any store, honest or not.

import { allowEverything, type Clock, type NodeId, silentLog, systemClock } from '@commonhold/core'
import type { Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import type { CID } from 'multiformats/cid'
import { blockKey, verifyBlock } from '../src/block-store.ts'
import { ExchangeClient } from '../src/exchange/client.ts'
import { ExchangeServer, type ExchangeServerComponents, openAccess } from '../src/exchange/server.ts'
import type { Objects } from '../src/objects.ts'

export class MemoryObjects {
  readonly blocks = new Map<string, Uint8Array>()
  readonly roots = new Set<string>()

  add(root: CID, blocks: Iterable<{ cid: CID; bytes: Uint8Array }>): void {
    for (const { cid, bytes } of blocks) this.blocks.set(blockKey(cid), bytes)
    this.roots.add(blockKey(root))
  }

  async has(root: CID): Promise<boolean> {
    return this.roots.has(blockKey(root))
  }

  async contains(): Promise<boolean> {
    return false
  }

  async get(cid: CID): Promise<Uint8Array | undefined> {
    const bytes = this.blocks.get(blockKey(cid))
    if (bytes !== undefined) verifyBlock(cid, bytes, 'in memory')
    return bytes
  }
}

export function serverOver(
  objects: MemoryObjects | Objects,
  others: Partial<ExchangeServerComponents> = {}
): ExchangeServer {
  return new ExchangeServer({
    blocks:
      objects instanceof MemoryObjects ? objects : { get: (cid, options) => objects.block(cid, options) },
    objects,
    policy: allowEverything,
    access: openAccess,
    clock: systemClock,
    log: silentLog,
    ...others
  })
}

/** A client whose streams end at these servers, by node id; others cannot be reached. */
export function clientOf(
  servers: Readonly<Record<NodeId, ExchangeServer | ((stream: Stream) => void)>>,
  clock: Clock = systemClock
): ExchangeClient {
  return new ExchangeClient({
    clock,
    openStream: async (peer, protocol) => {
      const server = servers[peer]
      if (server === undefined)
        throw new (await import('@commonhold/core')).UnreachableError(`${peer} is not there.`)
      const [ours, theirs] = await streamPair({ protocol })
      if (server instanceof ExchangeServer) server.accept('client', theirs)
      else server(theirs)
      return ours
    }
  })
}
