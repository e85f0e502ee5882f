// `npm run demo`: six operators as six processes on this machine. They take in real pictures, keep three
// copies of each, lose two holders to kill -9, notice, make and prove new copies, and serve everything
// all the while. Every claim it prints is checked; it ends non-zero at the first that does not hold.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { AddAnswer, PinStatusAnswer, StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { makeFixtures } from '../../scripts/make-fixtures.ts'
import { NodeProcess } from '../processes/node-process.ts'
import { ProcessPool } from '../processes/process-pool.ts'
import { until } from '../processes/until.ts'

const operators = ['birch', 'cedar', 'hazel', 'linden', 'maple', 'rowan']
const copies = 3
/** Fifteen minutes of waiting before a repair become fifteen seconds. */
const timeScale = 60
const cacheBytes = 1_000_000
const startedMs = performance.now()

interface Picture {
  readonly file: string
  readonly bytes: Buffer
  readonly answer: AddAnswer
}

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())

/** Ctrl-C leaves the demo by the same way as its end: processes ended, folders removed. */
const stopped = new Promise<never>((_, reject) => {
  interrupted.signal.addEventListener('abort', () => reject(new Error('Interrupted.')))
})
stopped.catch(() => {})

try {
  await Promise.race([demo(), stopped])
} catch (err) {
  console.error(
    `\n${styleText('red', 'This does not hold:')} ${err instanceof Error ? err.message : String(err)}`
  )
  if (err instanceof Error && err.cause instanceof Error) console.error(err.cause.message)
  process.exitCode = 1
}

async function demo(): Promise<void> {
  title(`Six operators found a pool. Each is a process of its own, with its own disk and keys.`)
  await using pool = await ProcessPool.start({
    names: operators,
    timeScale,
    settings: { 'pool.name': 'orchard', 'http.cache': cacheBytes }
  })
  interrupted.signal.addEventListener('abort', () => void pool[Symbol.asyncDispose]())
  const [founder] = pool.nodes
  assert.ok(founder)
  for (const node of pool.nodes) say(`${name(node)} process ${node.pid}, bridge ${node.about.httpUrl}`)

  title(
    `${founder.name} adds a photograph in several formats and a video, and asks for ${copies} copies of each.`
  )
  const pictures = await addPictures(founder, pool.folder)
  for (const picture of pictures) {
    const holders = await holdersOf(pool, picture)
    say(
      `${picture.file.padEnd(20)} ${kib(picture.bytes.length)}  on the disks of ${holders.map(({ name }) => name).join(', ')}`
    )
    assert.equal(holders.length, copies, `${picture.file} is at exactly ${copies} operators`)
  }

  const [first] = pictures
  assert.ok(first)
  const holders = await holdersOf(pool, first)
  const killed = holders.slice(0, 2)
  title(
    `kill -9 for ${killed.map(({ name }) => name).join(' and ')}: two of the three that hold ${first.file}.`
  )
  await Promise.all(killed.map((node) => node.kill()))
  const witness = holders[2] ?? founder
  const lost = await untilCopies(witness, first, (live) => live < copies, 'the loss is noticed')
  say(
    `${name(witness)} has noticed: ${lost.copiesLive} live ${lost.copiesLive === 1 ? 'copy' : 'copies'} of ${first.file} (${lost.health}).`
  )
  for (const picture of pictures) await assertServed(pool, picture, pool.running)
  say(`Meanwhile all ${pool.running.length} survivors serve all ${pictures.length} files, byte for byte.`)

  title(`Nobody is in charge; the keepers that are next in line fetch what is missing.`)
  for (const picture of pictures) {
    const status = await untilCopies(
      witness,
      picture,
      (live) => live >= copies,
      `${picture.file} is whole again`
    )
    const alive = (await holdersOf(pool, picture)).filter((node) => node.running)
    say(
      `${picture.file.padEnd(20)} ${status.copiesLive} proven copies again: ${alive.map(({ name }) => name).join(', ')}`
    )
    assert.ok(alive.length >= copies, `${alive.length} living disks hold ${picture.file}`)
  }

  const stranger = await nodeWithout(pool, pictures)
  const { node: reader, picture: wanted } = stranger
  title(`A browser asks ${reader.name}, which does not hold ${wanted.file}.`)
  const before = await reader.blockFiles()
  await assertServed(pool, wanted, [reader])
  assert.deepEqual(await reader.blockFiles(), before, `${reader.name} keeps nothing of what it served`)
  const cached = await cacheUse(reader)
  assert.ok(cached <= cacheBytes, `its cache holds ${cached} bytes, at most ${cacheBytes}`)
  say(
    `It answered with the right ${kib(wanted.bytes.length).trim()}, and its disk is as it was; ${kib(cached).trim()} stay in its memory for a while, never more than ${kib(cacheBytes).trim()}.`
  )

  title(`${killed.map(({ name }) => name).join(' and ')} come back.`)
  for (const node of killed) await node.start()
  await pool.untilAllMeet()
  for (const picture of pictures) {
    const heldByReturned = killed.filter((node) => node.about.nodeId !== witness.nodeId)
    await until(`the copies of ${picture.file} that came back are proven or let go`, 60_000, async () => {
      const status = await statusOf(witness, picture)
      const onDisk = new Set((await holdersOf(pool, picture)).map(({ nodeId }) => nodeId))
      const states = new Map(status.holders.map((holder) => [holder.node, holder.state]))
      const settled = heldByReturned.every(
        ({ nodeId }) => !onDisk.has(nodeId) || states.get(nodeId) === 'live'
      )
      return (settled && status.copiesLive >= copies) || undefined
    })
    const status = await statusOf(witness, picture)
    say(`${picture.file.padEnd(20)} ${status.copiesLive} proven copies (${status.health})`)
    assert.equal(status.health, 'healthy')
    await assertServed(pool, picture, killed)
  }
  say('Copies that came back count again instead of being made anew.')

  const { health } = await witness.ask<StatusAnswer>('status')
  assert.equal(health, 'ok', 'the pool is healthy')
  console.log(
    `\n${styleText(['bold', 'green'], 'All of it held.')} ${seconds()} s. Now your own: npm start\n`
  )
}

