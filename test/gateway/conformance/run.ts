// Two real nodes in a pool: one holds the fixtures, brought in by `commonhold import`; the other, without a cache, passes
// everything through. Every case is asked of the second.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ProcessPool } from '../../processes/process-pool.ts'
import { until } from '../../processes/until.ts'
import { type Ground, groups } from './cases.ts'
import { makeFixtures } from './fixtures.ts'

export interface Outcome {
  readonly spec: string
  readonly name: string
  /** Absent: it passed. */
  readonly failure?: string
}

export async function startGround(): Promise<Ground & AsyncDisposable & { readonly bridgeUrl: string }> {
  const pool = await ProcessPool.start({
    names: ['holder', 'bridge'],
    settings: { 'http.cache': 0, 'http.clientRequests': 0 },
    settingsOf: (name) => ({ 'node.keep': name === 'bridge' ? 0 : '1GB' })
  })
  try {
    const [holder, bridge] = pool.nodes
    if (holder === undefined || bridge === undefined) throw new Error('there are two nodes')
    const fixtures = await makeFixtures()
    const path = join(pool.folder, 'fixtures.car')
    await writeFile(path, fixtures.car)
    await holder.ask('import', path, '--copies', '1')
    const ask =
      (base: string): Ground['ask'] =>
      (at, headers = {}, method = 'GET') =>
        fetch(new URL(at, base), { headers, method, redirect: 'manual' })
    const ground = { fixtures, ask: ask(bridge.about.httpUrl), askHolder: ask(holder.about.httpUrl) }
    const roots = [fixtures.tree.root, fixtures.film.root, fixtures.document, fixtures.linked]
    await until('the bridge has heard of every root', 120_000, async () => {
      for (const root of roots) {
        const { status } = await ground.ask(`/ipfs/${root}?format=raw`, {}, 'HEAD')
        if (status !== 200) return undefined
      }
      return true
    })
    if ((await bridge.blockFiles()).length > 0) throw new Error('the bridge holds blocks')
    return {
      ...ground,
      bridgeUrl: bridge.about.httpUrl,
      [Symbol.asyncDispose]: async () => {
        const held = await bridge.blockFiles()
        await pool[Symbol.asyncDispose]()
        if (held.length > 0) throw new Error(`the bridge has kept ${held.length} blocks`)
      }
    }
  } catch (err) {
    await pool[Symbol.asyncDispose]()
    throw err
  }
}

export async function runAll(ground: Ground): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const { spec, cases } of groups) {
    for (const { name, run } of cases) {
      try {
        await run(ground)
        outcomes.push({ spec, name })
      } catch (err) {
        outcomes.push({ spec, name, failure: err instanceof Error ? err.message : String(err) })
      }
    }
  }
  return outcomes
}
