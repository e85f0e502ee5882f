// Makes two rosters one: compare the sets, fetch what we lack, push what they lack. Both sides of
// the questions; used by sync and by joining.

import { type AbortOptions, fromHex, InvalidInputError, type NodeId, type OperatorId } from '@commonhold/core'
import type { PoolNetwork } from '../components.ts'
import { askPool, type Dialogue, type RequestType } from '../dialogue.ts'
import {
  entriesPerMessageMax,
  genesisRequest,
  rosterEntriesRequest,
  rosterPush,
  rosterRequest,
  strangerEntriesMax
} from '../journal/sync-requests.ts'
import { answerRanges, compareNames } from '../name-set.ts'
import type { StoredRoster } from './stored-roster.ts'

/** Answers questions about the roster. */
export function answerRoster(dialogue: Dialogue, roster: StoredRoster): void {
  dialogue.on(genesisRequest, async () => ({ genesis: roster.genesisBytes }))
  dialogue.on(rosterRequest, async (_from, { ranges }) => ({ ranges: answerRanges(roster.names, ranges) }))
  dialogue.on(rosterEntriesRequest, async (_from, { hashes }) => ({ entries: roster.entries(hashes) }))
  dialogue.on(rosterPush, async (from, { entries }) => {
    if (roster.member(from) === undefined && entries.length > strangerEntriesMax) {
      throw new InvalidInputError(
        `Somebody who is not a member pushes at most ${strangerEntriesMax} entries.`
      )
    }
    return { taken: await roster.add(entries) }
  })
}

/**
 * After it both sides have all entries either had, as far as both take them.
 * @param own operator whose entries are pushed first: this node's
 * @returns whether ours changed
 */
export async function exchangeRosters(
  network: PoolNetwork,
  roster: StoredRoster,
  peer: NodeId,
  own: OperatorId | undefined,
  options?: AbortOptions
): Promise<boolean> {
  const ask = <Q, A>(type: RequestType<Q, A>, question: Q): Promise<A> =>
    askPool(network, roster.poolId, peer, type, question, options)
  const { theirs, oursOnly } = await compareNames(
    roster.names,
    async (ranges) => (await ask(rosterRequest, { ranges })).ranges
  )
  const missing = theirs.filter((name) => !roster.names.has(name)).map(fromHex)
  let changed = false
  for (let i = 0; i < missing.length; i += entriesPerMessageMax) {
    const page = missing.slice(i, i + entriesPerMessageMax)
    const { entries } = await ask(rosterEntriesRequest, { hashes: page })
    if ((await roster.add(entries, { ...options, fetched: true })) > 0) changed = true
  }
  const unknown = roster.ownFirst(oursOnly, own)
  // A peer who does not know us yet takes a few entries only: our own first, which make us a member.
  const pages = [unknown.slice(0, strangerEntriesMax)]
  for (let i = strangerEntriesMax; i < unknown.length; i += entriesPerMessageMax) {
    pages.push(unknown.slice(i, i + entriesPerMessageMax))
  }
  for (const page of pages) {
    if (page.length > 0) await ask(rosterPush, { entries: roster.entries(page) })
  }
  return changed
}