async function addPictures(node: NodeProcess, folder: string): Promise<Picture[]> {
  const derived = join(folder, 'pictures')
  const { jpeg, mp4, webp, avif, animatedWebp, largeJpeg } = await makeFixtures(derived)
  const pictures: Picture[] = []
  for (const path of [jpeg, mp4, webp, avif, animatedWebp, largeJpeg]) {
    const answer = await node.ask<AddAnswer>('add', path, '--copies', String(copies), '--wait')
    pictures.push({ file: path.split('/').at(-1) ?? path, bytes: await readFile(path), answer })
  }
  await rm(derived, { recursive: true })
  return pictures
}

/** By the disks alone: whose block folder has all blocks of the file, seen by its first one. */
async function holdersOf(pool: ProcessPool, picture: Picture): Promise<NodeProcess[]> {
  return pool.holdersOnDisk(NodeProcess.blockFileOf(picture.answer.cid))
}

function statusOf(node: NodeProcess, picture: Picture): Promise<PinStatusAnswer> {
  return node.ask<PinStatusAnswer>('pin', 'status', picture.answer.cid)
}

async function untilCopies(
  node: NodeProcess,
  picture: Picture,
  there: (live: number) => boolean,
  what: string
): Promise<PinStatusAnswer> {
  return until(what, 90_000, async () => {
    const status = await statusOf(node, picture)
    return there(status.copiesLive) ? status : undefined
  })
}

/** Over HTTP, from each of these nodes: the answer's digest is the name that was asked for. */
async function assertServed(
  pool: ProcessPool,
  picture: Picture,
  nodes: readonly NodeProcess[]
): Promise<void> {
  assert.ok(pool.nodes.length > 0)
  for (const node of nodes) {
    const response = await node.fetch(`/media/${picture.answer.sha256}`)
    assert.equal(response.status, 200, `${node.name} serves ${picture.file}`)
    const digest = createHash('sha256')
      .update(Buffer.from(await response.arrayBuffer()))
      .digest('hex')
    assert.equal(digest, picture.answer.sha256, `${node.name} serves the right bytes of ${picture.file}`)
  }
}

async function nodeWithout(
  pool: ProcessPool,
  pictures: readonly Picture[]
): Promise<{ node: NodeProcess; picture: Picture }> {
  for (const picture of pictures) {
    const holders = new Set(await holdersOf(pool, picture))
    const node = pool.running.find((each) => !holders.has(each))
    if (node !== undefined) return { node, picture }
  }
  throw new Error('Every node holds everything.')
}

/** What the node itself says its pass-through cache holds, in bytes. */
async function cacheUse(node: NodeProcess): Promise<number> {
  const { token } = await node.ask<{ token: string }>('token', 'add', 'demo', '--scope', 'metrics')
  const response = await node.fetch('/metrics', { headers: { authorization: `Bearer ${token}` } })
  const value = /^commonhold_bridge_cache_bytes(?:\{[^}]*\})? (\d+)/m.exec(await response.text())?.[1]
  assert.ok(value !== undefined, 'the node tells how much it caches')
  return Number(value)
}

function title(text: string): void {
  console.log(`\n${styleText('dim', `${seconds().padStart(5)} s`)}  ${styleText('bold', text)}`)
}

function say(text: string): void {
  console.log(`         ${text}`)
}

function name(node: NodeProcess): string {
  return styleText('cyan', node.name.padEnd(6))
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(0)} KiB`.padStart(9)
}

function seconds(): string {
  return ((performance.now() - startedMs) / 1000).toFixed(0)
}
