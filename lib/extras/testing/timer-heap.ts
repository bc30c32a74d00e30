/** Timers by what is due first, and of those due together by what was asked for first: a binary heap, for there may be a million. */

/** Something that is due. Only the heap writes the last two. */
export interface Due {
  dueMs: number
  order: number
  /** Where it is in the heap; -1 outside. */
  at: number
}

export class TimerHeap<T extends Due> implements Iterable<T> {
  readonly #heap: T[] = []
  #order = 0

  get size(): number {
    return this.#heap.length
  }

  get first(): T | undefined {
    return this.#heap[0]
  }

  /** Behind all that are due in the same moment. It is in no heap. */
  add(timer: T): void {
    timer.order = ++this.#order
    this.#rise(timer, this.#heap.length)
  }

  /** Does nothing to one that is not in it. */
  delete(timer: T): void {
    const { at } = timer
    if (at < 0) return
    timer.at = -1
    const last = this.#heap.pop() as T
    if (last === timer) return
    if (at > 0 && isBefore(last, this.#heap[(at - 1) >> 1] as T)) this.#rise(last, at)
    else this.#sink(last, at)
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#heap.values()
  }

  #rise(timer: T, from: number): void {
    let at = from
    while (at > 0) {
      const parent = this.#heap[(at - 1) >> 1] as T
      if (!isBefore(timer, parent)) break
      this.#place(parent, at)
      at = (at - 1) >> 1
    }
    this.#place(timer, at)
  }

  #sink(timer: T, from: number): void {
    let at = from
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]]
      if (left === undefined) break
      const child = right !== undefined && isBefore(right, left) ? right : left
      if (!isBefore(child, timer)) break
      const { at: childAt } = child
      this.#place(child, at)
      at = childAt
    }
    this.#place(timer, at)
  }

  #place(timer: T, at: number): void {
    this.#heap[at] = timer
    timer.at = at
  }
}

function isBefore(one: Due, other: Due): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order)
}
