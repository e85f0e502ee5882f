// One soak: operators as processes, traffic all the while, storms of blows with a cleaning interval after each, and at
// the end the whole promise. The first thing that does not hold ends it; the folders are then kept.
// In chaos every node stands behind a cable and a proxy of ours, and lines and disks are struck as well.

import { rm } from 'node:fs/promises'
import { seededRandom } from '@commonhold/core'
import { ProcessPool } from '../processes/process-pool.ts'
import { Blows, copies, type Kind } from './blows.ts'
import { Broken, type Check } from './broken.ts'
import { Flips } from './flips.ts'
import { Ground } from './ground.ts'
import { Inspection } from './inspection.ts'
import { Objects } from './objects.ts'
import { type Counts, Traffic } from './traffic.ts'
import { Weather, type WeatherKind } from './weather.ts'

/** Storms are about as long as Ceph's thrasher waits between its own cleanings. */
const stormMs = 60_000
const meetBoundMs = 180_000

export const profiles = {
  soak: { names: ['birch', 'cedar', 'hazel', 'linden', 'maple', 'rowan'], onGround: false },
  chaos: {
    names: ['alder', 'birch', 'cedar', 'hazel', 'linden', 'maple', 'rowan', 'willow'],
    onGround: true
  }
} as const
export type ProfileName = keyof typeof profiles

/** These have small disks of their own, in chaos. */
const smallDisks = ['alder', 'maple']

export interface SoakResult {
  readonly passed: readonly Check[]
  readonly failed?: { readonly check: Check; readonly message: string }
  /** By whoever started it: nothing was found wrong until then. */
  readonly interrupted: boolean
  readonly uploads: Counts
  readonly refusals: ReadonlyMap<string, number>
  readonly acknowledged: number
  /** How many answers were for how many copies. */
  readonly answers: ReadonlyMap<number, number>
  readonly unanswered: number
  readonly blows: ReadonlyMap<Kind, number>
  /** Chaos only. */
  readonly weather?: Readonly<Record<WeatherKind, number>>
  readonly flips?: number
  readonly cables?: boolean
  readonly cleanings: number
  readonly healthyMsMax: number
  readonly startMsMax: number
  readonly peakBytes: ReadonlyMap<string, number>
  readonly tookMs: number
}

export interface SoakOptions {
  readonly profile: ProfileName
  readonly seed: number
  readonly minutes: number
  readonly say: (line: string) => void
  /** Ends it at once, without the last look. */
  readonly interrupt: AbortSignal
}

export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { names, onGround } = profiles[options.profile]
  if (!onGround) return await run(options, names)
  await using ground = await Ground.lay(names, options.seed + 4, smallDisks, options.say)
  return await run(options, names, ground)
}

