// A member that keeps nothing reads a large object through its bridge from two holders, and loses the one that is
// sending. Who that is shows in what the kernel counts for each process, not in anything a node says.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddAnswer, TokenAddAnswer } from '../../packages/cli/src/control/protocol.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'

const MiB = 1024 * 1024
/** What is on its way inside the reader and its sockets is far less than a twentieth of this. */
export const size: number = 256 * MiB

export interface Download {
  readonly sha256: string
  readonly bytes: number
  /** Longest time in which nothing came, the time to the first byte included. */
  readonly longestGapMs: number
}

export class HoldersUnderFire implements AsyncDisposable {
  readonly pool: ProcessPool
  readonly holders: readonly NodeProcess[]
  readonly reader: NodeProcess
  readonly sha256: string
  readonly #path: string
  readonly #token: string

  private constructor(pool: ProcessPool, answer: AddAnswer, token: string) {
    const [first, second, reader] = pool.nodes
    assert.ok(first !== undefined && second !== undefined && reader !== undefined)
    this.pool = pool
    this.holders = [first, second]
    this.reader = reader
    this.sha256 = answer.sha256
    this.#path = `/ipfs/${answer.cid}`
    this.#token = token
  }

  /** Real time: at the pace of a test the pool would begin to make a new copy, at the reader's disk or nowhere. */
  static async start(): Promise<HoldersUnderFire> {
    const pool = await ProcessPool.start({
      names: ['first', 'second', 'reader'],
      timeScale: 1,
      settings: { 'http.cache': 0 },
      settingsOf: (name) => ({ 'node.keep': name === 'reader' ? 0 : '10GB' })
    })
    try {
      const [first, , reader] = pool.nodes
      assert.ok(first !== undefined && reader !== undefined)
      const path = join(pool.folder, 'film')
      const bytes = randomBytes(size)
      await writeFile(path, bytes)
      const answer = await first.ask<AddAnswer>('add', path, '--copies', '2', '--wait')
      assert.equal(answer.sha256, createHash('sha256').update(bytes).digest('hex'))
      const { token } = await reader.ask<TokenAddAnswer>('token', 'add', 'metrics', '--scope', 'metrics')
      return new HoldersUnderFire(pool, answer, token)
    } catch (err) {
      await pool[Symbol.asyncDispose]()
      throw err
    }
  }

  /** The whole object through the reader's bridge; `at` is called once, when that many bytes have come. */
  async download(at: number, blow: () => Promise<void> | void): Promise<Download> {
    let lastMs = performance.now()
    let longestGapMs = 0
    const response = await this.reader.fetch(this.#path)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), String(size))
    const hash = createHash('sha256')
    let bytes = 0
    let fell = false
    for await (const part of response.body ?? []) {
      const nowMs = performance.now()
      longestGapMs = Math.max(longestGapMs, nowMs - lastMs)
      lastMs = nowMs
      hash.update(part)
      bytes += part.length
      if (bytes >= at && !fell) {
        fell = true
        await blow()
      }
    }
    return { sha256: hash.digest('hex'), bytes, longestGapMs }
  }

  /** What each holder has written to anybody, for `sender`. */
  async written(): Promise<ReadonlyMap<NodeProcess, number>> {
    const counts = await Promise.all(
      this.holders.map(async (holder) => {
        const io = await readFile(`/proc/${holder.pid}/io`, 'utf8')
        return [holder, Number(/wchar: (\d+)/.exec(io)?.[1])] as const
      })
    )
    return new Map(counts)
  }

  /** The holder that sent the bytes since then. */
  async sender(before: ReadonlyMap<NodeProcess, number>): Promise<NodeProcess> {
    const now = await this.written()
    const sent = (holder: NodeProcess): number => (now.get(holder) ?? 0) - (before.get(holder) ?? 0)
    const [sender] = this.holders.toSorted((a, b) => sent(b) - sent(a))
    assert.ok(sender !== undefined && sent(sender) > MiB, 'one of the two holders sends')
    return sender
  }

  /** How often the reader went on with another source, as its metrics say. */
  async switched(): Promise<number> {
    const response = await this.reader.fetch('/metrics', {
      headers: { authorization: `Bearer ${this.#token}` }
    })
    const value = /^commonhold_sources_switched_total (\d+)$/m.exec(await response.text())?.[1]
    assert.ok(value !== undefined, 'the metrics have the counter')
    return Number(value)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const holder of this.holders) if (holder.running) holder.freeze(false)
    await this.pool[Symbol.asyncDispose]()
  }
}
