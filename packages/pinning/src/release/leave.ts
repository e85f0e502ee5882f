// Leaving on purpose: the node offers no space any more, so that others make the copies that are to stay
// while it still serves; each of its own goes when enough of them proved theirs; at last it leaves the
// roster. Every step is durable before the next, so that a node that dies goes on where it was.
// Station: the command -> LEAVE -> roster and plan. Decides about no object: the plan does.

import { type AbortOptions, type NodeId, toHex } from '@commonhold/core'
import type { Presence } from '../census/presence.ts'
import type { Commons, KeeperTerms } from '../commons.ts'
import { slept } from '../deadline.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'

/** How far a node has come. */
export interface LeaveProgress {
  readonly state: 'staying' | 'leaving' | 'left'
  /** Wanted objects still here, and their bytes. */
  readonly objects: number
  readonly bytes: number
  /** Operators beside ours that offer space: as many copies can be made. */
  readonly keepers: number
  /** Objects here that ask for more copies than there are such operators: they keep the node from leaving. */
  readonly blocked: number
}

/** Members told at the end, so that the news does not leave with us. */
const toldAtEnd = 3

export class Leaving {
  readonly #parts: KeepingParts
  readonly #commons: Commons
  readonly #presence: Presence
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined
  #wake: () => void = () => {}

  constructor(parts: KeepingParts, commons: Commons, presence: Presence) {
    this.#parts = parts
    this.#commons = commons
    this.#presence = presence
  }

  async start(): Promise<void> {
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    this.#wake()
    await this.#loop
  }

  /** From now on this node takes nothing and lets go of what it has. `now`: it is gone when this resolves. */
  async begin(options: { readonly now: boolean } & AbortOptions): Promise<LeaveProgress> {
    const { leaving, roster, components } = this.#parts
    if (leaving.state === 'staying') {
      await leaving.set('leaving')
      const self = roster.member(components.keys.nodeId)
      if (self !== undefined) await this.#commons.pledge({ ...self, capacityBytes: 0 })
    }
    if (options.now && leaving.state === 'leaving') await this.#goOut()
    this.#wake()
    return this.progress()
  }

  /** Takes it back: the node is a keeper again, on these terms. Without effect once it has left. */
  async stay(terms: KeeperTerms): Promise<LeaveProgress> {
    if (this.#parts.leaving.state === 'leaving') {
      await this.#commons.pledge(terms)
      await this.#parts.leaving.set('staying')
    }
    return this.progress()
  }

  /** What a node that stays brings from now on. @returns whether that is news */
  async pledge(terms: KeeperTerms): Promise<boolean> {
    const { leaving, roster, components } = this.#parts
    if (leaving.state !== 'staying' || roster.member(components.keys.nodeId) === undefined) return false
    return await this.#commons.pledge(terms)
  }

  async progress(): Promise<LeaveProgress> {
    const { components, roster, leaving } = this.#parts
    const own = roster.operatorOf(components.keys.nodeId)
    const others = roster
      .members()
      .filter((member) => member.counted && member.capacityBytes > 0 && member.operator !== own)
    const keepers = new Set(others.map((member) => member.operator)).size
    const held = components.database.selectFrom('held').innerJoin('wanted', 'wanted.root', 'held.root')
    const { objects, bytes } = await held
      .select((eb) => [eb.fn.countAll<number>().as('objects'), eb.fn.sum<number>('wanted.size').as('bytes')])
      .executeTakeFirstOrThrow()
    const { blocked } = await held
      .select((eb) => eb.fn.countAll<number>().as('blocked'))
      .where('wanted.copies_min', '>', keepers)
      .executeTakeFirstOrThrow()
    return {
      state: leaving.state,
      objects: Number(objects),
      bytes: Number(bytes ?? 0),
      keepers,
      blocked: Number(blocked)
    }
  }

  async #run(): Promise<void> {
    const { components, options, leaving } = this.#parts
    while (!this.#stop.signal.aborted) {
      try {
        if (leaving.state === 'leaving' && (await this.progress()).objects === 0) await this.#goOut()
      } catch (err) {
        if (!this.#stop.signal.aborted)
          components.log.warn('leaving the pool did not succeed yet; it is tried again', { err })
      }
      const woken = new AbortController()
      this.#wake = () => woken.abort(new Error('woken'))
      await slept(components.clock, options.tickMs, AbortSignal.any([this.#stop.signal, woken.signal]))
    }
  }

  /** Signed before it is noted: after a crash between it is signed again, which changes nothing. */
  async #goOut(): Promise<void> {
    const { roster, components, leaving } = this.#parts
    const { nodeId } = components.keys
    const own = roster.operatorOf(nodeId)
    const peers = roster.members().filter((member) => member.node !== nodeId)
    // Other nodes of this operator stay: then it is this one's delegation that ends.
    if (peers.some((member) => member.operator === own)) await this.#commons.withdraw()
    else await this.#commons.act({ is: 'leave' })
    await leaving.set('left')
    components.log.info('this node has left the pool', { pool: toHex(roster.poolId) })
    await this.#tell(peers.map((member) => member.node))
  }

  async #tell(peers: readonly NodeId[]): Promise<void> {
    const reachable = peers.filter((node) => this.#presence.isReachable(node)).slice(0, toldAtEnd)
    await Promise.all(
      reachable.map((node) =>
        this.#commons.sync.syncWith(node, { signal: this.#stop.signal }).catch((err: unknown) => {
          // Others were told, or the announcement reaches it.
          this.#parts.components.log.debug('a member was not told that we left', { node, err })
        })
      )
    )
  }
}
