// Telling the DHT which objects can be had here: by root and by digest, so that both names of an
// object find it. A few at a time, because each costs some forty streams. What was announced is
// remembered by the DHT's own datastore, which repeats it before records expire.

import { type AbortOptions, type Clock, type Log, rawCidOf } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import { blockKey } from './block-store.ts'
import type { Network } from './network.ts'
import { defaults } from './options.ts'

export interface ProvidedObject {
  readonly root: CID
  /** Plain sha2-256 of the whole file, 32 bytes, when known. */
  readonly digest?: Uint8Array
}

export interface ProvidingComponents {
  readonly network: Network
  readonly clock: Clock
  readonly log: Log
  /** Off: nothing is ever announced, and others find objects here only if they are told. @default true */
  readonly enabled?: boolean
}

export class Providing implements AsyncDisposable {
  readonly #components: ProvidingComponents
  /** Waiting, by hash, oldest first. */
  readonly #waiting = new Map<string, CID>()
  readonly #stopped = new AbortController()
  readonly #workers = new Set<Promise<void>>()
  #idle: (() => void)[] = []
  #started = false

  constructor(components: ProvidingComponents) {
    this.#components = components
  }

  start(): void {
    this.#started = true
    this.#work()
  }

  async stop(): Promise<void> {
    this.#started = false
    this.#stopped.abort(new Error('stopping'))
    this.#waiting.clear()
    await Promise.allSettled(this.#workers)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Queued; announced soon. Only for objects anybody may have. */
  provide(object: ProvidedObject): void {
    if (this.#components.enabled === false) return
    for (const cid of namesOf(object)) this.#enqueue(cid)
    this.#work()
  }

  /** Not repeated any more. Records that others hold run out by themselves. */
  async withdraw(object: ProvidedObject, options?: AbortOptions): Promise<void> {
    for (const cid of namesOf(object)) {
      this.#waiting.delete(blockKey(cid))
      await this.#components.network.libp2p.services.dht.cancelReprovide(cid, options)
    }
  }

  /** Names still to be announced. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Resolves when everything queued has been announced once. */
  async settled(options?: AbortOptions): Promise<void> {
    while (this.#waiting.size > 0 || this.#workers.size > 0) {
      options?.signal?.throwIfAborted()
      await new Promise<void>((resolve) => this.#idle.push(resolve))
    }
  }

  #enqueue(cid: CID): void {
    if (this.#waiting.size >= defaults.provideQueueMax) {
      const [oldest] = this.#waiting.keys()
      if (oldest !== undefined) this.#waiting.delete(oldest)
      this.#components.log.warn('too many objects wait to be announced', { waiting: this.#waiting.size })
    }
    this.#waiting.set(blockKey(cid), cid)
  }

  #work(): void {
    while (
      this.#started &&
      this.#waiting.size > this.#workers.size &&
      this.#workers.size < defaults.provideConcurrency
    ) {
      const worker = this.#announceAll().finally(() => {
        this.#workers.delete(worker)
        const idle = this.#idle
        this.#idle = []
        for (const wake of idle) wake()
      })
      this.#workers.add(worker)
    }
  }

  async #announceAll(): Promise<void> {
    const { clock, log } = this.#components
    const { signal } = this.#stopped
    for (;;) {
      const [next] = this.#waiting
      if (next === undefined || signal.aborted) return
      const [key, cid] = next
      this.#waiting.delete(key)
      const heardBy = await this.#announce(cid).catch((err: unknown) => {
        log.debug('announcing an object failed', { cid: cid.toString(), reason: String(err) })
        return 0
      })
      if (heardBy > 0 || signal.aborted) continue
      // Nobody was there. It keeps its turn: the others would meet the same empty room.
      if (!this.#waiting.has(key)) this.#enqueue(cid)
      await clock.sleep(defaults.provideRetryMs, { signal }).catch(() => {
        // Stopping.
      })
    }
  }

  /** How many peers have been sent the record. */
  async #announce(cid: CID): Promise<number> {
    const { network, clock } = this.#components
    const over = new AbortController()
    const deadline = new AbortController()
    clock.sleep(defaults.provideMs, { signal: over.signal }).then(
      () => deadline.abort(new Error('announced long enough')),
      () => {
        // Announced before that.
      }
    )
    let heardBy = 0
    try {
      const signal = AbortSignal.any([deadline.signal, this.#stopped.signal])
      await network.dhtReady({ signal })
      for await (const event of network.libp2p.services.dht.provide(cid, { signal })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') heardBy += 1
      }
      return heardBy
    } finally {
      over.abort(new Error('announced'))
    }
  }
}

/** Root and digest; one name when the root is the only block and holds the digest itself. */
function namesOf({ root, digest }: ProvidedObject): readonly CID[] {
  if (digest === undefined) return [root]
  const second = rawCidOf(digest)
  return blockKey(second) === blockKey(root) ? [root] : [root, second]
}
