// Who is there: members greet one another, and a greeting carries what each must know about the other
// (store epoch, room, how far its news have come). A closed connection is a hint, an answer is the
// truth: a stopped process keeps its connections open and is noticed by its silence.
// Never says anything about copies. Normative text: docs/protocol/reports.md, "Greeting".

import type { NodeId, RecordType } from '@commonhold/core'
import { z } from 'zod'
import { slept, within } from '../deadline.ts'
import type { RequestType } from '../dialogue.ts'
import { bytesField, seqField, sizeField } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'

/** What a node says about itself; claims, all of it. */
export interface Standing {
  /** Random id of the object store: another one voids every proof. */
  storeEpoch: Uint8Array
  /** Random id of this run of the node: `reportSeq` begins anew with it. */
  run: Uint8Array
  /** Last change of what it holds, and the last of its proof receipts. */
  reportSeq: number
  receiptSeq: number
  full: boolean
  usedBytes: number
  freeBytes: number
  capacityBytes: number
}

const standingRecord: RecordType<Standing> = {
  kind: 'standing',
  bytesMax: 512,
  schema: z.strictObject({
    storeEpoch: bytesField(32),
    run: bytesField(32),
    reportSeq: seqField.or(z.literal(0)),
    receiptSeq: seqField.or(z.literal(0)),
    full: z.boolean(),
    usedBytes: sizeField,
    freeBytes: sizeField,
    capacityBytes: sizeField
  })
}

export const greetRequest: RequestType<Standing, Standing> = {
  name: 'greet/1',
  request: standingRecord,
  answer: standingRecord
}

export interface PresenceListener {
  /** It can be reached again, or no longer; also told when it was found so at first. */
  onReach?(node: NodeId, reachable: boolean): void
  /** It spoke: what it says now and what it said before. */
  onStanding?(node: NodeId, now: Standing, before: Standing | undefined): void
}

interface Peer {
  /** Own time of the last sign of life; absent in this run. */
  seenMs?: number
  /** Own time since when it is away; absent while reachable. */
  awaySinceMs?: number
  misses: number
  /** Own time of the last greeting, theirs or ours, that was answered, or of ours that was not. */
  greetedMs?: number
  standing?: Standing
  greeting?: Promise<void>
  again: boolean
}

export class Presence {
  readonly #parts: KeepingParts
  readonly #self: () => Promise<Standing>
  readonly #near: () => ReadonlySet<NodeId> | undefined
  readonly #peers = new Map<NodeId, Peer>()
  readonly #listeners: PresenceListener[] = []
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #busy = 0
  readonly #waiting: (() => void)[] = []

