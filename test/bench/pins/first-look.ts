// A node that has been running for long has looked at everything. Here it does so at once: the production pool
// over the folder, among keepers in this process, at no pace but the processor's.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type NodeId, silentLog, systemClock, systemRandom, UnreachableError } from '@commonhold/core'
import {
  DiskSpace,
  FileBlockStore,
  FileRecordLogs,
  type NodeTables,
  nodeFileSystem,
  Objects,
  openDataFolder,
  openIdentity,
  openIndexDatabase
} from '@commonhold/node'
import { type PinningComponents, type PinningTables, Pool } from '@commonhold/pinning'
import { pinnedObjects } from '../../../packages/cli/src/pinned-objects.ts'
import { subjectRoom } from './data-folder.ts'
import { respondAs, setHashes } from './keepers.ts'

const steepPace = 1_000_000

/** @returns processor time per object, in µs */
export async function lookAtEverything(path: string, pins: number, keepers: number): Promise<number> {
  await using folder = await openDataFolder(path, nodeFileSystem)
  const { storeEpoch } = folder
  const base = { fileSystem: nodeFileSystem, log: silentLog, storeEpoch }
  const identity = await openIdentity(folder.keysPath, nodeFileSystem, {
    random: systemRandom,
    log: silentLog
  })
  const place = join(folder.logsPath, (await readFile(join(folder.logsPath, 'current-pool'), 'utf8')).trim())
  await using index = await openIndexDatabase({ ...base, path: folder.indexPath })
  await using wishes = await openIndexDatabase({ ...base, path: join(place, 'index.db') })
  const blocks = await FileBlockStore.open({ ...base, path: folder.blocksPath })
  const space = new DiskSpace({ ...base, blocks, path: folder.blocksPath, capacityBytes: subjectRoom })
  const objects = new Objects({ ...base, blocks, database: index.tables<NodeTables>(), space })
  const unreachable = async (): Promise<never> => {
    throw new UnreachableError('Nobody sends bytes in this process.')
  }
  const answers = new Map<NodeId, (from: NodeId, message: Uint8Array) => Promise<Uint8Array>>()
  const components: PinningComponents = {
    keys: { node: identity.node, nodeId: identity.nodeId, operator: identity.operator },
    network: {
      request: async (to, message) => await (answers.get(to) ?? unreachable)(identity.nodeId, message),
      handle() {},
      async announce() {},
      subscribe() {},
      unsubscribe() {},
      onPeer() {},
      async addAddresses() {},
      addresses: () => []
    },
    objects: pinnedObjects({
      objects,
      fetcher: { fetch: unreachable },
      openSegments: unreachable,
      providing: { provide() {}, async withdraw() {} },
      log: silentLog
    }),
    database: wishes.tables<PinningTables>(),
    logs: new FileRecordLogs(place, nodeFileSystem),
    policy: { decide: async () => ({ verdict: 'allow', reasons: [] }) },
    clock: systemClock,
    random: systemRandom,
    log: silentLog
  }
  await using pool = await Pool.open(components, {
    keeping: { tickMs: 20, objectsPerTick: 1024, roundObjectsPerSecondMax: steepPace }
  })
  const subject = pool?.member(identity.nodeId)
  if (pool === undefined || subject === undefined) throw new Error('the folder has no pool')
  const init = {
    pins,
    keepers,
    poolId: new Uint8Array(Buffer.from(pool.poolId, 'hex')),
    k: pool.k,
    setHashes: setHashes(pins, pool.k),
    subject
  }
  for (let i = 0; i < keepers; i++) {
    const { nodeId, handler } = respondAs(i, init)
    answers.set(nodeId, handler)
  }
  await pool.start()
  const before = process.cpuUsage()
  for (;;) {
    const { objects: seen } = await pool.summary()
    process.stderr.write(`  not yet looked at: ${seen.unseen}\n`)
    if (seen.unseen === 0) break
    await systemClock.sleep(5000)
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / pins
}
