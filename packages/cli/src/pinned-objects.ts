// What the pool sees of this node's disk: whole objects, pulled by the exchange, announced to the DHT.
// Joins three parts of the node package into the one port that pinning asks for; decides nothing.

import type { AbortOptions, Log, NodeId } from '@commonhold/core'
import type { FetchOptions, HeldObject, HeldSegments, ObjectStore, Space } from '@commonhold/pinning'
import type { CID } from 'multiformats/cid'

export interface PinnedObjectsComponents {
  readonly objects: Omit<ObjectStore, 'size' | 'fetch' | 'provide' | 'openSegments'> & {
    get(root: CID): Promise<(HeldObject & { readonly digest?: Uint8Array }) | undefined>
    allNamed(digest: Uint8Array): Promise<readonly { readonly root: CID; readonly digest?: Uint8Array }[]>
  }
  readonly fetcher: { fetch(root: CID, from: readonly NodeId[], options?: FetchOptions): Promise<HeldObject> }
  readonly providing: {
    provide(object: { readonly root: CID; readonly digest?: Uint8Array }): void
    withdraw(object: { readonly root: CID; readonly digest?: Uint8Array }): Promise<void>
  }
  readonly openSegments: (bytes: number) => Promise<HeldSegments>
  readonly log: Log
}

export function pinnedObjects(components: PinnedObjectsComponents): ObjectStore {
  const { objects, fetcher, providing, openSegments, log } = components
  return {
    storeEpoch: objects.storeEpoch,
    has: (root) => objects.has(root),
    heldOf: (roots) => objects.heldOf(roots),
    size: async (root) => (await objects.get(root))?.size,
    roots: (options?: AbortOptions) => objects.roots(options),
    blocks: (root, options) => objects.blocks(root, options),
    block: (cid, options) => objects.block(cid, options),
    fetch: (root, from, options) => fetcher.fetch(root, from, options),
    remove: (root) => objects.remove(root),
    seal: (root) => objects.seal(root),
    unseal: (root) => objects.unseal(root),
    isSealed: (root) => objects.isSealed(root),
    sealed: () => objects.sealed(),
    erase: (root) => objects.erase(root),
    quarantine: (root) => objects.quarantine(root),
    async provide(root, on) {
      // Sealed ones too: their records are the first to go.
      const named = await objects.allNamed(root.multihash.digest)
      const held = named.find((each) => each.root.equals(root))
      const object = { root, ...(held?.digest === undefined ? {} : { digest: held.digest }) }
      if (on) return providing.provide(object)
      try {
        await providing.withdraw(object)
      } catch (err) {
        // A provider record is a claim that expires by itself; who follows it is told “not found”.
        log.warn('a provider record could not be withdrawn', { root: root.toString(), err })
      }
    },
    space: (): Promise<Space> => objects.space(),
    openSegments
  }
}
