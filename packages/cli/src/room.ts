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
  passage<T>(open: () => T, options?: AbortOptions): Promise<T> {
    const { clock } = this.#components
    const untilMs = clock.monotonicMs() + defaults.roomWaitMs
    return this.#retried(open, async (err) => err instanceof BusyError, untilMs, options?.signal)
  }

  #begin(
    options: Omit<RoomOptions, 'signal'>,
    untilMs: number,
    signal: AbortSignal | undefined
  ): Promise<ObjectIntake> {
    const { objects } = this.#components
    const mayFit = async (err: unknown): Promise<boolean> => {
      if (!(err instanceof NoSpaceError)) return false
      return (options.sizeMax ?? 0) <= (await objects.space()).uploads.capacityBytes
    }
    return this.#retried(() => objects.begin(options), mayFit, untilMs, signal)
  }

  /** Again and again until it succeeds, fails with what waiting does not mend, or the time is up. */
  async #retried<T>(
    attempt: () => T | Promise<T>,
    mayWait: (err: unknown) => Promise<boolean>,
    untilMs: number,
    signal: AbortSignal | undefined
  ): Promise<T> {
    const { clock } = this.#components
    for (;;) {
      signal?.throwIfAborted()
      try {
        return await attempt()
      } catch (err) {
        if (!(await mayWait(err)) || clock.monotonicMs() >= untilMs) throw err
        await clock.sleep(defaults.roomLookMs, signal === undefined ? {} : { signal })
      }
    }
  }
}
