// What happens when: a binary heap of events under virtual time. `VirtualClock` of core wakes promises and
// lets the event loop turn between them, which costs microseconds; three years of a pool are some tens of
// millions of events, so the simulator calls plain functions instead. Same rule: by time, then by arrival.

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly happen: () => void
}

export class Agenda {
  nowMs = 0
  #order = 0
  readonly #heap: Entry[] = []

  at(atMs: number, happen: () => void): void {
    this.#heap.push({ atMs: Math.max(atMs, this.nowMs), order: this.#order++, happen })
    this.#up(this.#heap.length - 1)
  }

  after(ms: number, happen: () => void): void {
    this.at(this.nowMs + ms, happen)
  }

  /** Lets everything happen that is due until then. */
  runUntil(endMs: number): void {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > endMs) break
      const last = this.#heap.pop()
      if (last !== undefined && this.#heap.length > 0) {
        this.#heap[0] = last
        this.#down(0)
      }
      this.nowMs = next.atMs
      next.happen()
    }
    this.nowMs = endMs
  }

  #up(from: number): void {
    const heap = this.#heap
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!before(heap[i], heap[parent])) return
      swap(heap, i, parent)
      i = parent
    }
  }

  #down(from: number): void {
    const heap = this.#heap
    for (let i = from; ; ) {
      const left = 2 * i + 1
      const child = before(heap[left + 1], heap[left]) ? left + 1 : left
      if (child >= heap.length || !before(heap[child], heap[i])) return
      swap(heap, i, child)
      i = child
    }
  }
}

function before(a: Entry | undefined, b: Entry | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function swap(heap: Entry[], i: number, j: number): void {
  const a = heap[i]
  const b = heap[j]
  if (a === undefined || b === undefined) return
  heap[i] = b
  heap[j] = a
}
