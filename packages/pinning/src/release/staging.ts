// What ought to go soon. A stage that fills: once uploads take more than a share of the room they have, all of them are looked at
// again and again, so that each goes as soon as enough keepers prove it and not when its turn comes.
// A node that leaves: all it has. Station: object store -> STAGING -> plan. Decides nothing about an object.

import type { CID } from 'multiformats/cid'
import type { KeepingParts } from '../keep/keeping-parts.ts'
import { rootOfKey } from '../root-key.ts'

export class Staging {
  readonly #parts: KeepingParts
  #after = new Uint8Array()

  constructor(parts: KeepingParts) {
    this.#parts = parts
  }

  /** Objects here that ought to be looked at now: a page of them, and none at rest. */
  async take(limit: number): Promise<readonly CID[]> {
    if (limit <= 0) return []
    const isLeaving = this.#parts.leaving.state === 'leaving'
    if (!isLeaving && !(await this.#isCrowded())) return []
    const held = this.#parts.components.database.selectFrom('held').select('root')
    const rows = await (isLeaving ? held : held.where('origin', '=', 'upload'))
      .where('root', '>', this.#after)
      .orderBy('root')
      .limit(limit)
      .execute()
    const last = rows.at(-1)
    this.#after = last === undefined || rows.length < limit ? new Uint8Array() : new Uint8Array(last.root)
    return rows.map((row) => rootOfKey(row.root))
  }

  async #isCrowded(): Promise<boolean> {
    const { components, options } = this.#parts
    return stageUse(await components.objects.space()) > options.stageShare
  }
}

/** Used share of the room uploads have, 0 to 1. What the disk has no room for is used as well. */
export function stageUse(space: {
  readonly uploads: { readonly freeBytes: number; readonly capacityBytes: number }
}): number {
  const { freeBytes, capacityBytes } = space.uploads
  return capacityBytes === 0 ? 1 : 1 - freeBytes / capacityBytes
}
