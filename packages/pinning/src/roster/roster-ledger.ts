// The entries of a roster that can matter: of each signer the newest about each thing, bounded per kind. Taken in
// one after the other, for the price of their signers' entries; what they mean is roster-state.ts, and
// roster-step.ts for a change of one of them. No I/O: a change
// is made out first and taken in when it is durable. Normative text: docs/protocol/roster.md, "What is kept".

import type { Signed } from '@commonhold/core'
import { type Name, NameSet } from '../name-set.ts'
import { defaults } from '../options.ts'
import { type CharterChain, charterChain } from './charter-chain.ts'
import type { Genesis } from './genesis.ts'
import { compareNewest, type NotedEntry, noted } from './noted-entry.ts'
import type { RosterEntry } from './roster-entries.ts'
import { evaluate, type RosterState } from './roster-state.ts'
import { step } from './roster-step.ts'

type Entry = Signed<RosterEntry>

/** What entries would change. */
export interface LedgerChange {
  /** Those that are new and matter. */
  readonly taken: readonly Entry[]
  /** How many signers there would be. */
  readonly signers: number
  readonly amended: boolean
  readonly kept: ReadonlyMap<string, readonly NotedEntry[]>
}

export class RosterLedger {
  /** Hashes of all entries kept. */
  readonly names: NameSet
  readonly #genesis: Signed<Genesis>
  #bySigner = new Map<string, readonly NotedEntry[]>()
  readonly #byHash = new Map<Name, NotedEntry>()
  #charters: CharterChain | undefined
  #state: RosterState | undefined

  constructor(genesis: Signed<Genesis>, entries: Iterable<Entry> = []) {
    this.#genesis = genesis
    this.#bySigner = new Map(this.change(entries).kept)
    for (const one of this.#all()) this.#byHash.set(one.hash, one)
    this.names = new NameSet(this.#byHash.keys())
  }

  get(hash: Name): Entry | undefined {
    return this.#byHash.get(hash)?.entry
  }

  /** What this signer said, as far as it matters. @param signer key in hex */
  by(signer: string): readonly Entry[] {
    return (this.#bySigner.get(signer) ?? []).map(({ entry }) => entry)
  }

  state(): RosterState {
    this.#state ??= evaluate(this.#chain(), [...this.#all()])
    return this.#state
  }

  /**
   * Dropping is by seq alone, so what is dropped here is dropped by everybody and can never be missed later. Acts
   * and amendments of administrators are all kept.
   */
  change(entries: Iterable<Entry>): LedgerChange {
    const fresh = new Map<Name, NotedEntry>()
    for (const entry of entries) {
      const one = noted(entry)
      if (!this.#byHash.has(one.hash)) fresh.set(one.hash, one)
    }
    const said = bySigner(fresh.values())
    // An amendment changes whose acts are all kept.
    const amended = [...fresh.values()].some(({ kind }) => kind === 'amend')
    const { ever } = amended
      ? charterChain(this.#genesis, [...this.#all(), ...fresh.values()])
      : this.#chain()
    const signers = new Set([...(amended ? this.#bySigner.keys() : []), ...said.keys()])
    const kept = new Map<string, readonly NotedEntry[]>()
    const taken: Entry[] = []
    for (const signer of signers) {
      const own = [...(this.#bySigner.get(signer) ?? []), ...(said.get(signer) ?? [])]
      const mattering = retained(own, ever.has(signer))
      kept.set(signer, mattering)
      for (const one of mattering) if (fresh.has(one.hash)) taken.push(one.entry)
    }
    const more = [...kept.keys()].filter((signer) => !this.#bySigner.has(signer)).length
    return { taken, signers: this.#bySigner.size + more, amended, kept }
  }

  apply({ kept, amended }: LedgerChange): void {
    const [signer, ...others] = kept.keys()
    const before = this.#bySigner.get(signer ?? '') ?? []
    for (const [each, now] of kept) this.#keep(each, now)
    if (amended) this.#charters = undefined
    const alone = !amended && others.length === 0
    const now = kept.get(signer ?? '') ?? []
    this.#state = this.#state && alone ? step(this.#state, before, now, [...this.#all()]) : undefined
  }

  #keep(signer: string, now: readonly NotedEntry[]): void {
    const stay = new Set(now.map(({ hash }) => hash))
    for (const { hash } of this.#bySigner.get(signer) ?? []) {
      if (stay.has(hash)) continue
      this.#byHash.delete(hash)
      this.names.delete(hash)
    }
    for (const one of now) {
      this.#byHash.set(one.hash, one)
      this.names.add(one.hash)
    }
    this.#bySigner.set(signer, now)
  }

  #chain(): CharterChain {
    this.#charters ??= charterChain(this.#genesis, this.#all())
    return this.#charters
  }

  *#all(): Iterable<NotedEntry> {
    for (const own of this.#bySigner.values()) yield* own
  }
}

function bySigner(entries: Iterable<NotedEntry>): Map<string, NotedEntry[]> {
  const signers = new Map<string, NotedEntry[]>()
  for (const one of entries) {
    const own = signers.get(one.signer)
    if (own === undefined) signers.set(one.signer, [one])
    else own.push(one)
  }
  return signers
}

/** One signer's entries: of each kind the newest per subject, and of these no more than the bound. */
function retained(own: readonly NotedEntry[], trusted: boolean): NotedEntry[] {
  const newest = new Map<string, NotedEntry>()
  for (const one of own) {
    const about = `${one.kind} ${one.subject}`
    const rival = newest.get(about)
    if (rival === undefined || compareNewest(one, rival) < 0) newest.set(about, one)
  }
  const kinds = new Map<string, number>()
  return [...newest.values()].sort(compareNewest).filter(({ kind }) => {
    const before = kinds.get(kind) ?? 0
    kinds.set(kind, before + 1)
    if (trusted && (kind === 'act' || kind === 'amend')) return true
    return before < defaults.entriesPerOperatorMax
  })
}
