// What this node remembers of the peers it asked: who lied, and who let a reader wait. They are asked
// after the others for a while, never excluded, because they may be all there is.

import type { Clock, NodeId } from '@commonhold/core'
import { LRUCache } from 'lru-cache'
import { defaults } from './options.ts'

export interface SourceMemoryComponents {
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Absent: nobody is known to be away. */
  readonly connected?: ((peer: NodeId) => boolean) | undefined
}

export class SourceMemory {
  readonly #components: SourceMemoryComponents
  /** Since when, on this machine's clock. */
  readonly #lied = new LRUCache<NodeId, number>({ max: defaults.sourcesRememberedMax })
  readonly #slow = new LRUCache<NodeId, number>({ max: defaults.sourcesRememberedMax })
  readonly #overtaken = new LRUCache<NodeId, number>({ max: defaults.sourcesRememberedMax })

  constructor(components: SourceMemoryComponents) {
    this.#components = components
  }

  /** It sent bytes that are not what they were to be. */
  lied(node: NodeId): void {
    this.#lied.set(node, this.#nowMs())
  }

  /** It did not answer, or stopped. */
  stalled(node: NodeId): void {
    this.#slow.set(node, this.#nowMs())
  }

  /** Another was quicker. Once is chance; twice within a short time is a peer that is not well. */
  overtaken(node: NodeId): void {
    if (this.#within(this.#overtaken, node, defaults.slowSourceMs)) this.stalled(node)
    this.#overtaken.set(node, this.#nowMs())
  }

  /** It sends. */
  well(node: NodeId): void {
    if (this.#slow.size > 0) this.#slow.delete(node)
  }

  /** In the caller's order: connected before those to be dialled, then who was slow lately, then who lied. */
  inOrder(nodes: readonly NodeId[]): readonly NodeId[] {
    if (nodes.length < 2) return nodes
    const ranks = new Map(nodes.map((node) => [node, this.#rank(node)]))
    // The sort is stable.
    return [...nodes].sort((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0))
  }

  #rank(node: NodeId): number {
    if (this.#within(this.#lied, node, defaults.distrustMs)) return 3
    if (this.#within(this.#slow, node, defaults.slowSourceMs)) return 2
    return this.#components.connected?.(node) === false ? 1 : 0
  }

  #within(since: LRUCache<NodeId, number>, node: NodeId, ms: number): boolean {
    const sinceMs = since.get(node)
    return sinceMs !== undefined && this.#nowMs() - sinceMs <= ms
  }

  #nowMs(): number {
    return this.#components.clock.monotonicMs()
  }
}
