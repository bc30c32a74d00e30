/**
 * All deadlines of one session behind a single timer.
 *
 * A binary heap whose entries know their place, so that a call that ends in time leaves at the cost of a few swaps.
 * Knows nothing of what a deadline ends. Times are of `performance.now()`, in ms.
 */

import { maxTimeoutMs } from './options.ts'

/** Something with a deadline. The queue alone writes `heapIndex`; it is -1 while the entry is not in the queue. */
export interface Timed {
  deadlineMs: number
  heapIndex: number
  onDeadline(): void
}

export class DeadlineQueue {
  readonly #heap: Timed[] = []
  #timer: NodeJS.Timeout | undefined
  /** When the timer fires; Infinity without one. It may fire in vain after its entry left: cheaper than re-arming. */
  #timerAtMs = Number.POSITIVE_INFINITY

  get size(): number {
    return this.#heap.length
  }

  /** Adds an entry whose deadline is so many ms from now. */
  addAfter(entry: Timed, timeoutMs: number): void {
    entry.deadlineMs = performance.now() + timeoutMs
    this.add(entry)
  }

  add(entry: Timed): void {
    this.#place(entry, this.#heap.length)
    this.#rise(entry)
    if (entry.deadlineMs < this.#timerAtMs) this.#arm(entry.deadlineMs)
  }

  /** Does nothing when the entry is not in the queue. */
  remove(entry: Timed): void {
    const index = entry.heapIndex
    if (index < 0) return
    entry.heapIndex = -1
    const last = this.#heap.pop() as Timed
    if (last === entry) return
    this.#place(last, index)
    this.#rise(last)
    this.#sink(last)
  }

  /** Forgets all entries and the timer. */
  clear(): void {
    for (const entry of this.#heap) entry.heapIndex = -1
    this.#heap.length = 0
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#timerAtMs = Number.POSITIVE_INFINITY
  }

  #arm(atMs: number): void {
    clearTimeout(this.#timer)
    this.#timerAtMs = atMs
    const delayMs = Math.max(1, Math.ceil(atMs - performance.now()))
    // A peer may name any deadline. Node fires a timer that is longer than it can count at once, and again and again.
    this.#timer = setTimeout(() => this.#fire(), Math.min(delayMs, maxTimeoutMs))
  }

  #fire(): void {
    this.#timer = undefined
    this.#timerAtMs = Number.POSITIVE_INFINITY
    const now = performance.now()
    for (let first = this.#heap[0]; first !== undefined && first.deadlineMs <= now; first = this.#heap[0]) {
      this.remove(first)
      first.onDeadline()
    }
    const next = this.#heap[0]
    if (next !== undefined && next.deadlineMs < this.#timerAtMs) this.#arm(next.deadlineMs)
  }

  #place(entry: Timed, index: number): void {
    this.#heap[index] = entry
    entry.heapIndex = index
  }

  #rise(entry: Timed): void {
    while (entry.heapIndex > 0) {
      const index = entry.heapIndex
      const parent = this.#heap[(index - 1) >> 1] as Timed
      if (parent.deadlineMs <= entry.deadlineMs) return
      this.#place(parent, index)
      this.#place(entry, (index - 1) >> 1)
    }
  }

  #sink(entry: Timed): void {
    for (;;) {
      const index = entry.heapIndex
      const left = this.#heap[2 * index + 1]
      if (left === undefined) return
      const right = this.#heap[2 * index + 2]
      const child = right !== undefined && right.deadlineMs < left.deadlineMs ? right : left
      if (child.deadlineMs >= entry.deadlineMs) return
      const childIndex = child.heapIndex
      this.#place(child, index)
      this.#place(entry, childIndex)
    }
  }
}
