// `npm run bench pins [-- --pins=N --folder=PATH --fresh --brief]`: a node in a pool that wants a million objects, kept by
// nine operators, of which it holds some ten thousands itself. The real process over a folder made by the
// production code, among keepers that greet and report: memory, start, status, the first look at everything,
// its rest afterwards, and a member that goes and comes back. `--folder` keeps the folder for the next run; `--brief`
// leaves out the member, whose objects are looked at anew at the pace of a node that does other things as well.

import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@commonhold/core'
import type { StatusAnswer } from '../../packages/cli/src/control/protocol.ts'
import { NodeProcess } from '../processes/node-process.ts'
import { until } from '../processes/until.ts'
import { makeDataFolder } from './pins/data-folder.ts'
import { lookAtEverything } from './pins/first-look.ts'
import { LightKeeper, setHashes } from './pins/keepers.ts'
import { type BenchRow, reportBench } from './report.ts'

const option = (name: string): string | undefined =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const pins = Number(option('pins') ?? 1_000_000)
const keepers = 8
const hourMs = 3_600_000
const restMs = 60_000

const kept = option('folder')
const work = kept ?? (await mkdtemp(join(tmpdir(), 'commonhold-pins-')))
const rows: BenchRow[] = []
const note = (row: BenchRow): void => {
  rows.push(row)
  process.stderr.write(`${row.what}: ${row.value} ${row.unit}\n`)
}
try {
  const made = join(work, 'made')
  if (!existsSync(made)) {
    const madeMs = await msOf(() => makeDataFolder(made, { pins, keepers }))
    note({ what: 'take in all batches and make the folder', value: pins / (madeMs / 1000), unit: 'pins/s' })
  }
  // `--fresh`: as after a lost index, when nothing was looked at yet.
  if (!process.argv.includes('--fresh') && !existsSync(join(work, 'looked'))) {
    const perObject = await lookAtEverything(made, pins, keepers)
    note({ what: 'look at an object: processor', value: perObject, unit: 'µs' })
    await writeFile(join(work, 'looked'), '')
  }
  // What runs writes in it; what was made stays as it is for the next run.
  const data = join(work, 'data')
  await rm(data, { recursive: true, force: true })
  await cp(made, data, { recursive: true })
  await measure(data)
} finally {
  if (kept === undefined) await rm(work, { recursive: true, force: true })
}
await reportBench(`A node with ${pins.toLocaleString('en-US')} pins`, rows)

async function measure(data: string): Promise<void> {
  await using node = new NodeProcess({
    name: 'subject',
    dataFolder: data,
    settings: { 'node.keep': '100GiB' },
    readyTimeoutMs: hourMs
  })
  await starting(node, 'first start to ready')
  const { pool, members } = await node.ask<StatusAnswer>('status')
  const own = members.find((member) => member.self)
  if (own === undefined) throw new Error('the node is no member of its pool')
  const k = Math.log2(pool.groups)
  const init = {
    pins,
    keepers,
    poolId: new Uint8Array(Buffer.from(pool.id, 'hex')),
    k,
    setHashes: setHashes(pins, k),
    subject: { ...own, class: 'server' as const }
  }
  const address = node.about.addresses[0] ?? ''
  const others: LightKeeper[] = []
  try {
    for (let i = 0; i < keepers; i++) others.push(await LightKeeper.start(i, init, address))
    const reports = await share(node, async () => {
      await reached(node, keepers)
    })
    note({ what: 'members met', value: reports.ms / 1000, unit: 's' })
    await resting(node)
    if (!process.argv.includes('--brief') && (await seenBy(node)).seen === pins)
      await comingAndGoing(node, others, () => LightKeeper.start(0, init, address), k)
    await resting(node)
    note(goal('peak memory of that run', (await node.memoryPeakBytes()) / 2 ** 20, 'MiB', 400))
    await node.stop()

    await starting(node, 'start to ready')
    for (let i = 0; i < others.length; i++) {
      await others[i]?.[Symbol.asyncDispose]()
      others[i] = await LightKeeper.start(i, init, node.about.addresses[0] ?? '')
    }
    await reached(node, keepers)
    await systemClock.sleep(restMs)
    await status(node)
    note(goal('peak memory after a start', (await node.memoryPeakBytes()) / 2 ** 20, 'MiB', 400))
  } finally {
    for (const other of others) await other[Symbol.asyncDispose]()
  }
}

