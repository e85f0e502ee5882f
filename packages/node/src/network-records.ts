// What the network half remembers across restarts: addresses of peers, and which objects this node has
// announced. A cache in every respect: losing it costs time, never an object, so nothing in it is
// fsynced and a folder that cannot be read is begun anew.

import { rm } from 'node:fs/promises'
import type { Log } from '@commonhold/core'
import { LevelDatastore } from 'datastore-level'
import type { Datastore } from 'interface-datastore'

export interface NetworkRecords extends AsyncDisposable {
  readonly datastore: Datastore
}

/** @param path a folder of its own; made when it is not there. */
export async function openNetworkRecords(path: string, log: Log): Promise<NetworkRecords> {
  let store = new LevelDatastore(path)
  try {
    await store.open()
  } catch (err) {
    log.warn('what was known of other nodes could not be read and is begun anew', {
      path,
      reason: String(err)
    })
    await rm(path, { recursive: true, force: true })
    store = new LevelDatastore(path)
    await store.open()
  }
  return { datastore: store, [Symbol.asyncDispose]: () => store.close() }
}
