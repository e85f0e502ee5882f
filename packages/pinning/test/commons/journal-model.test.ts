// Random histories of two operators with three nodes, against a model of twenty lines: after every accident
// and at the end, each node that is up wants exactly what the model says. A failure prints seed and path.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Town, type TownNode } from './town.ts'

/** What each node asked for and was told is durable. The pin set is the union, whatever happened. */
class Model {
  readonly wishes: Set<number>[] = [new Set(), new Set(), new Set()]
  readonly up = [true, true, true]

  union(): number[] {
    return [...new Set(this.wishes.flatMap((own) => [...own]))].sort((a, b) => a - b)
  }
}

class Real {
  readonly town: Town
  readonly backups: (ReturnType<TownNode['logs']['backup']> | undefined)[] = []

  constructor(town: Town) {
    this.town = town
  }

  node(i: number): TownNode {
    const node = this.town.nodes[i]
    assert.ok(node)
    return node
  }
}

type Step = fc.AsyncCommand<Model, Real>

/** Who exchanged with everybody wants what everybody was promised; while somebody is down, its last word may be missing. */
async function agree(model: Model, { town }: Real): Promise<void> {
  await town.settle()
  if (!allUp(model)) return
  for (const node of town.nodes) {
    if (!node.alive) continue
    assert.deepEqual(await node.wanted(12), model.union())
    assert.deepEqual(node.commons.journals.forked(), [])
    assert.deepEqual(await node.commons.wanted.gaps(), [])
  }
}

function allUp(model: Model): boolean {
  return model.up.every((up) => up)
}

class Pin implements Step {
  readonly at: number
  readonly names: number[]

  constructor(at: number, names: number[]) {
    this.at = at
    this.names = names
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true
  }

  async run(model: Model, real: Real): Promise<void> {
    await real.node(this.at).pin(...this.names)
    for (const name of this.names) model.wishes[this.at]?.add(name)
  }

  toString(): string {
    return `pin ${this.names.join()} at ${this.at}`
  }
}

class Unpin implements Step {
  readonly at: number
  readonly name: number

  constructor(at: number, name: number) {
    this.at = at
    this.name = name
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true
  }

  async run(model: Model, real: Real): Promise<void> {
    await real.node(this.at).unpin(this.name)
    model.wishes[this.at]?.delete(this.name)
  }

  toString(): string {
    return `unpin ${this.name} at ${this.at}`
  }
}

/** Two changes at once: they may share a batch, and the later one counts. */
class Both implements Step {
  readonly at: number
  readonly name: number

  constructor(at: number, name: number) {
    this.at = at
    this.name = name
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true
  }

  async run(model: Model, real: Real): Promise<void> {
    const node = real.node(this.at)
    await Promise.all([node.pin(this.name, (this.name + 1) % 11), node.unpin(this.name)])
    model.wishes[this.at]?.delete(this.name)
    model.wishes[this.at]?.add((this.name + 1) % 11)
  }

  toString(): string {
    return `pin and unpin ${this.name} at ${this.at}`
  }
}

/** Killed while a wish waits for the disk: it was never acknowledged, and nobody may know it. */
class Crash implements Step {
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true
  }

  async run(model: Model, real: Real): Promise<void> {
    const node = real.node(this.at)
    node.logs.hold()
    void node.pin(11).catch(() => undefined)
    await real.town.clock.advance(0)
    node.kill()
    await node.open()
    await agree(model, real)
    for (const one of real.town.nodes) if (one.alive) assert.ok(!(await one.wanted(12)).includes(11))
  }

  toString(): string {
    return `crash in an append at ${this.at}`
  }
}

class Down implements Step {
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true && model.up.filter((up) => up).length > 1
  }

  async run(model: Model, real: Real): Promise<void> {
    await real.node(this.at).stop()
    model.up[this.at] = false
  }

  toString(): string {
    return `down ${this.at}`
  }
}

