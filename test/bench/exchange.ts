// `npm run bench exchange`: the exchange between two processes over TLS on loopback, blocks read from
// and verified on disk, against a bare libp2p stream that moves the same bytes and checks nothing.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { allowEverything, seededRandom, silentLog, systemClock } from '@commonhold/core'
import {
  ExchangeClient,
  ExchangeServer,
  exchangeProtocol,
  FileBlockStore,
  Network,
  nodeFileSystem,
  openAccess
} from '@commonhold/node'
import { CID } from 'multiformats/cid'
import { sampleObject } from '../../packages/node/test/sample-objects.ts'
import { median, reportBench } from './report.ts'

const MiB = 1024 * 1024
const rawProtocol = '/bench/raw/1.0.0'
const bulkBytes = 192 * MiB
const smallBytes = 100 * 1024
const smallCount = 400
const smallParallel = 8
const rounds = 3

interface Served {
  address: string
  node: string
  bulk: string
  small: string[]
}

async function networkOf(seed: number, listen: string[]): Promise<Network> {
  const random = seededRandom(seed)
  const network = await Network.create({
    seed: random.bytes(32),
    listen,
    clock: systemClock,
    random,
    log: silentLog
  })
  await network.start()
  return network
}

async function serve(): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'commonhold-bench-'))
  const network = await networkOf(1, ['/ip4/127.0.0.1/tcp/0'])
  const blocks = await FileBlockStore.open({ path, fileSystem: nodeFileSystem, log: silentLog })
  const roots = new Set<string>()
  const add = async (length: number, seed: number): Promise<string> => {
    const object = await sampleObject(length, seed)
    for (const { cid, bytes } of object.blocks) await blocks.put(cid, bytes)
    roots.add(object.root.toString())
    return object.root.toString()
  }
  const bulk = await add(bulkBytes, 1)
  const small: string[] = []
  for (let i = 0; i < smallCount; i++) small.push(await add(smallBytes, 2 + i))
  const server = new ExchangeServer({
    blocks,
    objects: { has: async (root) => roots.has(root.toString()), contains: async () => false },
    policy: allowEverything,
    access: { ...openAccess, isMember: () => true },
    clock: systemClock,
    log: silentLog
  })
  await network.handle(exchangeProtocol, (peer, stream) => server.accept(peer, stream))
  const chunk = seededRandom(9).bytes(64 * 1024)
  await network.handle(rawProtocol, (_, stream) => {
    // The first byte says what is wanted: b for the bulk, s for one small answer.
    stream.addEventListener('message', ({ data }) => {
      for (const byte of data.subarray()) void send(byte === 98 ? bulkBytes : smallBytes)
    })
    const send = async (bytes: number): Promise<void> => {
      for (let left = bytes; left > 0; left -= chunk.length) {
        const ready = stream.send(left < chunk.length ? chunk.subarray(0, left) : chunk)
        while (!ready && stream.writableNeedsDrain) {
          await new Promise<void>((resolve) =>
            stream.addEventListener('drain', () => queueMicrotask(resolve), { once: true })
          )
        }
      }
    }
  })
  const [address = ''] = network.addresses()
  process.send?.({ address, node: network.nodeId, bulk, small } satisfies Served)
  await once(process, 'message')
  await network.stop()
  await rm(path, { recursive: true })
}

async function secondsOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, ['serve'], { execArgv: ['--conditions=source'] })
  const [served]: Served[] = (await once(child, 'message')) as [Served]
  if (served === undefined) throw new Error('the server said nothing')
  const network = await networkOf(2, [])
  await network.dial(served.address)
  const client = new ExchangeClient({
    clock: systemClock,
    openStream: (peer, protocol, options) => network.openStream(peer, protocol, options)
  })
  const raw = await network.openStream(served.node, rawProtocol)
  let expected = 0
  let arrived: () => void = () => {}
  raw.addEventListener('message', ({ data }) => {
    expected -= data.byteLength
    if (expected <= 0) arrived()
  })
  const rawBulk = (): Promise<void> =>
    new Promise((resolve) => {
      expected = bulkBytes
      arrived = resolve
      raw.send(Uint8Array.of(98))
    })
  /** Eight asked for at once, the next eight when they have come: the window a pool of eight keeps. */
  const rawSmall = async (): Promise<void> => {
    for (let i = 0; i < smallCount; i += smallParallel) {
      await new Promise<void>((resolve) => {
        expected = smallBytes * smallParallel
        arrived = resolve
        raw.send(new Uint8Array(smallParallel).fill(115))
      })
    }
  }
  const whole = { from: 0, to: Number.MAX_SAFE_INTEGER }
  const read = async (root: string): Promise<void> => {
    let bytes = 0
    for await (const { piece } of client.blocks(served.node, CID.parse(root), whole))
      bytes += piece?.bytes.length ?? 0
    if (bytes === 0) throw new Error('nothing came')
  }
  const exchangeSmall = async (): Promise<void> => {
    const left = [...served.small]
    const worker = async (): Promise<void> => {
      for (let root = left.pop(); root !== undefined; root = left.pop()) await read(root)
    }
    await Promise.all(Array.from({ length: smallParallel }, worker))
  }
  const seconds = {
    rawBulk: [] as number[],
    bulk: [] as number[],
    rawSmall: [] as number[],
    small: [] as number[]
  }
  // One uncounted round of each, then in turn, so that a busy machine burdens both alike.
  await rawBulk()
  await read(served.bulk)
  await exchangeSmall()
  await rawSmall()
  for (let i = 0; i < rounds; i++) {
    seconds.rawBulk.push(await secondsOf(rawBulk))
    seconds.bulk.push(await secondsOf(() => read(served.bulk)))
    seconds.rawSmall.push(await secondsOf(rawSmall))
    seconds.small.push(await secondsOf(exchangeSmall))
  }
  const mibPerSecond = (all: number[]): number => bulkBytes / MiB / median(all)
  const perSecond = (all: number[]): number => smallCount / median(all)
  await reportBench(
    'Exchange between two nodes',
    [
      {
        what: `one object of ${bulkBytes / MiB} MiB`,
        value: mibPerSecond(seconds.bulk),
        unit: 'MiB/s',
        against: { what: 'bare TLS stream', value: mibPerSecond(seconds.rawBulk) },
        ratioGoal: 0.7
      },
      {
        what: `objects of 100 KiB, ${smallParallel} at once`,
        value: perSecond(seconds.small),
        unit: 'objects/s',
        against: { what: 'bare TLS stream, no files, no hashes', value: perSecond(seconds.rawSmall) }
      }
    ],
    'Blocks are read from disk and hashed by the server, hashed again by the client; medians of ' +
      `${rounds} alternating rounds, two processes on loopback. Goal for small objects: 800/s.`
  )
  await client[Symbol.asyncDispose]()
  child.send('stop')
  await network.stop()
  await once(child, 'exit')
}

await (process.argv[2] === 'serve' ? serve() : measure())
