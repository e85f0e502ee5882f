// The end of a response as seen from the client's side, and how long anything is waited for on its behalf.

import type { ServerResponse } from 'node:http'
import { type AbortOptions, UnreachableError } from '@commonhold/core'

/** The end of a response from the client's side, watched by two listeners however many chunks there are. */
export class ClientGone implements Disposable {
  readonly #res: ServerResponse
  readonly #onClose: () => void
  /** Made when first asked for: a warm answer never needs it. */
  #abort: AbortController | undefined
  #gone = false
  #wake: (() => void) | undefined
  readonly finished: Promise<void>

  constructor(res: ServerResponse) {
    this.#res = res
    let over = (): void => {}
    this.finished = new Promise((resolve) => {
      over = resolve
    })
    this.#onClose = () => {
      this.#gone = !res.writableFinished
      if (this.#gone) this.#abort?.abort(new ClientGoneError())
      over()
      this.#wake?.()
    }
    res.on('close', this.#onClose)
    if (res.destroyed || res.closed) this.#onClose()
  }

  get happened(): boolean {
    return this.#gone
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      this.#abort = new AbortController()
      if (this.#gone) this.#abort.abort(new ClientGoneError())
    }
    return this.#abort.signal
  }

  /** Resolves when the socket has taken what was written, or is gone. */
  drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#wake = undefined
        this.#res.off('drain', done)
        resolve()
      }
      this.#wake = done
      this.#res.on('drain', done)
      if (this.#res.destroyed) done()
    })
  }

  /**
   * Waits for work on other nodes, at most `ms`, and no longer than the client does.
   * @throws UnreachableError when the time is up: the same as when the library gave up by itself
   */
  async wait<T>(work: (until: AbortOptions) => Promise<T>, ms: number | undefined): Promise<T> {
    const { signal } = this
    if (ms === undefined) return await work({ signal })
    const late = new UnreachableError('Those who hold the object did not answer in time.')
    // One controller serves the whole response: whoever is late ends it. A plain timer is far cheaper than a
    // pair of AbortSignal.timeout and .any for every chunk.
    const timer = setTimeout(() => this.#abort?.abort(late), ms)
    try {
      return await work({ signal })
    } catch (err) {
      throw signal.aborted ? signal.reason : err
    } finally {
      clearTimeout(timer)
    }
  }

  [Symbol.dispose](): void {
    this.#res.off('close', this.#onClose)
  }
}

/** Not a failure of anything: nobody is there to be answered. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError'

  constructor() {
    super('The client has closed the connection.')
  }
}
