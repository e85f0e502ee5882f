// The check of our own blocks that nobody reads: each is read and hashed once per pass, at a pace that
// spreads the pass over its period. Bit rot found here is repaired from another holder while there is one.
// A block's turn follows from its digest alone, and digests are uniform: so the pace adapts by itself to
// what is stored, and after a pause (a restart, a night) the check catches up, never faster than allowed.
// Decides nothing about copies: whoever listens to `Objects.onDamage` does.

import { type AbortOptions, type Clock, digestBytes, type Log, rawCidOf } from '@commonhold/core'
import type { Kysely } from 'kysely'
import type { CID } from 'multiformats/cid'
import type { NodeTables } from './node-tables.ts'
import { defaults, type NodeOptions } from './options.ts'

type ScrubOptions = Pick<
  NodeOptions,
  'scrubPeriodMs' | 'scrubBytesPerSecondMax' | 'scrubLookMs' | 'scrubBlocksPerNote'
>

export interface ScrubComponents {
  readonly objects: {
    /** Verified bytes; `undefined` when damaged or absent, after everybody concerned was told. */
    block(cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
    blocksBetween(after: Uint8Array, upTo: Uint8Array, limit: number): Promise<readonly Uint8Array[]>
    space(): Promise<{ readonly usedBytes: number }>
    onDamage(listener: (damaged: readonly CID[]) => void): void
  }
  /** With `nodeMigrations` applied. */
  readonly database: Kysely<NodeTables>
  readonly clock: Clock
  readonly log: Log
}

export interface ScrubState {
  /** Share of the pass under way, 0 to 1. */
  readonly progress: number
  /** How far behind its schedule it reads, in ms; 0 when nothing due is left. */
  readonly behindMs: number
  /** Blocks and bytes checked since the start. */
  readonly blocks: number
  readonly bytes: number
  /** Damaged or missing blocks found by whatever read them, in the life of this data folder. */
  readonly damaged: number
  /** Blocks the disk refused to read, since the start: neither sound nor damaged. */
  readonly unreadable: number
  /** Bytes per second it takes to check everything in time, and what it reads: allowed, or what the disk gives. */
  readonly bytesPerSecondNeeded: number
  readonly bytesPerSecondPossible: number
  /** Whether the month is missed. */
  readonly tooSlow: boolean
}

const firstDigest: Uint8Array = new Uint8Array(0)
const lastDigest: Uint8Array = new Uint8Array(digestBytes).fill(0xff)

/** Before so much reading its speed is not judged, in ms; and what is older than this counts half. */
const measureMs = 1000
/** Shorter rests are saved up: a timer is no more exact than that. */
const restMsMin = 20

export class Scrub implements AsyncDisposable {
  readonly #components: ScrubComponents
  readonly #options: ScrubOptions
  readonly #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #at: Uint8Array = firstDigest
  #beganMs = 0
  #blocks = 0
  #bytes = 0
  #damaged = 0
  #unreadable = 0
  #behindMs = 0
  /** Rest due for what was read faster than allowed. */
  #owedMs = 0
  readonly #reading = { bytes: 0, ms: 0 }
  #saidTooSlow = false

  constructor(components: ScrubComponents, options: Partial<ScrubOptions> = {}) {
    this.#components = components
    this.#options = { ...defaults, ...options }
    // Also what readers and challengers stumbled upon: the disk is the same.
    components.objects.onDamage(() => {
      this.#damaged++
    })
  }

  /** Goes on where the last process was. */
  async start(): Promise<void> {
    const { database, clock } = this.#components
    const row = await database.selectFrom('scrub').selectAll().executeTakeFirst()
    this.#at = row?.at ?? firstDigest
    this.#beganMs = row?.beganMs ?? clock.wallMs()
    this.#damaged += row?.damaged ?? 0
    // A process that ends before the first block's turn must not begin the pass anew each time.
    if (row === undefined) await this.#note()
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('The check of stored blocks was stopped.'))
    await this.#loop
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async state(): Promise<ScrubState> {
    const { scrubPeriodMs, scrubBytesPerSecondMax } = this.#options
    const { usedBytes } = await this.#components.objects.space()
    const needed = usedBytes / (scrubPeriodMs / 1000)
    const { bytes, ms } = this.#reading
    const given = ms < measureMs ? Number.POSITIVE_INFINITY : bytes / (ms / 1000)
    const possible = Math.min(scrubBytesPerSecondMax, given)
    const turn = (this.#components.clock.wallMs() - this.#beganMs) / scrubPeriodMs
    return {
      progress: this.#behindMs > 0 ? positionOf(this.#at) : Math.min(1, Math.max(0, turn)),
      behindMs: this.#behindMs,
      blocks: this.#blocks,
      bytes: this.#bytes,
      damaged: this.#damaged,
      unreadable: this.#unreadable,
      bytesPerSecondNeeded: Math.round(needed),
      bytesPerSecondPossible: Math.round(possible),
      tooSlow: needed > possible
    }
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#components
    const { signal } = this.#stop
    while (!signal.aborted) {
      let more = false
      try {
        more = await this.#portion()
        await this.#tellIfTooSlow()
      } catch (err) {
        // Disk or index failed us: nothing was noted, so the same blocks come again.
        if (!signal.aborted) log.error('checking stored blocks failed; it is tried again', { err })
      }
      if (more) continue
      await clock.sleep(this.#lookMs, { signal }).catch(() => {
        // Stopped while asleep: the loop ends.
      })
    }
  }

