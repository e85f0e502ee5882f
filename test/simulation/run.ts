// One seed: one weather, and in it at the same time the production code, what else could be done, and a
// control that must lose objects, or the weather proves nothing.

import { type KeepingOptions, keepingDefaults } from '../../packages/pinning/src/keep/keeping-options.ts'
import { Chance } from './chance.ts'
import { type Deeds, Keeping } from './keeping.ts'
import { type Figures, Meter } from './meter.ts'
import { dayMs, profiles, yearMs } from './profiles.ts'
import { Rival, type RivalPolicy } from './rivals.ts'
import { World } from './world.ts'

export interface RunOptions {
  readonly seed: number
  readonly profile: string
  readonly years: number
  readonly members: number
  readonly groups: number
  readonly objects: number
  readonly objectBytes: number
  readonly copiesMin: number
  /** Changes to `keepingDefaults`, to try other starting values. */
  readonly options: Partial<KeepingOptions>
  readonly arms: readonly ArmName[]
}

export const armNames = ['commonhold', 'control', 'cluster', 'none', 'oracle'] as const
export type ArmName = (typeof armNames)[number]

export interface ArmResult extends Figures {
  readonly arm: ArmName
  readonly deeds?: Deeds
}

export interface RunResult {
  readonly seed: number
  readonly arms: readonly ArmResult[]
  readonly tookMs: number
}

/** One look of so many that were spared is made after all. */
const checkEvery = 1009
const samples = 240

export function run(options: RunOptions): RunResult {
  const startedMs = performance.now()
  const profile = profiles[options.profile]
  if (profile === undefined) {
    throw new Error(`There is no profile ${options.profile}; there are: ${Object.keys(profiles).join(', ')}.`)
  }
  const { copiesMin } = options
  const homes = profile.lives.some(({ life }) => life.class === 'home')
  const copiesTarget = copiesMin + (homes ? 2 : 0)
  const durationMs = options.years * yearMs
  const world = new World({
    seed: options.seed,
    profile,
    members: options.members,
    groups: options.groups,
    durationMs,
    objectBytes: options.objectBytes,
    copiesExpected: copiesTarget
  })
  const keeping = { ...keepingDefaults, ...options.options }
  const rivals: Record<Exclude<ArmName, 'commonhold' | 'control'>, RivalPolicy> = {
    cluster: {
      copiesMin,
      copiesMax: copiesTarget + 2,
      copiesFirst: copiesTarget,
      repairs: 'absence',
      delayMs: 30_000,
      reintegrates: false
    },
    none: {
      copiesMin,
      copiesMax: copiesTarget,
      copiesFirst: copiesTarget,
      repairs: 'never',
      delayMs: 0,
      reintegrates: true
    },
    oracle: {
      copiesMin,
      copiesMax: copiesMin,
      copiesFirst: copiesMin,
      repairs: 'departure',
      delayMs: 0,
      reintegrates: true
    }
  }
  const arms = options.arms.map((name, i) => {
    const chance = new Chance(options.seed ^ Math.imul(i + 1, 0x85ebca6b))
    const control = name === 'control'
    const meter = new Meter(options.objects, control ? 2 : copiesMin)
    if (name !== 'commonhold' && name !== 'control') {
      return { name, arm: new Rival(world, rivals[name], meter, options.objects) }
    }
    const setup = control
      ? {
          copiesMin: 2,
          // Nothing moves: two copies are two.
          options: { ...keeping, repairDelayMs: dayMs, lastCopyDelayMs: dayMs, newcomerAgeMs: 100 * yearMs },
          classOf: () => 'server' as const,
          checkEvery
        }
      : { copiesMin, options: keeping, checkEvery }
    return { name, arm: new Keeping(world, setup, { meter, objects: options.objects, chance }) }
  })
  world.start()
  // All first members are there before the objects are.
  world.agenda.runUntil(0)
  for (const { arm } of arms) {
    arm.begin()
    world.arms.push(arm)
  }
  for (let i = 0; i <= samples; i++) {
    world.agenda.runUntil((durationMs * i) / samples)
    for (const { arm } of arms) arm.meter.sample(world.nowMs)
  }
  return {
    seed: options.seed,
    arms: arms.map(({ name, arm }) => ({
      arm: name,
      ...arm.meter.figures(world.nowMs, yearMs),
      ...(arm instanceof Keeping ? { deeds: arm.deeds } : {})
    })),
    tookMs: performance.now() - startedMs
  }
}