async function run(
  { seed, minutes, say, interrupt }: SoakOptions,
  names: readonly string[],
  ground?: Ground
): Promise<SoakResult> {
  const startedMs = performance.now()
  const pool = await ProcessPool.start({
    names,
    timeScale: 60,
    keepFolders: true,
    ...(ground === undefined ? {} : { site: (name) => ground.site(name) }),
    // A cache of a few objects, so that some reads come out of it; acknowledged for all copies when they come in time.
    settings: { 'http.cache': 4_000_000, 'pool.ackCopies': copies, 'pool.ackWait': '4s' }
  })
  const failing = new AbortController()
  const failed = failing.signal
  const fail = (err: unknown): void => failing.abort(err)
  interrupt.addEventListener('abort', () => fail(interrupt.reason))
  const objects = new Objects(seed)
  const flips = new Flips({
    objects: () => [...objects.acknowledged.values()],
    random: seededRandom(seed + 5),
    read: async (node, object) => {
      await traffic.touch(node, object)
      for (const other of blows.standing) if (other !== node) await inspection.challenge(other, object)
    }
  })
  const blows = new Blows({
    nodes: pool.nodes,
    random: seededRandom(seed),
    say,
    fail,
    ...(ground === undefined ? {} : { ground, flips })
  })
  const weather = ground === undefined ? undefined : new Weather(ground, names, seededRandom(seed + 6))
  const traffic: Traffic = new Traffic({
    pool,
    blows,
    objects,
    say,
    randoms: {
      adds: seededRandom(seed + 1),
      posts: seededRandom(seed + 2),
      reads: seededRandom(seed + 3)
    }
  })
  using inspection = new Inspection(pool)
  const passed: Check[] = []
  let [cleanings, healthyMsMax] = [0, 0]

  const cleaning = async (): Promise<void> => {
    const fromMs = performance.now()
    const all = [...objects.acknowledged.values()]
    await inspection.untilHealthy(all, failed)
    failed.throwIfAborted()
    const tookMs = performance.now() - fromMs
    healthyMsMax = Math.max(healthyMsMax, tookMs)
    cleanings++
    await blows.notePeaks()
    say(`cleaning ${cleanings}: ${all.length} objects healthy after ${(tookMs / 1000).toFixed(1)} s`)
  }

  const work = async (): Promise<void> => {
    const trafficOver = new AbortController()
    const moving = traffic.run(AbortSignal.any([trafficOver.signal, failed])).catch(fail)
    const endMs = performance.now() + minutes * 60_000
    while (performance.now() < endMs) {
      const sky = new AbortController()
      const passing = weather?.run(AbortSignal.any([sky.signal, failed]))
      await blows.storm(Math.min(stormMs, endMs - performance.now()), failed)
      sky.abort()
      await passing
      failed.throwIfAborted()
      await cleaning()
    }
    trafficOver.abort()
    await moving
    failed.throwIfAborted()
    passed.push('reads')
    await pool.untilAllMeet(meetBoundMs)
    await cleaning()
    passed.push('cleanings', 'flips')
    const all = [...objects.acknowledged.values()]
    say(`the end: proofs of ${all.length} objects`)
    await inspection.prove(all)
    passed.push('proofs')
    say('the end: every object through every bridge')
    await inspection.serve(all, traffic)
    passed.push('bridges', 'bytes')
    await inspection.forks()
    passed.push('forks')
    await blows.notePeaks()
    say('the end: the disks')
    await inspection.disks(all, blows)
    passed.push('torn', 'strays', 'disks', 'ends')
  }

  let broken: Broken | undefined
  try {
    await traffic.prepare()
    await work()
  } catch (err) {
    fail(err)
    if (!interrupt.aborted) {
      // The first thing that went wrong; what was thrown may only follow from it.
      broken = asBroken(failed.reason)
      say(`FAILED, seed ${seed}: ${broken.message}`)
      for (const node of pool.nodes) say(`end of the log of ${node.name}:\n${await node.logEnd()}`)
      say(`The folders are kept: ${pool.folder}`)
    }
  }
  await pool[Symbol.asyncDispose]()
  // The disks that are mounted in them go first.
  await ground?.[Symbol.asyncDispose]()
  if (broken === undefined) await rm(pool.folder, { recursive: true, force: true })
  return {
    passed,
    ...(broken === undefined ? {} : { failed: { check: broken.check, message: broken.message } }),
    interrupted: interrupt.aborted,
    uploads: traffic.counts,
    refusals: traffic.refusals,
    acknowledged: objects.acknowledged.size,
    answers: objects.answers,
    unanswered: objects.unanswered.length,
    blows: blows.counts,
    ...(weather === undefined
      ? {}
      : { weather: weather.counts, flips: flips.count, cables: ground?.hasCables === true }),
    cleanings,
    healthyMsMax,
    startMsMax: blows.startMsMax,
    peakBytes: blows.peakBytes,
    tookMs: performance.now() - startedMs
  }
}

function asBroken(err: unknown): Broken {
  if (err instanceof Broken) return err
  return new Broken('ends', err instanceof Error ? (err.stack ?? err.message) : String(err), { cause: err })
}