  get #lookMs(): number {
    return Math.min(this.#options.scrubLookMs, this.#options.scrubPeriodMs / 100)
  }

  /** Checks some of the blocks whose turn has come; whether more are waiting. */
  async #portion(): Promise<boolean> {
    const { objects, clock } = this.#components
    const { scrubPeriodMs, scrubBlocksPerNote } = this.#options
    const nowMs = clock.wallMs()
    // A wall clock that was set back moves the schedule, not the check.
    if (this.#beganMs > nowMs) this.#beganMs = nowMs - positionOf(this.#at) * scrubPeriodMs
    const turn = (nowMs - this.#beganMs) / scrubPeriodMs
    const due = await objects.blocksBetween(this.#at, digestAt(turn), scrubBlocksPerNote)
    for (const digest of due) {
      await this.#check(rawCidOf(digest))
      this.#at = digest
    }
    const passed = due.length < scrubBlocksPerNote && turn >= 1
    if (passed) {
      this.#at = firstDigest
      // On time, the next pass begins where the schedule says; late, it begins now.
      this.#beganMs = turn < 2 ? this.#beganMs + scrubPeriodMs : nowMs
    }
    if (due.length > 0 || passed) await this.#note()
    const more = due.length === scrubBlocksPerNote
    this.#behindMs = more ? Math.round((turn - positionOf(this.#at)) * scrubPeriodMs) : 0
    return more
  }

  async #check(cid: CID): Promise<void> {
    const { objects, clock, log } = this.#components
    const { signal } = this.#stop
    const beganMs = clock.monotonicMs()
    let length = 0
    try {
      length = (await objects.block(cid, { signal }))?.length ?? 0
    } catch (err) {
      signal.throwIfAborted()
      // A disk that does not answer says nothing about the bytes. The next block may do better.
      this.#unreadable++
      log.error('a stored block could not be read', { cid: cid.toString(), err })
    }
    const tookMs = clock.monotonicMs() - beganMs
    this.#blocks++
    this.#bytes += length
    this.#measure(length, tookMs)
    const paceMs = (length / this.#options.scrubBytesPerSecondMax) * 1000
    this.#owedMs = Math.max(0, this.#owedMs + paceMs - tookMs)
    if (this.#owedMs < restMsMin) return
    const owedMs = this.#owedMs
    this.#owedMs = 0
    await clock.sleep(owedMs, { signal })
  }

  #measure(bytes: number, ms: number): void {
    this.#reading.bytes += bytes
    this.#reading.ms += ms
    if (this.#reading.ms < 60 * measureMs) return
    this.#reading.bytes /= 2
    this.#reading.ms /= 2
  }

  /** After the blocks were checked and what was damaged is marked: a crash before this checks them again. */
  async #note(): Promise<void> {
    const row = { id: 1, at: this.#at, beganMs: Math.round(this.#beganMs), damaged: this.#damaged }
    await this.#components.database
      .insertInto('scrub')
      .values(row)
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute()
  }

  async #tellIfTooSlow(): Promise<void> {
    const { tooSlow, bytesPerSecondNeeded, bytesPerSecondPossible } = await this.state()
    if (tooSlow && !this.#saidTooSlow) {
      this.#components.log.warn('stored blocks cannot all be checked in time', {
        bytesPerSecondNeeded,
        bytesPerSecondPossible
      })
    }
    this.#saidTooSlow = tooSlow
  }
}

const prefixBits = 48

/** Where a digest stands among all digests, 0 to 1. */
function positionOf(digest: Uint8Array): number {
  if (digest.length === 0) return 0
  return Buffer.from(digest).readUIntBE(0, prefixBits / 8) / 2 ** prefixBits
}

/** The digest at that share of all of them. */
function digestAt(position: number): Uint8Array {
  if (position >= 1) return lastDigest
  const digest = Buffer.alloc(digestBytes)
  digest.writeUIntBE(Math.max(0, Math.floor(position * 2 ** prefixBits)), 0, prefixBits / 8)
  return digest
}