  /** @param near whose absence may give us work; absent when that is everybody's */
  constructor(
    parts: KeepingParts,
    self: () => Promise<Standing>,
    near: () => ReadonlySet<NodeId> | undefined
  ) {
    this.#parts = parts
    this.#self = self
    this.#near = near
    parts.dialogue.on(greetRequest, async (from, standing) => {
      this.#heard(from, standing)
      return await this.#self()
    })
    parts.components.network.onPeer((peer) => {
      if (this.#running !== undefined && this.#isOther(peer)) void this.greet(peer)
    })
  }

  listen(listener: PresenceListener): void {
    this.#listeners.push(listener)
  }

  async start(): Promise<void> {
    this.#running = this.#loop()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'))
    await this.#running
    await Promise.allSettled([...this.#peers.values()].flatMap((peer) => peer.greeting ?? []))
  }

  isReachable(node: NodeId): boolean {
    return node === this.#parts.components.keys.nodeId || this.awayMs(node) === 0
  }

  /**
   * 0 while reachable. Nobody is away for longer than we have been awake: who started or woke a moment ago cannot
   * tell a peer that was gone from one that only we did not hear.
   */
  awayMs(node: NodeId): number {
    if (node === this.#parts.components.keys.nodeId) return 0
    const { time } = this.#parts
    const peer = this.#peers.get(node)
    if (peer?.seenMs !== undefined && peer.awaySinceMs === undefined) return 0
    const sinceMs = Math.max(peer?.awaySinceMs ?? 0, time.awakeSinceMs())
    return Math.max(1, time.nowMs() - sinceMs)
  }

  /** Own time of the moment since which it is reachable without a break. */
  reachableSinceMs(node: NodeId): number {
    return this.#reachableSince.get(node) ?? this.#parts.time.awakeSinceMs()
  }
  readonly #reachableSince = new Map<NodeId, number>()

  lastSeenMs(node: NodeId): number | undefined {
    const seenMs = this.#peers.get(node)?.seenMs
    return seenMs === undefined ? undefined : this.#parts.time.nowMs() - seenMs
  }

  standing(node: NodeId): Standing | undefined {
    return this.#peers.get(node)?.standing
  }

  /** Any answer to any question is a sign of life. */
  noteAlive(node: NodeId): void {
    if (!this.#isOther(node)) return
    const peer = this.#peer(node)
    const was = this.isReachable(node)
    peer.seenMs = this.#parts.time.nowMs()
    peer.misses = 0
    delete peer.awaySinceMs
    if (!was) {
      this.#reachableSince.set(node, peer.seenMs)
      this.#tell((listener) => listener.onReach?.(node, true))
    }
  }

  /** Greets soon all who are near: our own standing changed. */
  greetAll(): void {
    const near = this.#near()
    for (const { node } of this.#parts.roster.members()) {
      if (this.#isOther(node) && near?.has(node) !== false) void this.greet(node)
    }
  }

  /** Those we have not exchanged greetings with for a while, whoever began the last one. */
  #greetDue(): void {
    const { roster, options, time } = this.#parts
    const near = this.#near()
    const others = roster.members().filter(({ node }) => this.#isOther(node))
    const far = near === undefined ? 0 : others.length - near.size
    const farMs = Math.max(options.presenceIntervalMs, (far / options.presenceFarPerSecondMax) * 1000)
    const nowMs = time.nowMs()
    for (const { node } of others) {
      const waitMs = near?.has(node) === false ? farMs : options.presenceIntervalMs
      const greetedMs = this.#peers.get(node)?.greetedMs
      if (greetedMs === undefined || nowMs - greetedMs >= waitMs / 2) void this.greet(node)
    }
  }

  /** Greets once; a greeting asked for while one is under way follows it. */
  greet(node: NodeId): Promise<void> {
    const peer = this.#peer(node)
    if (peer.greeting !== undefined) {
      peer.again = true
      return peer.greeting
    }
    peer.greeting = this.#greetUntilQuiet(node, peer).finally(() => {
      delete peer.greeting
    })
    return peer.greeting
  }

  async #greetUntilQuiet(node: NodeId, peer: Peer): Promise<void> {
    do {
      peer.again = false
      await this.#greetOnce(node, peer)
    } while (peer.again && !this.#stop.signal.aborted)
  }

  async #greetOnce(node: NodeId, peer: Peer): Promise<void> {
    const { components, dialogue, options } = this.#parts
    await this.#enter()
    try {
      const mine = await this.#self()
      const theirs = await within(
        components.clock,
        options.presenceAnswerMs,
        (abort) => dialogue.ask(node, greetRequest, mine, abort),
        { signal: this.#stop.signal }
      )
      this.#heard(node, theirs)
    } catch (err) {
      // Any failure is the same to us here: it did not answer. Which one it was is in the debug log.
      if (!this.#stop.signal.aborted) this.#missed(node, peer, err)
    } finally {
      this.#leave()
    }
  }

  #heard(node: NodeId, standing: Standing): void {
    if (!this.#isOther(node)) return
    const peer = this.#peer(node)
    const before = peer.standing
    peer.standing = standing
    peer.greetedMs = this.#parts.time.nowMs()
    this.noteAlive(node)
    this.#tell((listener) => listener.onStanding?.(node, standing, before))
  }

  #missed(node: NodeId, peer: Peer, err: unknown): void {
    const { components, options, time } = this.#parts
    components.log.debug('a greeting was not answered', { node, err })
    // An absent one is tried again no sooner than another is greeted; it greets us when it comes back.
    peer.greetedMs = time.nowMs()
    if (peer.awaySinceMs !== undefined) return
    peer.misses++
    // A refused dial is plain; silence on an open connection gets a second chance.
    if (peer.misses < options.presenceMissesMax) {
      peer.again = true
      return
    }
    // Away since it last spoke, not since we noticed: the delays promised run from there.
    peer.awaySinceMs = Math.min(peer.seenMs ?? time.awakeSinceMs(), time.nowMs())
    this.#tell((listener) => listener.onReach?.(node, false))
  }

  async #loop(): Promise<void> {
    const { components, options } = this.#parts
    this.#greetDue()
    // Spread, so that a pool started by one power switch does not greet in step for ever.
    const jitter = (): number => options.presenceIntervalMs * (0.8 + 0.4 * components.random.unit())
    while (await slept(components.clock, jitter(), this.#stop.signal)) this.#greetDue()
  }

  async #enter(): Promise<void> {
    if (this.#busy < this.#parts.options.talkConcurrency) {
      this.#busy++
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#busy--
    else next()
  }

  #isOther(node: NodeId): boolean {
    return node !== this.#parts.components.keys.nodeId && this.#parts.roster.member(node) !== undefined
  }

  #peer(node: NodeId): Peer {
    const known = this.#peers.get(node)
    if (known !== undefined) return known
    const peer: Peer = { misses: 0, again: false }
    this.#peers.set(node, peer)
    return peer
  }

  #tell(what: (listener: PresenceListener) => void): void {
    for (const listener of this.#listeners) what(listener)
  }
}
