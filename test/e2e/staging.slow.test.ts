// Forty times its cap through a staging node into a pool of five, as processes: uploads of every size a
// camera makes, four at a time, and one film three times larger than the cap. Every byte is served afterwards
// and the cap was never passed: by the disk's own word, and by what the node had stored and set aside.
// `STAGING_CAP_MB=500 STAGING_TIMES=40` runs twenty gigabytes of it, which takes hours on two cores.

import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { StatusAnswer, TokenAddAnswer } from '../../packages/cli/src/control/protocol.ts'
import type { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

const capBytes = Number(process.env['STAGING_CAP_MB'] ?? 16) * 1e6
const totalBytes = Number(process.env['STAGING_TIMES'] ?? 40) * capBytes
const filmBytes = 3 * capBytes
const uploadersAtOnce = 4
const sizes = [0.25, 0.1, 0.03, 0.01, 0.002, 0.0003].map((share) => Math.floor(share * capBytes))

interface Upload {
  readonly seed: number
  readonly size: number
}

test('many times its cap goes through a staging node, and all of it is served', {
  timeout: 1_200_000 * Math.max(1, capBytes / 1e8)
}, async (t) => {
  await using pool = await ProcessPool.start({
    names: ['elm', 'fir', 'oak', 'yew', 'bay', 'stage'],
    settings: { 'http.cache': 0, 'network.provide': false, 'http.uploadMax': 2 * filmBytes },
    settingsOf: (name) => (name === 'stage' ? { 'node.keep': 0, 'node.stage': capBytes } : undefined),
    timeScale: 20
  })
  const stage = pool.node('stage')
  const { token } = await stage.ask<TokenAddAnswer>('token', 'add', 'test', '--scope', 'upload', 'metrics')
  const auth = { authorization: `Bearer ${token}` }
  using watch = new CapWatch(stage, auth)

  const uploads: Upload[] = [{ seed: 0, size: filmBytes }]
  for (let sum = filmBytes, seed = 1; sum < totalBytes; seed++) {
    const size = sizes[seed % sizes.length] ?? 0
    uploads.push({ seed, size })
    sum += size
  }
  const beganMs = performance.now()
  let refused = 0
  /** In what words, and how often. */
  const refusals = new Map<string, number>()
  const ahead = [...uploads]
  const uploader = async (): Promise<void> => {
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      for (let why = await sent(stage, auth, next); why !== 'taken'; why = await sent(stage, auth, next)) {
        refused++
        refusals.set(why, (refusals.get(why) ?? 0) + 1)
        assert.ok(refused < 20 * uploads.length, `refused: ${JSON.stringify([...refusals])}`)
        await pause(200)
      }
    }
  }
  await Promise.all(Array.from({ length: uploadersAtOnce }, uploader))
  const tookS = (performance.now() - beganMs) / 1000
  const figures = [
    `${(totalBytes / 1e9).toFixed(1)} GB in ${uploads.length} uploads through ${capBytes / 1e6} MB`,
    `${tookS.toFixed(0)} s (${(totalBytes / 1e6 / tookS).toFixed(1)} MB/s), refused ${JSON.stringify([...refusals])}`,
    `most on disk ${(watch.diskBytesMax / 1e6).toFixed(1)} MB, most stored and set aside ${(watch.claimedBytesMax / 1e6).toFixed(1)} MB, ${watch.looks} looks`
  ].join('; ')
  t.diagnostic(figures)

  for (const upload of uploads) {
    const { digest } = await digestOf(upload)
    const response = await stage.fetch(`/media/${digest}`, { headers: auth })
    assert.equal(response.status, 200, `upload ${upload.seed}`)
    const got = createHash('sha256')
    for await (const bytes of response.body ?? []) got.update(bytes)
    assert.equal(
      got.digest('hex'),
      digest,
      `upload ${upload.seed} of ${upload.size} bytes came back otherwise`
    )
  }
  watch.check()
  await until(
    'everything has its copies, none of them on the stage for want of others',
    300_000,
    async () => {
      const { objects } = await stage.ask<StatusAnswer>('status')
      const { healthy, degraded } = objects.byHealth
      return healthy + degraded >= uploads.length || undefined
    }
  )
  assert.ok((await stage.blockBytes()) <= capBytes)
})

