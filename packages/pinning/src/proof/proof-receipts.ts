// Proof receipts: a challenger's signed word that a keeper answered rightly, so that not everybody has
// to ask everybody. Written by ourselves, read from others by seq. A negative one is never believed:
// it only makes us ask. Normative text: docs/protocol/proofs.md, "Receipts".

import { MalformedRecordError, type NodeId, openSigned, publicKeyOfNode, signRecord } from '@commonhold/core'
import type { CID } from 'multiformats/cid'
import type { Census } from '../census/census.ts'
import { within } from '../deadline.ts'
import { sameBytes } from '../fields.ts'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { proofReceiptRecord, type ReceiptsPage, receiptsRequest } from './challenge.ts'

/** Receipts in one answer: at most 16 KiB each, so well within a message. */
const pageMax = 64

export class ProofReceipts {
  readonly #parts: KeepingParts
  readonly #census: Census
  /** Last seq given out, and the last that others can read. */
  #seq = 0
  #written = 0
  readonly #read = new Map<NodeId, number>()
  readonly #reading = new Set<NodeId>()
  #writing: Promise<void> = Promise.resolve()
  /** Told when there is a new receipt of ours. */
  onNews: () => void = () => {}

  constructor(parts: KeepingParts, census: Census) {
    this.#parts = parts
    this.#census = census
    parts.dialogue.on(receiptsRequest, (_from, question) => this.#page(question.after))
  }

  get seq(): number {
    return this.#written
  }

  /** Wall time keeps a lost index from using a seq twice, which others would take for known. */
  async open(): Promise<void> {
    const { database, clock } = this.#parts.components
    const row = await database
      .selectFrom('proof_receipt')
      .select('seq')
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    this.#seq = row?.seq ?? Math.floor(clock.wallMs())
    this.#written = row?.seq ?? 0
  }

  /** Signs and stores; others read it after their next greeting. */
  async write(keeper: NodeId, roots: readonly CID[], right: boolean): Promise<void> {
    const { components, roster, options } = this.#parts
    const storeEpoch = this.#census.storeEpochOf(keeper)
    if (storeEpoch === undefined) return
    const seq = ++this.#seq
    const expiresMs = Math.floor(components.clock.wallMs() + options.proofAgeMsMax)
    const body = {
      pool: roster.poolId,
      keeper,
      storeEpoch: new Uint8Array(Buffer.from(storeEpoch, 'hex')),
      roots: [...roots],
      right,
      seq,
      expiresMs
    }
    const { bytes } = signRecord(proofReceiptRecord, body, components.keys.node)
    const row = { seq, bytes, expires_wall_ms: expiresMs }
    // In order of seq: a reader takes the highest it was told for all before it.
    this.#writing = this.#writing.then(async () => {
      await components.database.insertInto('proof_receipt').values(row).execute()
      this.#written = seq
    })
    await this.#writing
    this.onNews()
  }

  async #page(after: number): Promise<ReceiptsPage> {
    const { database, clock } = this.#parts.components
    const rows = await database
      .selectFrom('proof_receipt')
      .selectAll()
      .where('seq', '>', after)
      .where('expires_wall_ms', '>', clock.wallMs())
      .orderBy('seq')
      .limit(pageMax + 1)
      .execute()
    const told = rows.slice(0, pageMax)
    return {
      receipts: told.map((row) => row.bytes),
      upTo: told.at(-1)?.seq ?? Math.max(after, 0),
      more: rows.length > pageMax
    }
  }

  /** Reads what a challenger wrote since we last asked, up to the seq of its greeting. */
  async read(challenger: NodeId, seq: number): Promise<void> {
    if (this.#reading.has(challenger) || (this.#read.get(challenger) ?? 0) >= seq) return
    this.#reading.add(challenger)
    const { components, dialogue, options } = this.#parts
    try {
      for (;;) {
        const after = this.#read.get(challenger) ?? 0
        const page = await within(components.clock, options.proofAnswerMs, (abort) =>
          dialogue.ask(challenger, receiptsRequest, { after }, abort)
        )
        for (const bytes of page.receipts) await this.#take(challenger, bytes)
        const advanced = page.upTo > after
        this.#read.set(challenger, Math.max(after, page.upTo))
        if (!page.more || !advanced) {
          // Nothing unexpired between here and its greeting.
          if (!page.more) this.#read.set(challenger, Math.max(seq, page.upTo))
          return
        }
      }
    } finally {
      this.#reading.delete(challenger)
    }
  }

  async #take(challenger: NodeId, bytes: Uint8Array): Promise<void> {
    const { components, roster, options } = this.#parts
    const { body, signer } = openSigned(proofReceiptRecord, bytes)
    if (!sameBytes(signer, publicKeyOfNode(challenger))) {
      throw new MalformedRecordError('proof-receipt', 'it is not signed by the one who tells it')
    }
    if (!sameBytes(body.pool, roster.poolId) || roster.member(body.keeper) === undefined) return
    // About ourselves we know better.
    if (body.keeper === components.keys.nodeId) return
    if (!body.right) {
      for (const root of body.roots) await this.#census.noteDoubt(root, body.keeper)
      return
    }
    const wallMs = components.clock.wallMs()
    // An expiry further off than any honest one could be is cut, not believed.
    const expiresWallMs = Math.min(body.expiresMs, wallMs + options.proofAgeMsMax)
    if (expiresWallMs <= wallMs) return
    const { keeper, storeEpoch, seq } = body
    await this.#census.noteWord(body.roots, { challenger, keeper, storeEpoch, seq, expiresWallMs })
  }
}