/** Beside the time on the wall what it took of a processor: the machine may do other things as well. */
async function starting(node: NodeProcess, what: string): Promise<void> {
  note(goal(what, (await msOf(() => node.start())) / 1000, 's', 10))
  note({ what: `${what}: processor`, value: (await processorMs(node.pid)) / 1000, unit: 's' })
}

async function status(node: NodeProcess): Promise<void> {
  const { ms, share: cpu } = await share(node, () => node.ask('status'))
  note(goal('`commonhold status`', ms, 'ms', 1000))
  note({ what: '`commonhold status`: processor of the node', value: ms * cpu, unit: 'ms' })
}

function goal(what: string, value: number, unit: string, most: number): BenchRow {
  return { what, value, unit, against: { what: 'goal', value: most } }
}

async function comingAndGoing(
  node: NodeProcess,
  others: LightKeeper[],
  again: () => Promise<LightKeeper>,
  k: number
): Promise<void> {
  const before = await live(node)
  const [gone] = others
  if (gone === undefined) throw new Error('no keeper')
  await gone[Symbol.asyncDispose]()
  const left = await share(node, async () => {
    await reached(node, keepers - 1)
  })
  note({ what: 'a member gone: noticed', value: left.ms / 1000, unit: 's' })
  const relooked = await share(node, () =>
    histogram(node, (now) => now.live <= before - gone.groups.length * (pins / 2 ** k) * 0.97)
  )
  note({ what: 'a member gone: its objects looked at anew', value: relooked.ms / 1000, unit: 's' })
  note({ what: 'processor meanwhile', value: relooked.share * 100, unit: '%' })
  others[0] = await again()
  const back = await share(node, () => histogram(node, (now) => now.live >= before * 0.999))
  note({ what: 'it is back: its objects looked at anew', value: back.ms / 1000, unit: 's' })
}

async function resting(node: NodeProcess): Promise<void> {
  const before = await seenBy(node)
  const { share: cpu } = await share(node, () => systemClock.sleep(restMs))
  const looked = (await seenBy(node)).seen - before.seen
  if (looked > 0)
    note({ what: 'objects looked at for the first time', value: looked / (restMs / 1000), unit: '/s' })
  note({ what: 'processor at rest', value: cpu * 100, unit: '%' })
  await status(node)
}

interface Seen {
  readonly seen: number
  /** Live copies of all objects together. */
  readonly live: number
}

async function seenBy(node: NodeProcess): Promise<Seen> {
  const { objects } = await node.ask<StatusAnswer>('status')
  return {
    seen: Object.values(objects.byHealth).reduce((sum, n) => sum + n, 0),
    live: objects.copies.reduce((sum, row) => sum + row.copies * row.objects, 0)
  }
}

async function live(node: NodeProcess): Promise<number> {
  return (await seenBy(node)).live
}

async function histogram(node: NodeProcess, is: (seen: Seen) => boolean): Promise<void> {
  await until('the histogram is so', hourMs, async () => {
    const seen = await seenBy(node)
    process.stderr.write(`  ${JSON.stringify(seen)}\n`)
    if (is(seen)) return true
    await systemClock.sleep(2000)
    return undefined
  })
}

async function reached(node: NodeProcess, count: number): Promise<void> {
  await until(`${count} members are reached`, hourMs, async () => {
    const { members } = await node.ask<StatusAnswer>('status')
    return members.filter((member) => member.reachable && !member.self).length === count || undefined
  })
}

/** Wall time of the work, and the share of one processor that the process used meanwhile. */
async function share(
  node: NodeProcess,
  work: () => Promise<unknown>
): Promise<{ ms: number; share: number }> {
  const before = await processorMs(node.pid)
  const ms = await msOf(work)
  return { ms, share: ((await processorMs(node.pid)) - before) / ms }
}

/** User and system time so far (Linux counts in hundredths of a second). */
async function processorMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

async function msOf(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}