/** Looks at the block folder and at the node's own figures all the while. */
class CapWatch implements Disposable {
  readonly #node: NodeProcess
  readonly #headers: Record<string, string>
  readonly #over = new AbortController()
  #failure: unknown
  diskBytesMax = 0
  claimedBytesMax = 0
  looks = 0

  constructor(node: NodeProcess, headers: Record<string, string>) {
    this.#node = node
    this.#headers = headers
    void this.#run()
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
    assert.ok(this.looks > 10, 'it was looked at')
    assert.ok(this.diskBytesMax > capBytes / 3, 'the stage was in use')
    assert.ok(this.diskBytesMax <= capBytes, `${this.diskBytesMax} bytes were on disk`)
    assert.ok(this.claimedBytesMax <= capBytes, `${this.claimedBytesMax} bytes were stored and set aside`)
  }

  [Symbol.dispose](): void {
    this.#over.abort()
  }

  async #run(): Promise<void> {
    try {
      while (!this.#over.signal.aborted) {
        this.diskBytesMax = Math.max(this.diskBytesMax, await bytesIn(join(this.#node.dataFolder, 'blocks')))
        const text = await (await this.#node.fetch('/metrics', { headers: this.#headers })).text()
        const of = (kind: string): number =>
          Number(new RegExp(`^commonhold_store_bytes\\{kind="${kind}"\\} (\\S+)$`, 'm').exec(text)?.[1])
        this.claimedBytesMax = Math.max(this.claimedBytesMax, of('used') + of('reserved'))
        this.looks++
        await pause(50)
      }
    } catch (err) {
      if (!this.#over.signal.aborted) this.#failure = err
    }
  }
}

/**
 * What was there at one instant, temporary files too: files seen both before it and after it. One listing
 * alone would add what had gone to what had come while it was made.
 */
async function bytesIn(folder: string): Promise<number> {
  const before = await filesIn(folder)
  const after = await filesIn(folder)
  let sum = 0
  for (const [path, size] of before) if (after.has(path)) sum += size
  return sum
}

async function filesIn(folder: string): Promise<Map<string, number>> {
  const files = new Map<string, number>()
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    // Gone between the listing and the look: then it takes no room.
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined) files.set(path, found.size)
  }
  return files
}

/** Whether it was taken, or why not: 507 and 503 with their `Retry-After`. Anything else fails. */
async function sent(
  node: NodeProcess,
  headers: Record<string, string>,
  { seed, size }: Upload
): Promise<string> {
  const post = request(new URL('/media', node.about.httpUrl), {
    method: 'POST',
    headers: { ...headers, 'content-length': size, 'content-type': 'application/octet-stream' }
  })
  // Refused in the middle of what it sends, a client may see the connection end before it sees why.
  const answered = new Promise<IncomingMessage | undefined>((resolve) => {
    post.once('response', resolve)
    post.once('error', () => resolve(undefined))
  })
  // A refusal comes before the last byte; then the rest cannot be sent, and need not.
  const sending = pipeline(Readable.from(bytesOf(seed, size), { objectMode: false }), post).catch(() => {})
  const response = await answered
  if (response === undefined) return 'the connection ended'
  let body = ''
  for await (const part of response) body += part
  const refused = response.statusCode === 507 || response.statusCode === 503
  if (!refused) await sending
  post.destroy()
  if (refused) {
    assert.ok(Number(response.headers['retry-after']) > 0)
    return `${response.statusCode} ${(JSON.parse(body) as { detail: string }).detail.replaceAll(/\d+/g, 'n')}`
  }
  assert.ok(response.statusCode === 201 || response.statusCode === 200, `${response.statusCode} ${body}`)
  assert.equal((JSON.parse(body) as { sha256: string }).sha256, (await digestOf({ seed, size })).digest)
  return 'taken'
}

async function digestOf({ seed, size }: Upload): Promise<{ digest: string }> {
  const digest = createHash('sha256')
  for await (const bytes of bytesOf(seed, size)) digest.update(bytes)
  return { digest: digest.digest('hex') }
}

/** Bytes no two uploads share, made as fast as they are sent. */
async function* bytesOf(seed: number, size: number): AsyncGenerator<Uint8Array> {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed + 1)
  const stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(256 * 1024)
  for (let left = size; left > 0; left -= zeros.length) {
    yield stream.update(left < zeros.length ? zeros.subarray(0, left) : zeros)
  }
}
