// Which charter is in force: the amendments followed from the genesis, each put in force by a majority of the
// charter it replaces. Pure, and the same whatever order they came in. Normative text: docs/protocol/roster.md.

import { type Signed, toHex } from '@commonhold/core'
import type { Charter, Genesis } from './genesis.ts'
import type { NotedEntry } from './noted-entry.ts'
import { type Amend, charterId } from './roster-entries.ts'

export interface CharterChain {
  readonly id: Uint8Array
  readonly charter: Charter
  /** Signer → tip of the acts that stay valid, for administrators who left and did not come back. */
  readonly left: ReadonlyMap<string, string | undefined>
  /** Keys whose acts and amendments mattered at some time: administrators and recovery keys. */
  readonly ever: ReadonlySet<string>
}

/** Follows amendments from the genesis charter; each step needs a majority of the charter it replaces. */
export function charterChain(genesis: Signed<Genesis>, entries: Iterable<NotedEntry>): CharterChain {
  const proposals = new Map<string, Map<string, { amend: Amend; signers: Set<string> }>>()
  for (const { entry, signer } of entries) {
    const said = entry.body.act
    if (said.is !== 'amend') continue
    const rivals = proposals.get(toHex(said.prev)) ?? new Map()
    proposals.set(toHex(said.prev), rivals)
    const name = toHex(charterId(said))
    const proposal = rivals.get(name) ?? { amend: said, signers: new Set<string>() }
    proposal.signers.add(signer)
    rivals.set(name, proposal)
  }

  let id = toHex(genesis.hash)
  let charter = genesis.body.charter
  const left = new Map<string, string | undefined>()
  const ever = new Set([...charter.administrators, charter.recovery].map(toHex))
  for (;;) {
    const next = inForce(charter, proposals.get(id))
    if (next === undefined) break
    const staying = new Set(next.amend.charter.administrators.map(toHex))
    for (const key of charter.administrators.map(toHex)) {
      if (staying.has(key)) continue
      const tip = next.amend.leaving.find((l) => toHex(l.administrator) === key)?.tip ?? undefined
      left.set(key, tip === undefined ? undefined : toHex(tip))
    }
    for (const key of staying) {
      left.delete(key)
      ever.add(key)
    }
    ever.add(toHex(next.amend.charter.recovery))
    id = next.id
    charter = next.amend.charter
  }
  return { id: Uint8Array.from(Buffer.from(id, 'hex')), charter, left, ever }
}

interface Proposal {
  readonly id: string
  readonly amend: Amend
}

/**
 * The proposal with enough signatures. Rivals come from administrators who signed two: the one the recovery
 * key signed wins, so that a thief of administrators' keys cannot undo the recovery from the theft.
 */
function inForce(
  charter: Charter,
  rivals: ReadonlyMap<string, { amend: Amend; signers: Set<string> }> | undefined
): Proposal | undefined {
  if (rivals === undefined) return undefined
  const needed = Math.floor(charter.administrators.length / 2) + 1
  const recovery = toHex(charter.recovery)
  const administrators = charter.administrators.map(toHex)
  let best: (Proposal & { recovered: boolean; votes: number }) | undefined
  for (const [id, { amend, signers }] of rivals) {
    const recovered = signers.has(recovery)
    const votes = administrators.filter((key) => key !== recovery && signers.has(key)).length
    if (votes + (recovered ? 1 : 0) < needed) continue
    const better =
      best === undefined ||
      Number(recovered) - Number(best.recovered) > 0 ||
      (recovered === best.recovered && (votes > best.votes || (votes === best.votes && id < best.id)))
    if (better) best = { id, amend, recovered, votes }
  }
  return best
}
