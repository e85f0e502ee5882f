// Own objects read for digests, as challenger and as challenged. One reading of an object at a time: who asks
// while one is under way shares the next with all who ask until it begins, so that ten questions about a film
// cost two readings. None is answered from a reading that began before it was asked.

import { toHex } from '@commonhold/core'
import type { ObjectStore } from '../components.ts'
import { rootKey } from '../root-key.ts'
import { type ProofSubject, proofDigests } from './proof.ts'

interface Reading {
  readonly subjects: ProofSubject[]
  readonly digests: Promise<readonly Uint8Array[]>
}

export class Readings {
  readonly #objects: Pick<ObjectStore, 'blocks'>
  /** Asked for and not begun, by root. */
  readonly #next = new Map<string, Reading>()
  /** The last one asked for, begun or not, by root; it never rejects. */
  readonly #last = new Map<string, Promise<unknown>>()

  constructor(objects: Pick<ObjectStore, 'blocks'>) {
    this.#objects = objects
  }

  /** Whether a reading of this object is to come anyway: one more digest of it costs no more reading. */
  isAwaited({ root }: Pick<ProofSubject, 'root'>): boolean {
    return this.#next.has(toHex(rootKey(root)))
  }

  /** @throws what reading the object throws */
  async digest(subject: ProofSubject): Promise<Uint8Array> {
    const name = toHex(rootKey(subject.root))
    const reading = this.#next.get(name) ?? this.#begin(name, subject)
    const at = reading.subjects.push(subject) - 1
    const digest = (await reading.digests)[at]
    if (digest === undefined) throw new Error('a reading forgot who asked for it')
    return digest
  }

  #begin(name: string, { root }: ProofSubject): Reading {
    const subjects: ProofSubject[] = []
    const before = this.#last.get(name)
    const read = async (): Promise<readonly Uint8Array[]> => {
      await before
      this.#next.delete(name)
      return await proofDigests(subjects, this.#objects.blocks(root))
    }
    const reading = { subjects, digests: read() }
    const over = reading.digests
      .catch(() => {
        // Told to those who asked; whoever comes next reads anew.
      })
      .finally(() => {
        if (this.#last.get(name) === over) this.#last.delete(name)
      })
    this.#next.set(name, reading)
    this.#last.set(name, over)
    return reading
  }
}
