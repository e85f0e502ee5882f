// Room for uploads: when the stage is full for the moment, a put waits a little for earlier ones to leave
// for their keepers, so that senders are slowed to the pace of the pool instead of being turned away.
// First come, first served. Never promises room that is not there.

import { type AbortOptions, BusyError, type Clock, NoSpaceError } from '@commonhold/core'
import type { ObjectIntake } from '@commonhold/node'
import { defaults } from './options.ts'

export interface RoomOptions extends AbortOptions {
  readonly origin: 'upload' | 'repair'
  readonly sizeMax?: number
}

export interface RoomComponents {
  readonly objects: {
    begin(options: { readonly origin: 'upload' | 'repair'; readonly sizeMax?: number }): Promise<ObjectIntake>
    space(): Promise<{ readonly uploads: { readonly freeBytes: number; readonly capacityBytes: number } }>
  }
  readonly clock: Clock
}

export class Room {
  readonly #components: RoomComponents
  #turn: Promise<unknown> = Promise.resolve()

  constructor(components: RoomComponents) {
    this.#components = components
  }

  /**
   * For the next segment of a file of which others have the beginning: in nobody's line, and for longer,
   * because to refuse it now would waste all that was passed on.
   * @throws NoSpaceError after `segmentRoomWaitMs`
   */
  goOn({ signal, ...options }: RoomOptions): Promise<ObjectIntake> {
    const untilMs = this.#components.clock.monotonicMs() + defaults.segmentRoomWaitMs
    return this.#begin(options, untilMs, signal)
  }

  /** @throws NoSpaceError at once for what never fits, else after `roomWaitMs` */
  begin({ signal, ...options }: RoomOptions): Promise<ObjectIntake> {
    const untilMs = this.#components.clock.monotonicMs() + defaults.roomWaitMs
    const begun = this.#turn.then(() => this.#begin(options, untilMs, signal))
    this.#turn = begun.catch(() => {
      // Told to whoever asked; the next one has its turn whatever became of this.
    })
    return begun
  }

  /**
   * The turn of a file that goes through to keepers: few do at once.
   * @param open throws BusyError while others are under way. @throws BusyError after `roomWaitMs`
   */
  async passage<T>(open: () => T, { signal }: AbortOptions = {}): Promise<T> {
    const { clock } = this.#components
    const untilMs = clock.monotonicMs() + defaults.roomWaitMs
    for (;;) {
      signal?.throwIfAborted()
      try {
        return open()
      } catch (err) {
        if (!(err instanceof BusyError) || clock.monotonicMs() >= untilMs) throw err
        await clock.sleep(defaults.roomLookMs, signal === undefined ? {} : { signal })
      }
    }
  }

  async #begin(
    options: Omit<RoomOptions, 'signal'>,
    untilMs: number,
    signal: AbortSignal | undefined
  ): Promise<ObjectIntake> {
    const { objects, clock } = this.#components
    for (;;) {
      signal?.throwIfAborted()
      try {
        return await objects.begin(options)
      } catch (err) {
        if (!(err instanceof NoSpaceError)) throw err
        const { uploads } = await objects.space()
        if ((options.sizeMax ?? 0) > uploads.capacityBytes || clock.monotonicMs() >= untilMs) throw err
        await clock.sleep(defaults.roomLookMs, signal === undefined ? {} : { signal })
      }
    }
  }
}