class Up implements Step {
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === false
  }

  async run(model: Model, real: Real): Promise<void> {
    await real.node(this.at).open()
    model.up[this.at] = true
  }

  toString(): string {
    return `up ${this.at}`
  }
}

class Backup implements Step {
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  check(): boolean {
    return true
  }

  async run(_model: Model, real: Real): Promise<void> {
    real.backups[this.at] = real.node(this.at).logs.backup()
  }

  toString(): string {
    return `backup of ${this.at}`
  }
}

/** The folder of an earlier time, or none at all; the first thing the node does is to make another wish. */
class Damage implements Step {
  readonly at: number
  readonly name: number
  readonly disk: boolean

  constructor(at: number, name: number, disk: boolean) {
    this.at = at
    this.name = name
    this.disk = disk
  }

  check(model: Readonly<Model>): boolean {
    return allUp(model)
  }

  async run(model: Model, real: Real): Promise<void> {
    await agree(model, real)
    const node = real.node(this.at)
    const backup = real.backups[this.at]
    if (this.disk || backup === undefined) {
      node.loseDisk()
      await node.join(real.node((this.at + 1) % 3))
      await node.commons.start()
    } else {
      node.restore(backup)
      await node.open()
    }
    await node.unpin(this.name)
    model.wishes[this.at]?.delete(this.name)
    await agree(model, real)
  }

  toString(): string {
    return `${this.disk ? 'disk lost' : 'backup restored'} at ${this.at}, then unpin ${this.name}`
  }
}

class Rebuild implements Step {
  readonly at: number

  constructor(at: number) {
    this.at = at
  }

  check(model: Readonly<Model>): boolean {
    return model.up[this.at] === true
  }

  async run(_model: Model, real: Real): Promise<void> {
    const { wanted, journals } = real.node(this.at).commons
    const before = await wanted.list(undefined, 1000)
    await journals.rebuild()
    assert.deepEqual(await wanted.list(undefined, 1000), before)
  }

  toString(): string {
    return `rebuild ${this.at}`
  }
}

class Agree implements Step {
  check(): boolean {
    return true
  }

  async run(model: Model, real: Real): Promise<void> {
    await agree(model, real)
  }

  toString(): string {
    return 'agree'
  }
}

const node = fc.integer({ min: 0, max: 2 })
const name = fc.integer({ min: 0, max: 10 })
const commands = fc.commands(
  [
    fc.tuple(node, fc.array(name, { minLength: 1, maxLength: 4 })).map((a) => new Pin(...a)),
    fc.tuple(node, name).map((a) => new Unpin(...a)),
    fc.tuple(node, name).map((a) => new Both(...a)),
    node.map((at) => new Crash(at)),
    node.map((at) => new Down(at)),
    node.map((at) => new Up(at)),
    node.map((at) => new Backup(at)),
    fc.tuple(node, name, fc.boolean()).map((a) => new Damage(...a)),
    node.map((at) => new Rebuild(at)),
    fc.constant(new Agree())
  ],
  { maxCommands: 30 }
)

test('after any history all members want what was acknowledged, and no journal forks', {
  timeout: 120_000
}, async () => {
  // Seen to fail with the survey answering that nobody is ahead: a restored backup then forks its journal.
  await fc.assert(
    fc.asyncProperty(commands, fc.integer(), async (steps, seed) => {
      const town = new Town(seed)
      const first = town.node()
      await first.found()
      // The second node is another operator's, the third is the first operator's second one.
      await town.node().join(first)
      await town.node(first.operatorKey).join(first)
      for (const one of town.nodes) await one.commons.start()
      await town.settle()
      const model = new Model()
      const real = new Real(town)
      try {
        await fc.asyncModelRun(() => ({ model, real }), steps)
        for (let at = 0; at < 3; at++) if (!model.up[at]) await new Up(at).run(model, real)
        await agree(model, real)
      } finally {
        await town.close()
      }
    }),
    { numRuns: 25 }
  )
})
