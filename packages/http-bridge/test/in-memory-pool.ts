// A whole node in memory behind the bridge's ports: objects, wishes, tokens, a deny list. Real in what it does, with
// handles for what goes wrong in life: sources that stall, fail or vanish. Counts what is fetched.

import { createHash } from 'node:crypto'
import {
  type AbortOptions,
  type Clock,
  type ContentName,
  type ContentPolicy,
  type ContentSubject,
  type Decision,
  DeniedError,
  type Log,
  limits,
  NotFoundError,
  rawCidOf,
  silentLog,
  systemClock,
  toHex,
  UnreachableError
} from '@commonhold/core'
import type {
  BridgeComponents,
  ByteRange,
  Chunk,
  Health,
  Intake,
  Library,
  NamedBlock,
  NodeAbout,
  ObjectStat,
  Pins,
  PutOptions,
  PutResult,
  ReplicationStatus,
  ResolvedName,
  TokenScope,
  Tokens
} from '@commonhold/http-bridge'
import type { CID } from 'multiformats/cid'

export interface StoredObject {
  readonly root: CID
  readonly digest: Uint8Array
  readonly bytes: Uint8Array
  local: boolean
  wanted: boolean
  visibility: 'public' | 'members'
  copiesMin: number
}

export interface Fetched {
  readonly key: string
  readonly offset: number
}

/** What happens before a chunk is delivered; may wait, throw, or do nothing. */
export type Weather = (key: string, offset: number, options?: AbortOptions) => Promise<void> | void

export class InMemoryPool implements Library, Intake, Pins, Tokens, ContentPolicy, Health {
  readonly objects = new Map<string, StoredObject>()
  readonly tokens = new Map<string, readonly TokenScope[]>([
    ['all', ['upload', 'delete', 'read', 'metrics']],
    ['uploader', ['upload']],
    ['reader', ['read']]
  ])
  readonly denied = new Map<string, Decision>()
  readonly fetches: Fetched[] = []
  /** Fetches of the same leaf that ran at the same time: must stay empty. */
  readonly doubled: Fetched[] = []
  readonly fetching = new Set<string>()
  stats = 0
  cancelled = 0
  /** Resolves when a read was given up before its end. */
  readonly cancellation = Promise.withResolvers<void>()
  leafBytes: number = limits.leafBytes
  weather: Weather = () => {}
  /** Thrown by the next put after its bytes were read. */
  putFailure: Error | undefined
  notReady: string[] = []

  add(
    bytes: Uint8Array,
    state?: Partial<Pick<StoredObject, 'local' | 'wanted' | 'visibility'>>
  ): StoredObject {
    const digest = new Uint8Array(createHash('sha256').update(bytes).digest())
    const object = {
      root: rawCidOf(digest),
      digest,
      bytes,
      local: true,
      wanted: true,
      visibility: 'public' as const,
      copiesMin: 3,
      ...state
    }
    this.objects.set(object.root.toString(), object)
    return object
  }

  async resolve(name: ContentName): Promise<ResolvedName | undefined> {
    const root = name.kind === 'cid' ? name.cid : rawCidOf(name.digest)
    const object = this.objects.get(root.toString())
    if (object === undefined) {
      return name.kind === 'cid' ? { root, wanted: true, visibility: 'public' } : undefined
    }
    const { digest, wanted, visibility } = object
    return { root: object.root, digest, wanted, visibility }
  }

  async stat(root: CID): Promise<ObjectStat> {
    this.stats++
    const object = this.#find(root)
    return { size: object.bytes.length, local: object.local }
  }

  async *read(root: CID, range: ByteRange, options?: AbortOptions): AsyncIterable<Chunk> {
    const object = this.#find(root)
    const key = root.toString()
    let finished = false
    try {
      let offset = range.from
      while (offset < range.to) {
        options?.signal?.throwIfAborted()
        const leaf = offset - (offset % this.leafBytes)
        const fetched = { key, offset: leaf }
        const running = `${key}/${leaf}`
        if (this.fetching.has(running)) this.doubled.push(fetched)
        this.fetching.add(running)
        this.fetches.push(fetched)
        try {
          await this.weather(key, leaf, options)
        } finally {
          this.fetching.delete(running)
        }
        const to = Math.min(leaf + this.leafBytes, range.to)
        yield { offset, bytes: object.bytes.subarray(offset, to) }
        offset = to
      }
      finished = true
    } finally {
      if (!finished) {
        this.cancelled++
        this.cancellation.resolve()
      }
    }
  }

