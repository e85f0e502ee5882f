// Keeps the node connected to the members of its pool: looks who they are and tells the network. The
// dialling, with its patience, is the network's.

import type { Clock, Log, NodeId } from '@commonhold/core'
import type { Pool } from '@commonhold/pinning'
import { defaults } from './options.ts'

export interface MemberConnectionsComponents {
  readonly network: { keepConnected(peers: readonly NodeId[]): Promise<void> }
  readonly membership: { readonly pool: Pool }
  readonly clock: Clock
  readonly log: Log
}

/** Runs until disposed of. */
export function memberConnections({
  network,
  membership,
  clock,
  log
}: MemberConnectionsComponents): AsyncDisposable {
  const stopped = new AbortController()
  const running = (async () => {
    while (!stopped.signal.aborted) {
      try {
        const members = membership.pool.members().filter(({ self }) => !self)
        await network.keepConnected(members.map(({ node }) => node))
        await clock.sleep(defaults.membersLookMs, { signal: stopped.signal })
      } catch (err) {
        if (stopped.signal.aborted) return
        log.warn('looking after the connections to members failed', { err })
        await clock.sleep(defaults.membersLookMs, { signal: stopped.signal }).catch(() => {
          // Stopped while asleep: the loop ends.
        })
      }
    }
  })()
  return {
    async [Symbol.asyncDispose]() {
      stopped.abort(new Error('The node is stopping.'))
      await running
    }
  }
}