  /** Objects here are one block each, whatever their size. */
  async *blocks(root: CID, range: ByteRange, options?: AbortOptions): AsyncIterable<NamedBlock> {
    const object = this.#find(root)
    await this.weather(root.toString(), range.from, options)
    yield { cid: object.root, bytes: object.bytes }
  }

  async blockHere(cid: CID) {
    const object = this.objects.get(cid.toString())
    if (object?.local !== true) return undefined
    return { owners: [object], bytes: object.bytes }
  }

  async put(source: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<PutResult> {
    const parts: Uint8Array[] = []
    for await (const part of source) parts.push(new Uint8Array(part))
    if (this.putFailure !== undefined) throw this.putFailure
    const bytes = new Uint8Array(Buffer.concat(parts))
    const digest = new Uint8Array(createHash('sha256').update(bytes).digest())
    const decision = await this.decide({ digest })
    if (decision.verdict !== 'allow') throw new DeniedError(toHex(digest), decision.reasons)
    const existed = this.objects.has(rawCidOf(digest).toString())
    const object = this.add(bytes, { visibility: options?.visibility ?? 'public' })
    object.copiesMin = options?.copiesMin ?? 3
    return { root: object.root, digest, size: bytes.length, copiesPromised: 2, existed }
  }

  async unpin(root: CID): Promise<boolean> {
    const object = this.objects.get(root.toString())
    if (object === undefined || !object.wanted) return false
    object.wanted = false
    return true
  }

  async status(root: CID): Promise<ReplicationStatus | undefined> {
    const object = this.objects.get(root.toString())
    if (object === undefined || !object.wanted) return undefined
    return {
      root,
      digest: object.digest,
      size: object.bytes.length,
      health: 'healthy',
      copiesMin: object.copiesMin,
      copiesTarget: object.copiesMin,
      copiesLive: 3,
      copiesClaimed: 0,
      reasons: [],
      holders: [{ node: '12D3KooWHolder', operator: 'z6MkHolder', state: 'live', lastProofAgeMs: 5 }]
    }
  }

  async scopesOf(token: string): Promise<readonly TokenScope[]> {
    return this.tokens.get(token) ?? []
  }

  deny(subject: StoredObject, decision?: Decision): void {
    this.denied.set(
      toHex(subject.digest),
      decision ?? { verdict: 'deny', reasons: ['on the list of this operator'] }
    )
  }

  undeny(subject: StoredObject): void {
    this.denied.delete(toHex(subject.digest))
  }

  async decide(subject: ContentSubject): Promise<Decision> {
    const digest = subject.digest ?? subject.root?.multihash.digest
    const found = digest === undefined ? undefined : this.denied.get(toHex(digest))
    return found ?? { verdict: 'allow', reasons: [] }
  }

  notReadyReasons(): readonly string[] {
    return this.notReady
  }

  about(): NodeAbout {
    return {
      version: '0.1.0',
      nodeId: '12D3KooWNvSZnPi3RrhrTwEY4LuuBeB6K6facKUCJcyWG1aoDd2p',
      pool: { name: '<b>Test & pool</b>', operators: 3, objects: this.objects.size }
    }
  }

  async metrics(): Promise<string> {
    return 'commonhold_test_up 1\n'
  }

  components(over?: { clock?: Clock; log?: Log }): BridgeComponents {
    return {
      library: this,
      intake: this,
      pins: this,
      tokens: this,
      policy: this,
      health: this,
      clock: over?.clock ?? systemClock,
      log: over?.log ?? silentLog
    }
  }

  #find(root: CID): StoredObject {
    const object = this.objects.get(root.toString())
    if (object === undefined) throw new NotFoundError('Nobody that was asked has it.')
    return object
  }
}

/** Stalls chunk deliveries until opened; ends with the reader's signal. */
export class Gate {
  #open: () => void = () => {}
  #opened: Promise<void>
  #arrived: () => void = () => {}
  /** Resolves when somebody waits at the gate. */
  readonly arrival: Promise<void>

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
    this.arrival = new Promise((resolve) => {
      this.#arrived = resolve
    })
  }

  open(): void {
    this.#open()
  }

  async pass(options?: AbortOptions): Promise<void> {
    this.#arrived()
    const { signal } = options ?? {}
    if (signal === undefined) return this.#opened
    await new Promise<void>((resolve, reject) => {
      if (signal.aborted) reject(signal.reason)
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      void this.#opened.then(resolve)
    })
  }
}

export function unreachable(): never {
  throw new UnreachableError('No holder answers.')
}
